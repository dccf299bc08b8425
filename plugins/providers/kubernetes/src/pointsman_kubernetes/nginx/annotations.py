"""The annotations of ingress-nginx (kubernetes.md §5.4): which there are, what type they have, and who reads them. Pure."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final, Literal

from pointsman.dialect.lookups import texts
from pointsman_kubernetes.objects import Object

PREFIX: Final = "nginx.ingress.kubernetes.io/"
Kind = Literal["text", "flag", "number", "list"]

_BY_READER: Final[Mapping[str, Mapping[Kind, str]]] = {
    "access": {
        "text": "auth-type auth-secret auth-secret-type auth-realm auth-url auth-method auth-response-headers auth-signin"
        " auth-snippet allowlist-source-range whitelist-source-range configuration-snippet server-snippet",
        "flag": "enable-global-auth",
    },
    "tls": {
        "text": "auth-tls-secret auth-tls-verify-client",
        "flag": "auth-tls-pass-certificate-to-upstream ssl-passthrough",
    },
    "redirects": {
        "text": "app-root permanent-redirect temporal-redirect",
        "flag": "ssl-redirect force-ssl-redirect from-to-www-redirect",
        "number": "permanent-redirect-code temporal-redirect-code",
    },
    "rules": {"flag": "use-regex", "list": "server-alias"},
    "upstreams": {
        "text": "rewrite-target x-forwarded-prefix affinity session-cookie-name session-cookie-path session-cookie-domain"
        " session-cookie-samesite upstream-hash-by backend-protocol proxy-ssl-secret proxy-ssl-verify proxy-ssl-name"
        " proxy-ssl-server-name proxy-http-version upstream-vhost default-backend",
        "flag": "session-cookie-secure service-upstream",
        "number": "session-cookie-max-age session-cookie-expires proxy-connect-timeout proxy-read-timeout"
        " proxy-send-timeout",
    },
    "bodies": {
        "text": "proxy-next-upstream proxy-request-buffering client-body-buffer-size proxy-body-size proxy-buffering"
        " proxy-buffer-size proxy-max-temp-file-size",
        "number": "proxy-next-upstream-tries proxy-next-upstream-timeout proxy-buffers-number",
    },
    "headers": {
        "text": "custom-headers",
        "flag": "enable-cors cors-allow-credentials",
        "list": "cors-allow-origin cors-allow-methods cors-allow-headers cors-expose-headers custom-http-errors",
        "number": "cors-max-age",
    },
    "limits": {"number": "limit-rps limit-rpm limit-burst-multiplier limit-connections"},
    "document": {"flag": "enable-access-log"},
    "canaries": {
        "text": "canary-by-header canary-by-header-value canary-by-header-pattern canary-by-cookie",
        "flag": "canary",
        "number": "canary-weight canary-weight-total",
    },
}
KINDS: Final[Mapping[str, Kind]] = {
    name: kind for kinds in _BY_READER.values() for kind, names in kinds.items() for name in names.split()
}
READERS: Final[Mapping[str, str]] = {
    name: reader for reader, kinds in _BY_READER.items() for names in kinds.values() for name in names.split()
}
"""Which module reads an annotation."""

_GUARDS: Final = re.compile(
    r"auth-tls-(error-page|match-cn)|denylist-source-range|satisfy|global-rate-limit.*|limit-rate.*|limit-whitelist"
    r"|enable-modsecurity|enable-owasp-core-rules|modsecurity-.*|ssl-ciphers|proxy-ssl-(ciphers|protocols|verify-depth)"
)
"""Those without effect that were to keep somebody out."""
_UNSUPPORTED: Final = re.compile(
    r"affinity-canary-behavior|affinity-mode|load-balance|auth-tls-verify-depth|auth-cache-(key|duration)|auth-keepalive.*"
    r"|auth-proxy-set-headers|auth-always-set-cookie|disable-proxy-intercept-errors|preserve-trailing-slash"
    r"|proxy-cookie-(domain|path)|proxy-redirect-(from|to)|enable-rewrite-log"
    r"|session-cookie-(conditional-samesite-none|change-on-failure)|ssl-prefer-server-ciphers|connection-proxy-header"
    r"|enable-open(tracing|telemetry)|.*-trust-incoming-span|mirror-.*|stream-snippet"
)
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}")


class Annotations:
    """Those of one Ingress. A name that is in no table is a mistake of the caller: KeyError."""

    __slots__ = ("_values",)

    def __init__(self, thing: Object) -> None:
        self._values = {
            key.removeprefix(PREFIX): value
            for key, value in texts(thing, "metadata", "annotations").items()
            if key.startswith(PREFIX)
        }

    def has(self, name: str) -> bool:
        return self._value(name, KINDS[name]) is not None

    def text(self, name: str, default: str = "") -> str:
        value = self._value(name, "text")
        return default if value is None else value

    def flag(self, name: str, default: bool = False) -> bool:
        """`true`, in any case; everything else is false."""
        value = self._value(name, "flag")
        return default if value is None else value.lower() == "true"

    def number(self, name: str, default: int = 0) -> int:
        """`default` also for what is no number."""
        value = self._value(name, "number")
        return int(value) if value is not None and _NUMBER.fullmatch(value) else default

    def list(self, name: str) -> Sequence[str] | None:
        """What stands between commas; None if the annotation is not there."""
        value = self._value(name, "list")
        return None if value is None else [each.strip() for each in value.split(",")]

    def _value(self, name: str, kind: Kind) -> str | None:
        if KINDS[name] != kind:
            raise KeyError(f"annotation {name} is a {KINDS[name]}")
        return self._values.get(name)

    def problems(self) -> tuple[str, bool]:
        """What has no effect, in one sentence ("" if all has), and whether somebody is to be kept out by it."""
        useless, unknown, said = [], [], []
        for name, value in sorted(self._values.items()):
            if KINDS.get(name) == "number" and not _NUMBER.fullmatch(value):
                said.append(f"{name} is no number, so it counts as absent")
            elif name in KINDS:
                continue
            elif _GUARDS.fullmatch(name) or _UNSUPPORTED.fullmatch(name):
                useless.append(name)
            else:
                near = get_close_matches(name, KINDS, 1, 0.8)
                unknown.append(name + (f" (did you mean {near[0]}?)" if near else ""))
        if useless:
            said.append(f"without effect here: {', '.join(useless)}")
        if unknown:
            said.append(f"unknown: {', '.join(unknown)}")
        return f"annotations {'; '.join(said)}" if said else "", any(map(_GUARDS.fullmatch, useless))
