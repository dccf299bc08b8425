"""Snippets of nginx's configuration, taken apart: names, arguments and blocks. What they mean is not known here.

As nginx reads them: words are divided by spaces; quotes of either kind keep a word together; a backslash goes before what
would end a word, and disappears before a quote or another backslash; `#` begins a comment where a word could begin.
"""

import re
from collections.abc import Sequence
from typing import Final

from attrs import frozen

from pointsman.errors import ConfigError, Problem

MAX_DEPTH: Final = 4
"""Blocks within blocks."""
_ESCAPED: Final = re.compile(r"\\([\"'\\])")
_ENDS_A_WORD: Final = frozenset(" \t\r\n;{")
_SPACE: Final = frozenset(" \t\r\n")


@frozen
class Directive:
    """`name argument argument;`, or with a block in place of the semicolon."""

    name: str
    arguments: tuple[str, ...]
    line: int
    """Where it begins, 1 for the first."""
    block: "tuple[Directive, ...] | None" = None


class Misread(ValueError):
    """What is no directive: the line, and what is wrong there."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")


def refused(path: str, directive: Directive, message: str) -> ConfigError:
    """An error at a directive of the snippet that stands at `path`."""
    return ConfigError(Problem(path, f"line {directive.line}: {message}"))


def read(text: str, path: str) -> tuple[Directive, ...]:
    """All directives of a snippet. ConfigError at `path`, with the line, for what is none."""
    try:
        return _Reader(text).block(0)
    except Misread as error:
        raise ConfigError(Problem(path, str(error))) from None


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1

    def block(self, depth: int) -> tuple[Directive, ...]:
        """Directives up to the end of a block, or, outside of all blocks, of the text."""
        if depth > MAX_DEPTH:
            raise Misread(self._line, "too many blocks within blocks")
        found: list[Directive] = []
        while True:
            words: list[str] = []
            end = self._word(words)
            line = self._line
            while end == "":
                end = self._word(words)
            if end == "}" and not words:
                if depth == 0:
                    raise Misread(self._line, "'}' without a block that it ends")
                return tuple(found)
            if end == "end" and not words:
                if depth:
                    raise Misread(self._line, "the text ends within a block; a '}' is missing")
                return tuple(found)
            if end not in (";", "{"):
                raise Misread(line, f"'{words[0]}' is not ended; a ';' is missing")
            if not words:
                raise Misread(self._line, f"'{end}' without a directive before it")
            block = self.block(depth + 1) if end == "{" else None
            found.append(Directive(words[0], tuple(words[1:]), line, block))

    def _word(self, words: list[str]) -> str:
        """Read one word into the list: "" then; or what else there is: `;`, `{`, `}` or `end`."""
        self._skip()
        text, at = self._text, self._at
        if at == len(text):
            return "end"
        first = text[at]
        if first in ";{}":
            self._at += 1
            return first
        words.append(self._quoted(first) if first in "\"'" else self._bare())
        return ""

    def _skip(self) -> None:
        text = self._text
        while self._at < len(text):
            if text[self._at] == "#":
                while self._at < len(text) and text[self._at] != "\n":
                    self._at += 1
            elif text[self._at] in _SPACE:
                self._line += text[self._at] == "\n"
                self._at += 1
            else:
                return

    def _quoted(self, quote: str) -> str:
        text, begin, line = self._text, self._at + 1, self._line
        at = begin
        while at < len(text) and text[at] != quote:
            self._line += text[at] == "\n"
            at += 2 if text[at] == "\\" else 1
        if at >= len(text):
            raise Misread(line, f"a {quote} is not closed")
        self._at = at + 1
        if self._at < len(text) and text[self._at] not in " \t\r\n;{})":
            raise Misread(self._line, f"'{text[self._at]}' behind a closing {quote}; a space is missing")
        return _ESCAPED.sub(r"\1", text[begin:at])

    def _bare(self) -> str:
        text, begin = self._text, self._at
        at = begin
        while at < len(text) and text[at] not in _ENDS_A_WORD:
            if text[at] == "\\" or text[at : at + 2] == "${":
                at += 1
            at += 1
        at = min(at, len(text))
        self._line += text.count("\n", begin, at)
        self._at = at
        return _ESCAPED.sub(r"\1", text[begin:at])


def options(arguments: Sequence[str], flags: str, valued: str) -> tuple[dict[str, list[str]], list[str]]:
    """`-r`, `-s 404` and their like at the front or among arguments, and the arguments that are none.

    ValueError for an option that is neither one of the `flags` nor, with a value behind it, one of `valued`.
    """
    found: dict[str, list[str]] = {}
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if len(word) != 2 or word[0] != "-":
            rest.append(word)
        elif word[1] in flags:
            found.setdefault(word[1], [])
        elif word[1] in valued:
            value = next(words, None)
            if value is None:
                raise ValueError(f"{word} needs a value")
            found.setdefault(word[1], []).extend(value.replace(",", " ").split())
        else:
            raise ValueError(f"there is no option {word}")
    return found, rest
