"""`retryExpression`: whether a request is sent once more, by what became of it (middlewares.md §3.3)."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Final

from attrs import frozen

from pointsman.dialect.expressions import Function, Kind

MAX_REPLAYS: Final = 10
"""However long the expression holds."""


@frozen
class Outcome:
    """What became of one attempt; `attempts` is 1 for the first."""

    attempts: int
    status: int
    method: str

    @property
    def is_network_error(self) -> bool:
        return self.status in (502, 504)


FUNCTIONS: Final[Mapping[str, Function[Outcome]]] = {
    "Attempts": Function(Kind.WHOLE, lambda: attrgetter("attempts")),
    "ResponseCode": Function(Kind.WHOLE, lambda: attrgetter("status")),
    "IsNetworkError": Function(Kind.TRUTH, lambda: attrgetter("is_network_error")),
    "RequestMethod": Function(Kind.TEXT, lambda: attrgetter("method")),
}
