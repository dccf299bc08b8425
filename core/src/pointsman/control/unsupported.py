"""What a configuration may ask for and this version cannot do: said aloud, never passed over in silence."""

from collections.abc import Iterator

from pointsman.config.static import Static
from pointsman.errors import Problem

_WORDS = "is not supported by this version and has no effect"
_SECTIONS = {
    "api": "api",
    "access_log": "accessLog",
    "metrics": "metrics",
    "tracing": "tracing",
    "host_resolver": "hostResolver",
    "spiffe": "spiffe",
    "ocsp": "ocsp",
}


def unsupported_static(static: Static) -> list[Problem]:
    """Sections and options of the static configuration that nothing here acts on yet."""
    return [Problem(path, _WORDS) for path in _static(static)]


def _static(static: Static) -> Iterator[str]:
    for attribute, spelled in _SECTIONS.items():
        if getattr(static, attribute) is not None:
            yield spelled
    if static.servers_transport.spiffe is not None:
        yield "serversTransport.spiffe"
    for name in static.certificates_resolvers:
        yield f"certificatesResolvers.{name}"
    for name, point in static.entry_points.items():
        at = f"entryPoints.{name}"
        if point.http3 is not None:
            yield f"{at}.http3"
