"""Counters and gauges of one worker: what plugins count, and the gateway itself beside requests.

Every place has a number of its own under the same name and labels; what is told is their sum. Told are differences, for
counters, and what is there now, for gauges; then it is for the control side to add up what workers say.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pointsman.measures import Kind

_NAME: Final = re.compile(r"(?:pointsman|traefik)_[a-z0-9_]*[a-z0-9]")
_LABEL: Final = re.compile(r"[a-z][a-z0-9_]*")
Key = tuple[str, tuple[tuple[str, str], ...]]
Told = list[Any]
"""`[name, kind, help, {label: value}, number]`."""


class Number:
    """One counter or gauge."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, amount: float = 1.0) -> None:
        self.value += amount

    def set(self, value: float) -> None:
        self.value = value


class Numbers:
    """All numbers of one worker. `news` tells what has changed since it was asked last; of a gauge that is gone, None."""

    def __init__(self) -> None:
        self._families: dict[str, tuple[Kind, str, tuple[str, ...]]] = {}
        self._places: dict[tuple[Key, Any], Number] = {}
        self._told: dict[Key, float] = {}

    def number(self, kind: Kind, name: str, help: str, labels: Mapping[str, str], place: Any = None) -> Number:
        """The number of a place. What one that was there before has counted is kept.

        ValueError if the name or a label is none, or another number of that name is of another kind or has other labels.
        """
        family = (kind, help, tuple(sorted(labels)))
        if not _NAME.fullmatch(name):
            raise ValueError(f"'{name}' is no name of a metric here; write pointsman_<kind>_<what>, in small letters")
        if not all(map(_LABEL.fullmatch, labels)):
            raise ValueError(f"metric {name}: labels are written in small letters, not {', '.join(labels)}")
        known = self._families.setdefault(name, family)
        if (known[0], known[2]) != (family[0], family[2]):
            raise ValueError(f"metric {name} is a {known[0]} with labels {', '.join(known[2])} already")
        key = (name, tuple(sorted(labels.items())))
        before = self._places.get((key, place))
        number = self._places[key, place] = Number()
        if before is not None and kind == "counter":
            number.value = before.value
        return number

    def retain(self, is_there: Callable[[Any], bool]) -> None:
        """Forget all other places, but for the gateway's own, which have none."""
        for key, place in list(self._places):
            if place is not None and not is_there(place):
                number = self._places.pop((key, place))
                if self._families[key[0]][0] == "counter":  # the difference to what was told is still to be told
                    self._told[key] = self._told.get(key, 0.0) - number.value

    def news(self) -> Iterator[Told]:
        sums: dict[Key, float] = {}
        for (key, _), number in self._places.items():
            sums[key] = sums.get(key, 0.0) + number.value
        for key, value in sums.items():
            told = self._told.get(key)
            if told == value:
                continue
            self._told[key] = value
            kind, help, _ = self._families[key[0]]
            yield [key[0], kind, help, dict(key[1]), value - (told or 0.0) if kind == "counter" else value]
        for key in [key for key in self._told if key not in sums]:
            told = self._told.pop(key)
            kind, help, _ = self._families[key[0]]
            if kind == "gauge":
                yield [key[0], kind, help, dict(key[1]), None]
            elif told:
                yield [key[0], kind, help, dict(key[1]), -told]
