"""Who may come in: passwords, addresses, and somebody else who is asked (kubernetes.md §5.4). Pure."""

import ipaddress
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from pointsman.dialect.lookups import block, text
from pointsman_kubernetes.nginx.config import KubernetesIngressNGINXConfig
from pointsman_kubernetes.nginx.ingress import Denied, Ingress
from pointsman_kubernetes.nginx.references import References
from pointsman_kubernetes.objects import Object, key_of
from pointsman_kubernetes.secrets import held

Middleware = Mapping[str, Any]
FILE: Final = "auth-file"
MAP: Final = "auth-map"
_COLONS: Final = {"basic": 1, "digest": 2}


def passwords(ingress: Ingress, references: References) -> Middleware | None:
    """basicAuth or digestAuth. Denied if it is asked for and cannot be had."""
    notes = ingress.annotations
    if not notes.has("auth-type"):
        return None
    kind, form = notes.text("auth-type"), notes.text("auth-secret-type", FILE)
    if kind not in _COLONS:
        raise Denied(f"auth-type: {kind!r} is neither basic nor digest")
    if form not in (FILE, MAP):
        raise Denied(f"auth-secret-type: {form!r} is neither {FILE} nor {MAP}")
    secret = references.secret(ingress, "auth-secret", with_namespace=False)
    users = _of_map(secret) if form == MAP else _of_file(secret)
    if not users:
        raise Denied(f"auth-secret: secret {key_of(secret)} names no user{'' if form == MAP else ' at auth'}")
    if any(user.count(":") != _COLONS[kind] for user in users):
        shape = "name:hash" if kind == "basic" else "name:realm:hash"
        raise Denied(f"auth-secret: secret {key_of(secret)} has lines that are not of the form {shape}, which {kind} needs")
    realm = notes.text("auth-realm")
    return {f"{kind}Auth": {"users": users, **({"realm": realm} if realm else {})}}


def _of_file(secret: Object) -> list[str]:
    lines = (line.strip() for line in (held(secret, "auth") or "").split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def _of_map(secret: Object) -> list[str]:
    users = []
    for name in sorted(block(secret, "data")):
        try:
            users.append(f"{name}:{b64decode(text(secret, 'data', name), validate=True).decode()}")
        except ValueError:
            users.append(name)
    return users


def addresses(ingress: Ingress, config: KubernetesIngressNGINXConfig) -> Middleware | None:
    """ipAllowList. Denied if it cannot be read."""
    notes = ingress.annotations
    said = notes.text("allowlist-source-range") or notes.text("whitelist-source-range")
    if not said:
        return None
    ranges = [each.strip() for each in said.split(",") if each.strip()]
    for each in ranges:
        try:
            ipaddress.ip_network(each, strict=False)
        except ValueError:
            raise Denied(f"allowlist-source-range: {each!r} is no address and no range of addresses") from None
    if not ranges:
        raise Denied("allowlist-source-range: names no address")
    given = config.ip_allow_list_strategy
    strategy = {"depth": given.depth, "excludedIPs": list(given.excluded_ips), "ipv6Subnet": given.ipv6_subnet}
    chosen = {key: value for key, value in strategy.items() if value}
    return {"ipAllowList": {"sourceRange": ranges, **({"ipStrategy": chosen} if chosen else {})}}


def snippet(ingress: Ingress, config: KubernetesIngressNGINXConfig, of_server: str) -> Middleware | None:
    """snippet: directives of nginx, and whom to ask about a request; `of_server` are the directives of its host."""
    notes = ingress.annotations
    asked = notes.text("auth-url")
    if not asked and notes.flag("enable-global-auth", True):
        asked = config.global_auth_url
    made: dict[str, Any] = {}
    if of_server:
        made["serverSnippet"] = of_server
    if own := notes.text("configuration-snippet"):
        made["configurationSnippet"] = own
    if asked:
        made["auth"] = {"address": asked, **_question(ingress)}
    return {"snippet": made} if made else None


def _question(ingress: Ingress) -> dict[str, Any]:
    notes = ingress.annotations
    headers = [each.strip() for each in notes.text("auth-response-headers").split(",")]
    said = {
        "method": notes.text("auth-method"),
        "snippet": notes.text("auth-snippet"),
        "authSigninURL": notes.text("auth-signin"),
        "authResponseHeaders": [each for each in headers if each],
    }
    return {key: value for key, value in said.items() if value}
