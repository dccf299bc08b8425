"""Headers of answers, and pages in place of errors (kubernetes.md §5.4). Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pointsman_kubernetes.nginx.annotations import Annotations
from pointsman_kubernetes.nginx.config import KubernetesIngressNGINXConfig
from pointsman_kubernetes.nginx.ingress import Denied, Ingress, Target
from pointsman_kubernetes.nginx.references import References

Middleware = Mapping[str, Any]
_HEADERS: Final = (
    "DNT",
    "Keep-Alive",
    "User-Agent",
    "X-Requested-With",
    "If-Modified-Since",
    "Cache-Control",
    "Content-Type",
    "Range",
    "Authorization",
)
_METHODS: Final = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS")
_MAX_AGE: Final = 1728000
_WILDCARD: Final = re.compile(r"([a-z][a-z0-9+.-]*://)\*((?:\.[A-Za-z0-9-]*)+(?::[0-9]+)?)")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_VALUE: Final = re.compile(r"[A-Za-z0-9_ :;.,\\/\"'?!(){}\[\]@<>=\-+*#$&`|~^%]+")


def cors(notes: Annotations) -> Middleware | None:
    """headers, for requests of other origins."""
    if not notes.flag("enable-cors"):
        return None
    origins = notes.list("cors-allow-origin")
    exact, expressions = _origins(["*"] if origins is None else origins)
    made: dict[str, Any] = {
        "accessControlAllowCredentials": notes.flag("cors-allow-credentials", True),
        "accessControlAllowHeaders": _list(notes, "cors-allow-headers", _HEADERS),
        "accessControlAllowMethods": _list(notes, "cors-allow-methods", _METHODS),
        "accessControlAllowOriginList": exact,
        "accessControlAllowOriginListRegex": expressions,
        "accessControlExposeHeaders": _list(notes, "cors-expose-headers", ()),
        "accessControlMaxAge": notes.number("cors-max-age", _MAX_AGE),
    }
    return {"headers": made}


def _list(notes: Annotations, name: str, default: Sequence[str]) -> list[str]:
    said = notes.list(name)
    return list(default if said is None else said)


def _origins(said: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those that are written out, and expressions for those like https://*.example.org; other stars allow nobody."""
    matches = [_WILDCARD.fullmatch(origin) for origin in said if "*" in origin]
    expressions = [f"^(?i){match[1]}[A-Za-z0-9-]+{_literal(match[2])}$" for match in matches if match]
    return [origin for origin in said if origin == "*" or "*" not in origin], expressions


def _literal(text: str) -> str:
    return text.replace(".", r"\.")


def allowed_names(config: KubernetesIngressNGINXConfig) -> frozenset[str]:
    """The names of headers that ConfigMaps may set."""
    return frozenset(name for name in config.global_allowed_response_headers if _NAME.fullmatch(name))


def custom_headers(ingress: Ingress, references: References, allowed: frozenset[str]) -> Middleware | None:
    """headers, from a ConfigMap. Denied if it cannot be had whole."""
    if not ingress.annotations.has("custom-headers"):
        return None
    values = references.config_map(ingress, "custom-headers")
    for name, value in values.items():
        if name not in allowed:
            raise Denied(f"custom-headers: header {name} is not in globalAllowedResponseHeaders")
        if not _VALUE.fullmatch(value):
            raise Denied(f"custom-headers: the value of {name} has characters that are not allowed")
    return {"headers": {"customResponseHeaders": dict(values)}} if values else None


def error_statuses(notes: Annotations, config: KubernetesIngressNGINXConfig) -> Sequence[str]:
    """Statuses in whose place the default backend answers."""
    said = notes.list("custom-http-errors")
    return config.custom_http_errors if said is None else said


def error_pages(ingress: Ingress, statuses: Sequence[str], service: str, target: Target) -> Middleware:
    """errors, answered by that service, which learns what the path's own one is."""
    said = {
        "X-Namespaces": [ingress.namespace],
        "X-Ingress-Name": [ingress.name],
        "X-Service-Name": [target.service],
        "X-Service-Port": [str(target.port)],
    }
    return {"errors": {"status": list(statuses), "service": service, "nginxHeaders": said}}
