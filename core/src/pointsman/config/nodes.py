"""Labels and keys of stores as a tree of names, before anything is known of what they mean (providers.md §3.2, §4.1)."""

import re
from collections.abc import Iterable
from typing import Final

from pointsman.errors import Problem

MAX_DEPTH: Final = 64
"""Segments of one name."""
MAX_LENGTH: Final = 8192
"""Characters of one name."""
_INDEXED: Final = re.compile(r"([^\[\]]+)\[([0-9]{1,9})\]", re.ASCII)
_DECIMAL: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


class Node:
    """One name and what was said below it. Names are found without case; who comes first gives the spelling."""

    __slots__ = ("children", "items", "name", "parent", "value")

    def __init__(self, name: str, parent: "Node | None" = None) -> None:
        self.name = name
        self.parent = parent
        self.value: str | None = None
        self.children: dict[str, Node] = {}
        """By name in lower case."""
        self.items: dict[int, Node] = {}
        """What `name[3]` said."""

    def child(self, name: str) -> "Node":
        lower = name.lower()
        found = self.children.get(lower)
        if found is None:
            found = self.children[lower] = Node(name, self)
        return found

    def item(self, index: int) -> "Node":
        found = self.items.get(index)
        if found is None:
            found = self.items[index] = Node(f"[{index}]", self)
        return found

    @property
    def single(self) -> bool:
        """Whether nothing stands below it."""
        return not self.children and not self.items

    def listed(self) -> "list[Node] | None":
        """What stands below it as a list, by number: `[0]` or the names `0`, `1`, ...; None if some are no numbers."""
        if not self.children:
            return [self.items[index] for index in sorted(self.items)]
        if not all(map(_DECIMAL.fullmatch, self.children)):
            return None
        numbered = sorted([*self.items.items(), *((int(name), node) for name, node in self.children.items())], key=_number)
        return [node for _, node in numbered]

    def path(self, separator: str) -> str:
        """Its full name, from the root; what is long in it is cut."""
        path, node = self.name[:100], self.parent
        while node is not None and node.name:
            path = node.name[:100] + ("" if path[0] == "[" else separator) + path
            node = node.parent
        return path

    def __repr__(self) -> str:
        return f"<Node {self.path('.')} {len(self.children) + len(self.items)} below>"


def _number(numbered: tuple[int, Node]) -> int:
    return numbered[0]


def put_label(root: Node, label: str, segments: Iterable[str], value: str) -> Problem | None:
    """Put the value of one label where its segments lead. The Problem if they lead nowhere; a warning if one was there."""
    way: list[str | int] = []
    for segment in segments:
        if not segment:
            return Problem(label[:200], "invalid element: there is nothing between two of its dots")
        if segment[-1] != "]" and segment[0] != "[":
            way.append(segment)
        elif indexed := _INDEXED.fullmatch(segment):
            way += indexed[1], int(indexed[2])
        else:
            return Problem(label[:200], f"invalid field name '{segment[:100]}': an element of a list is written name[0]")
    return _put(root, label, way, value)


def put_key(root: Node, key: str, segments: Iterable[str], value: str) -> Problem | None:
    """Put the value of one key of a store where its segments lead; a warning if one was there."""
    return _put(root, key, segments, value)


def _put(root: Node, said: str, way: Iterable[str | int], value: str) -> Problem | None:
    node = root
    for name in way:
        node = node.item(name) if isinstance(name, int) else node.child(name)
    again = node.value is not None and node.value != value
    node.value = value
    return Problem(said[:200], "is given twice, in two spellings; this one is used", warning=True) if again else None


def too_long(name: str, segments: list[str]) -> Problem | None:
    """The Problem of a name that is too long to mean anything."""
    if len(name) > MAX_LENGTH or len(segments) > MAX_DEPTH:
        return Problem(name[:200], f"is longer than {MAX_LENGTH} characters or {MAX_DEPTH} names")
    return None
