"""What takes the place of a match: `$1`, `${1}x`, `$name` and `$$`, as Go expands them (middlewares.md §2.2).

A name is of letters, digits and `_`, as long as it can be: `$1x` is the group called `1x`. A group that is not there, or
took no part, is empty, and so is one whose number has a leading zero. A `$` that begins nothing stands for itself, and a
backslash always does.
"""

from collections.abc import Mapping

from attrs import frozen

from pointsman.dialect.patterns import Group, Pattern


@frozen
class Template:
    """Literal bytes and numbers of groups, in turn as they come."""

    parts: tuple[bytes | int, ...]

    @classmethod
    def read(cls, text: str, groups: Mapping[str, int]) -> "Template":
        """A template over these groups, known by name; `Pattern.groups` are a pattern's."""
        parts: list[bytes | int] = []
        literal, dollar, rest = text.partition("$")
        while dollar:
            name, rest = _name(rest)
            number = groups.get(name)
            if number is not None:
                parts += [literal.encode(), number]
                literal = ""
            elif not name or name == "$":
                literal += "$"
            more, dollar, rest = rest.partition("$")
            literal += more
        parts.append(literal.encode())
        return cls(tuple(part for part in parts if part != b""))

    @property
    def literals(self) -> tuple[bytes, ...]:
        """The parts that are the same for every match."""
        return tuple(part for part in self.parts if isinstance(part, bytes))

    def expand(self, group: Group) -> bytes:
        return b"".join([part if isinstance(part, bytes) else group(part) for part in self.parts])


def _name(text: str) -> tuple[str, str]:
    """The name that stands behind a `$`, "" if there is none, and what follows it."""
    if text.startswith("$"):
        return "$", text[1:]
    begin = end = int(text.startswith("{"))
    while end < len(text) and (text[end] == "_" or text[end].isalpha() or text[end].isdecimal()):
        end += 1
    if end == begin or (begin and text[end : end + 1] != "}"):
        return "", text
    return text[begin:end], text[end + begin :]


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
