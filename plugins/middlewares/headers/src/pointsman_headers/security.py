"""Security headers, and the two questions about a request behind them (middlewares.md §3.13, 6 and 8)."""

from base64 import b64encode
from secrets import token_bytes

from pointsman import Request, Response
from pointsman_headers.config import HeadersConfig
from pointsman_headers.lines import line, lines

NONCE = b"$NONCE"
POLICIES = (b"content-security-policy", b"content-security-policy-report-only")


def plain_headers(config: HeadersConfig) -> dict[bytes, bytes]:
    """Those that every response gets."""
    values = {
        "x-frame-options": config.custom_frame_options_value or ("DENY" if config.frame_deny else ""),
        "x-content-type-options": "nosniff" if config.content_type_nosniff else "",
        "x-xss-protection": config.custom_browser_xss_value or ("1; mode=block" if config.browser_xss_filter else ""),
        "content-security-policy": config.content_security_policy,
        "content-security-policy-report-only": config.content_security_policy_report_only,
        "referrer-policy": config.referrer_policy,
        "permissions-policy": config.permissions_policy,
    }
    headers = {name: value for name, value in values.items() if value}
    if config.force_sts_header:
        headers |= _transport(config)
    return lines("headers", headers)


def secure_headers(config: HeadersConfig) -> dict[bytes, bytes]:
    """Those that only responses to HTTPS requests get."""
    if config.is_development:
        return {}
    headers = _transport(config)
    if config.public_key:
        headers["public-key-pins"] = config.public_key
    return lines("headers", headers)


def _transport(config: HeadersConfig) -> dict[str, str]:
    if config.is_development or not config.sts_seconds:
        return {}
    parts = [f"max-age={config.sts_seconds}"]
    parts += ["includeSubDomains"] if config.sts_include_subdomains else []
    parts += ["preload"] if config.sts_preload else []
    return {"strict-transport-security": "; ".join(parts)}


def new_nonce() -> bytes:
    """`'nonce-…'` with 128 random bits."""
    return b"'nonce-%s'" % b64encode(token_bytes(16)).rstrip(b"=")


class Secured:
    """Did the client speak HTTPS: to us, or to the proxy before us, as some header says?"""

    def __init__(self, config: HeadersConfig) -> None:
        self._signs = tuple(line("sslProxyHeaders", *item) for item in config.ssl_proxy_headers.items())

    def __call__(self, request: Request) -> bool:
        return request.scheme == b"https" or any(request.headers.get(name) == value for name, value in self._signs)


class HostCheck:
    """Refuses requests for hosts that are not in the list."""

    def __init__(self, config: HeadersConfig) -> None:
        self._hosts = frozenset(host.lower().encode() for host in config.allowed_hosts)
        self._headers = tuple(line("hostsProxyHeaders", name, "")[0] for name in config.hosts_proxy_headers)

    def refuses(self, request: Request) -> bool:
        told = (request.headers.get(name) for name in self._headers)
        return next(filter(None, told), request.authority).lower() not in self._hosts

    @staticmethod
    def refusal() -> Response:
        return Response.text(500, "Bad Host\n")
