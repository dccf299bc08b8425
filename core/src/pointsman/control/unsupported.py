"""What a configuration may ask for and this version cannot do: said aloud, never passed over in silence."""

from collections.abc import Iterator, Mapping
from typing import Any

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
_DYNAMIC = ("tcp.routers", "udp.routers")


def unsupported_static(static: Static) -> list[Problem]:
    """Sections and options of the static configuration that nothing here acts on yet."""
    return [Problem(path, _WORDS) for path in _static(static)]


def _static(static: Static) -> Iterator[str]:
    for attribute, spelled in _SECTIONS.items():
        if getattr(static, attribute) is not None:
            yield spelled
    for name in static.certificates_resolvers:
        yield f"certificatesResolvers.{name}"
    for name, point in static.entry_points.items():
        at = f"entryPoints.{name}"
        if point.listen.protocol == "udp":
            yield f"{at}.address (UDP)"
        if point.http3 is not None:
            yield f"{at}.http3"


def unsupported_dynamic(tree: Mapping[str, Mapping[str, Any]]) -> list[Problem]:
    """Sections of the dynamic configuration that nothing here acts on yet."""
    return [
        Problem(section, f"{_WORDS} ({', '.join(sorted(tree[section])[:5])}{' ...' if len(tree[section]) > 5 else ''})")
        for section in _DYNAMIC
        if tree.get(section)
    ]
