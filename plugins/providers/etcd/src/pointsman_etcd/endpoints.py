"""How an endpoint is written: `host:port`, or with `http://` or `https://` before it. Pure."""

from typing import Final
from urllib.parse import urlsplit

from pointsman.errors import ConfigError, Problem

DEFAULT_PORT: Final = 2379


def endpoint_url(endpoint: str, tls: bool, path: str) -> str:
    """`https://host:port` with TLS, else `http://host:port`. ConfigError at `path` for what is none; it never repeats it."""
    scheme, slashes, rest = endpoint.strip().rpartition("://")
    usual = "https" if tls else "http"
    try:
        if "@" in rest:
            raise ValueError("it holds a user or a password; write them as 'username' and 'password'")
        parts = urlsplit(f"//{rest}")
        if slashes and scheme.lower() not in ("http", "https"):
            raise ValueError("write it as host:port")
        if not parts.hostname or parts.port == 0 or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("write it as host:port")
    except ValueError as error:
        raise ConfigError(Problem(path, f"is no endpoint: {error}")) from None
    if tls and scheme.lower() == "http":
        raise ConfigError(Problem(path, "is http:// although there is a 'tls' block; write it as host:port"))
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme.lower() or usual}://{host}:{parts.port or DEFAULT_PORT}"
