"""What takes the place of a match: `$1`, `${1}x`, `$name` and `$$`, as Go expands them (middlewares.md §2.2).

A name is as long as it can be, so `$1x` is the group called `1x`. A group that is not there, or took no part, is empty, and
so is one whose number has a leading zero. A `$` that begins nothing stands for itself, and a backslash always does.
"""

import re
from collections.abc import Mapping

from attrs import frozen

from pointsman.dialect.patterns import Group, Pattern

_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")


@frozen
class Template:
    """Literal bytes and numbers of groups, in turn as they come."""

    parts: tuple[bytes | int, ...]

    @classmethod
    def read(cls, text: str, groups: Mapping[str, int]) -> "Template":
        """A template over these groups, known by name; `Pattern.groups` are a pattern's."""
        parts: list[bytes | int] = []
        literal, position = "", 0
        for match in _REFERENCE.finditer(text):
            literal += text[position : match.start()] + (match[1] or "")
            position = match.end()
            number = groups.get(match[2] or match[3] or "")
            if number is not None:
                parts += [literal.encode(), number]
                literal = ""
        parts.append((literal + text[position:]).encode())
        return cls(tuple(part for part in parts if part != b""))

    @property
    def literals(self) -> tuple[bytes, ...]:
        """The parts that are the same for every match."""
        return tuple(part for part in self.parts if isinstance(part, bytes))

    def expand(self, group: Group) -> bytes:
        return b"".join([part if isinstance(part, bytes) else group(part) for part in self.parts])


class Replacement:
    """A pattern and the template for its matches, as `regex` and `replacement` of several middlewares write them.

    ValueError for a pattern that is none.
    """

    __slots__ = ("_expand", "_pattern", "template")

    def __init__(self, regex: str, replacement: str) -> None:
        self._pattern = Pattern(regex)
        self.template = Template.read(replacement, self._pattern.groups)
        self._expand = self.template.expand

    def __call__(self, text: bytes) -> bytes | None:
        """The text with every match replaced; None if nothing matches. TooMuch (414) beyond the limits of `patterns`."""
        return self._pattern.replace(text, self._expand)

    def __repr__(self) -> str:
        return f"<Replacement {self._pattern.source} -> {self.template.parts}>"
