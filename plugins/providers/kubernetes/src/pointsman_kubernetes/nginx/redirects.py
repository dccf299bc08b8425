"""Who is sent elsewhere (kubernetes.md §5.4). Pure."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from pointsman_kubernetes.nginx.annotations import Annotations

Middleware = Mapping[str, Any]
TO_HTTPS: Final[Middleware] = {"redirectScheme": {"scheme": "https", "forcePermanentRedirect": True}}
_CODES: Final = range(300, 309)
_WWW: Final = "www."
_LEADING_URL: Final = r"^(https?)://(?:\[[^/\]]*\]|[^/:]+)(:[0-9]+)?[^/]*/(.*?)/?$"


def goes_to_https(notes: Annotations, has_tls: bool) -> bool:
    """Whether plaintext requests are redirected: forced, or because there are certificates."""
    return notes.flag("force-ssl-redirect") or (has_tls and notes.flag("ssl-redirect", True))


def redirect(notes: Annotations) -> Middleware | None:
    """redirectRegex of temporal-redirect, or else of permanent-redirect."""
    for kind, usual in (("temporal-redirect", 302), ("permanent-redirect", 301)):
        if url := notes.text(kind):
            code = notes.number(f"{kind}-code", usual)
            status = code if code in _CODES else usual
            return {"redirectRegex": {"regex": ".*", "replacement": url, "statusCode": status}}
    return None


def app_root(notes: Annotations) -> str:
    """Where `/` leads; "" if nowhere else."""
    path = notes.text("app-root")
    return path if path.startswith("/") else ""


def other_form(notes: Annotations, host: str, hosts: Collection[str]) -> str:
    """The host with or without `www.` whose requests are sent to this one; "" if there is none, or it is served itself."""
    if not notes.flag("from-to-www-redirect") or not host or host.startswith("*."):
        return ""
    other = host.removeprefix(_WWW) if host.startswith(_WWW) else _WWW + host
    return "" if other in hosts else other


def to_host(host: str) -> Middleware:
    """redirectRegex to the same URL of that host."""
    return {"redirectRegex": {"regex": _LEADING_URL, "replacement": f"$1://{host}$2/$3", "statusCode": 308}}
