"""What a configuration may ask for and this version cannot do: said aloud, never passed over in silence."""

from collections.abc import Iterator

from pointsman.config.static import Static
from pointsman.errors import Problem
from pointsman.net.quic_library import has_quic

_WORDS = "is not supported by this version and has no effect"
_WITHOUT_QUIC = "needs a library for QUIC, and is off without it; pip install 'pointsman[http3]'"
_WITHOUT_TCP = "belongs to an entry point for TCP, and has no effect on one for UDP"
_SECTIONS = {
    "host_resolver": "hostResolver",
    "spiffe": "spiffe",
    "ocsp": "ocsp",
}


def unsupported_static(static: Static) -> list[Problem]:
    """Sections and options of the static configuration that nothing here acts on yet."""
    return [Problem(path, _WORDS) for path in _static(static)] + [
        Problem(f"entryPoints.{name}.http3", _WITHOUT_TCP if point.listen.protocol != "tcp" else _WITHOUT_QUIC)
        for name, point in static.entry_points.items()
        if point.http3 is not None and not (point.wants_http3 and has_quic())
    ]


def _static(static: Static) -> Iterator[str]:
    for attribute, spelled in _SECTIONS.items():
        if getattr(static, attribute) is not None:
            yield spelled
    if static.servers_transport.spiffe is not None:
        yield "serversTransport.spiffe"
