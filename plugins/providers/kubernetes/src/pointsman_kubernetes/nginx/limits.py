"""How much one client may ask for (kubernetes.md §5.4). Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pointsman_kubernetes.nginx.annotations import Annotations

Middleware = Mapping[str, Any]
_MULTIPLIER: Final = 5


def limits(notes: Annotations) -> Iterator[tuple[str, Middleware]]:
    """rateLimit and inFlightReq, with what their names end in."""
    multiplier = notes.number("limit-burst-multiplier", _MULTIPLIER)
    multiplier = multiplier if multiplier > 0 else _MULTIPLIER
    for suffix, period in (("limit-rpm", "1m"), ("limit-rps", "1s")):
        average = notes.number(suffix)
        if average > 0:
            yield suffix, {"rateLimit": {"average": average, "period": period, "burst": average * multiplier}}
    most = notes.number("limit-connections")
    if most > 0:
        criterion: Mapping[str, Any] = {"ipStrategy": {}}
        yield "limit-connections", {"inFlightReq": {"amount": most, "sourceCriterion": criterion}}
