"""YAML events to plain data, within bounds.

The C parser yields events; nothing here recurses deeper than it is told, aliases share what they name and are counted as if
they were written out, and a key given twice is a mistake with its line.
"""

import re
from collections.abc import Callable
from typing import Any, NoReturn

import yaml

from pointsman.errors import ConfigError, Problem

MAX_ALIASED = 1_000_000
"""How many values aliases may add to a document. A bomb of nine lines asks for billions."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:e[-+]?[0-9]+)?")
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_CORE_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "null", "bool", "int", "float"))
_TEXT_TAGS = frozenset(("!", "tag:yaml.org,2002:str"))


def resolve(text: str) -> Any:
    """What an unquoted word means: null, a boolean, a number in its plain form, else the text itself."""
    if text in _NULLS:
        return None
    first = text[0]
    if first in "tf":
        return {"true": True, "false": False}.get(text, text)
    if first in "-0123456789":
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            number = float(text)
            return number if repr(number) == text else text
    return text


class Composer:
    """Builds the one document that a stream of parser events describes."""

    def __init__(self, next_event: Callable[[], Any], name: str, max_depth: int) -> None:
        self._next = next_event
        self._name = name
        self._max_depth = max_depth
        self._anchors: dict[str, tuple[Any, int, str | None]] = {}
        self._count = 0
        """Values so far, aliases counted as if written out."""
        self._aliased = 0

    def document(self) -> Any:
        """The document, None if there is none. A second one is refused unless it is empty."""
        value, first = None, True
        self._next()
        while type(self._next()) is not yaml.StreamEndEvent:
            event = self._next()
            more = self._value(event, self._max_depth)
            if not first and more is not None:
                self._fail(event, "a second document begins here; a file holds one")
            if first:
                value, first = more, False
            self._next()
        return value

    def _value(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._count += 1
            value = self._scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = (value, 1, event.value)
            return value
        if kind is yaml.AliasEvent:
            return self._alias(event)[0]
        if depth <= 0:
            self._fail(event, f"is nested deeper than {self._max_depth} levels")
        if event.tag is not None and event.tag not in _CORE_TAGS and event.tag != "!":
            self._fail(event, f"the tag '{event.tag}' means nothing here; leave it out")
        before = self._count
        value = self._mapping(depth - 1) if kind is yaml.MappingStartEvent else self._sequence(depth - 1)
        self._count += 1
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._count - before, None)
        return value

    def _scalar(self, event: Any) -> Any:
        if event.implicit[0]:
            return resolve(event.value)
        if event.tag is None or event.tag in _TEXT_TAGS:
            return event.value
        if event.tag in _CORE_TAGS:
            return resolve(event.value)
        self._fail(event, f"the tag '{event.tag}' means nothing here; leave it out")

    def _alias(self, event: Any) -> tuple[Any, str | None]:
        if event.anchor not in self._anchors:
            self._fail(event, f"the alias '*{event.anchor}' names nothing that is complete above it")
        value, size, text = self._anchors[event.anchor]
        self._count += size
        self._aliased += size
        if self._aliased > MAX_ALIASED:
            self._fail(event, f"aliases expand to more than {MAX_ALIASED} values; write the document without so many")
        return value, text

    def _sequence(self, depth: int) -> list[Any]:
        items: list[Any] = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            items.append(self._value(event, depth))
        return items

    def _mapping(self, depth: int) -> dict[str, Any]:
        block: dict[str, Any] = {}
        merges: list[dict[str, Any]] = []
        next_event, build = self._next, self._value
        while True:
            event = next_event()
            kind = type(event)
            if kind is yaml.MappingEndEvent:
                break
            if kind is yaml.ScalarEvent:
                key = event.value
                if event.anchor is not None:
                    self._anchors[event.anchor] = (self._scalar(event), 1, key)
                if key == "<<" and event.implicit[0]:
                    start = next_event()
                    merges += self._merged(start, build(start, depth))
                    continue
            else:
                key = self._odd_key(event)
            if key in block:
                self._fail(event, f"the key '{key}' is given twice in one block")
            block[key] = build(next_event(), depth)
        for merge in merges:
            for key, value in merge.items():
                block.setdefault(key, value)
        return block

    def _odd_key(self, event: Any) -> str:
        if type(event) is yaml.AliasEvent:
            text = self._alias(event)[1]
            if text is not None:
                return text
        self._fail(event, "a key must be text, not a list or a block")

    def _merged(self, event: Any, value: Any) -> list[dict[str, Any]]:
        blocks = value if isinstance(value, list) else [value]
        if not all(isinstance(block, dict) for block in blocks):
            self._fail(event, "'<<' merges a block or a list of blocks, and this is neither")
        self._aliased += sum(map(len, blocks))
        if self._aliased > MAX_ALIASED:
            self._fail(event, f"merges expand to more than {MAX_ALIASED} values; write the document without so many")
        return blocks

    def _fail(self, event: Any, message: str) -> NoReturn:
        mark = event.start_mark
        raise ConfigError(Problem(f"{self._name}:{mark.line + 1}:{mark.column + 1}", message))
