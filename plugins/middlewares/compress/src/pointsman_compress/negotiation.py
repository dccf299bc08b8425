"""Which encoding a client gets: Accept-Encoding against the server's own order (middlewares.md §3.6; RFC 9110 §12.5.3)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

_WEIGHT: Final = re.compile(rb"[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}")
_ANY: Final = b"*"
_IDENTITY: Final = b"identity"
_CACHED: Final = 512
_CACHED_BYTES: Final = 256


class Negotiation:
    """The choice among `encodings`, the server's favourite first; `default` is what `*` and silence get, b"" for nothing."""

    def __init__(self, encodings: Sequence[bytes], default: bytes) -> None:
        self._encodings = tuple(encodings)
        self._default = default
        self._favourites = tuple(dict.fromkeys((default, *encodings))) if default else self._encodings
        self._known: dict[bytes, bytes] = {}
        """Answers to header values that clients sent before; a few, and none of them long."""

    def choose(self, lines: Sequence[bytes]) -> bytes:
        """The encoding for these Accept-Encoding lines; b"" to leave the body as it is."""
        if not lines:
            return self._default
        accepted = lines[0] if len(lines) == 1 else b",".join(lines)
        known = self._known.get(accepted)
        if known is None:
            known = self._decide(accepted)
            if len(accepted) <= _CACHED_BYTES:
                if len(self._known) >= _CACHED:
                    self._known.clear()
                self._known[accepted] = known
        return known

    def _decide(self, accepted: bytes) -> bytes:
        weights = dict(self._weights(accepted))
        order = (_ANY, *self._encodings, _IDENTITY)
        for name in sorted((name for name in order if weights.get(name)), key=lambda name: -weights[name]):
            if name == _IDENTITY:
                return b""
            if name != _ANY:
                return name
            for favourite in self._favourites:  # a star is not for what is refused by name
                if weights.get(favourite, 1):
                    return favourite
        return b""

    def _weights(self, accepted: bytes) -> Iterator[tuple[bytes, float]]:
        """Names and their weights; what is said without a weight that can be read is not said. Of two, the last counts."""
        for item in accepted.split(b","):
            name, *parameters = item.split(b";", 8)
            weight = _weight(parameters)
            if weight is not None:
                yield name.strip(b" \t").lower(), weight


def _weight(parameters: Iterable[bytes]) -> float | None:
    """The weight among the parameters, at most 1 and by default 1; None if it is no number."""
    for parameter in parameters:
        key, _, value = parameter.partition(b"=")
        if key.strip(b" \t").lower() == b"q":
            value = value.strip(b" \t")
            return min(float(value), 1.0) if _WEIGHT.fullmatch(value) else None
    return 1.0
