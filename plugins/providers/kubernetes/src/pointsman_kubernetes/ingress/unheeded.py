"""Annotations without effect, told once for all objects that bear them: thousands may come from one chart. Pure."""

from collections.abc import Iterator
from typing import Final

from pointsman.errors import Problem

EXAMPLES: Final = 3
"""Objects that are named, the one that the problem is about among them."""
MOST: Final = 50
"""Sentences about one kind of objects; whoever makes up a name for each object is told of the others by their number."""


class Unheeded:
    """What is said of annotations, and of which objects: `add` each, then read `problems`."""

    def __init__(self, kind: str) -> None:
        """`kind`: how problems call the objects, `ingress`."""
        self._kind = kind
        self._found: dict[str, list[str]] = {}

    def add(self, key: str, sentence: str) -> None:
        """`key` is the object's, `default/web`."""
        self._found.setdefault(sentence, []).append(key)

    def problems(self) -> Iterator[Problem]:
        """At the first object of each sentence, in the order in which they came."""
        for number, (sentence, keys) in enumerate(self._found.items()):
            if number == MOST:
                more = len(self._found) - MOST
                yield Problem(f"{self._kind} {keys[0]}", f"and {more} more annotations have no effect", warning=True)
                return
            first, *others = dict.fromkeys(keys)
            named = ", ".join(others[: EXAMPLES - 1]) + (", ..." if len(others) >= EXAMPLES else "")
            also = f" (on {len(others) + 1} of this kind, also {named})" if others else ""
            yield Problem(f"{self._kind} {first}", sentence + also, warning=True)
