"""`location` blocks of a server snippet: which one is for a path, as nginx chooses."""

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from pointsman.dialect.patterns import Pattern
from pointsman_nginx.levels import Level

_MODIFIERS: Final = ("=", "^~", "~", "~*")


@frozen(eq=False)
class Place:
    """A location: `modifier` is "" for an ordinary prefix."""

    modifier: str
    path: bytes
    pattern: Pattern | None
    level: Level

    @classmethod
    def read(cls, arguments: Sequence[str], level: Level) -> "Place":
        """ValueError for what says no place."""
        modifier, *rest = arguments if len(arguments) == 2 else ("", *arguments)
        if len(rest) != 1 or modifier not in ("", *_MODIFIERS) or not rest[0]:
            raise ValueError("no enough parameter for location: write location [= | ^~ | ~ | ~*] /path { ... }")
        if rest[0].startswith("@"):
            raise ValueError("named locations are not supported: nothing leads to them")
        pattern = Pattern(("(?i)" if modifier == "~*" else "") + rest[0]) if modifier in ("~", "~*") else None
        return cls(modifier, rest[0].encode(), pattern, level)


class Places:
    """The exact one; else, if it says `^~`, the longest prefix; else the first expression that matches; else that prefix."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._exact = {place.path: place for place in reversed(places) if place.modifier == "="}
        prefixes = [place for place in places if place.modifier in ("", "^~")]
        self._prefixes = sorted(prefixes, key=lambda place: -len(place.path))
        self._patterns = [place for place in places if place.pattern is not None]

    def at(self, uri: bytes) -> Level | None:
        """The level for a decoded path; None if no location is for it."""
        if (exact := self._exact.get(uri)) is not None:
            return exact.level
        longest = next((place for place in self._prefixes if uri.startswith(place.path)), None)
        if longest is None or longest.modifier != "^~":
            for place in self._patterns:
                if place.pattern is not None and place.pattern.find(uri) is not None:
                    return place.level
        return longest.level if longest is not None else None
