"""A template's text to tokens, as Go's text/template/parse cuts it (Go 1.26). Pure."""

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final

from attrs import frozen

from pointsman.dialect.gotemplate.errors import at


class Kind(Enum):
    TEXT = "text"
    LEFT = "{{"
    RIGHT = "}}"
    SPACE = "space"
    WORD = "word"
    FIELD = "field"
    VARIABLE = "variable"
    DOT = "."
    NUMBER = "number"
    CHAR = "character constant"
    STRING = "string"
    RAW = "raw string"
    PIPE = "|"
    DECLARE = ":="
    ASSIGN = "="
    COMMA = ","
    OPEN = "("
    CLOSE = ")"
    END = "end of the text"


@frozen
class Token:
    kind: Kind
    text: str
    offset: int

    def __str__(self) -> str:
        return (
            self.kind.value if self.kind is Kind.END else repr(self.text if len(self.text) <= 20 else self.text[:20] + "...")
        )


SPACES: Final = " \t\r\n"
_NAME = r"\w+"
_RULES: Final = (
    (Kind.SPACE, r"[ \t\r\n]+"),
    (Kind.FIELD, rf"\.{_NAME}"),
    (Kind.DOT, r"\."),
    (Kind.VARIABLE, rf"\${_NAME}|\$"),
    (Kind.WORD, _NAME),
    (Kind.STRING, r'"(?:[^"\\\n]|\\[^\n])*"'),
    (Kind.RAW, r"`[^`]*`"),
    (Kind.CHAR, r"'(?:[^'\\\n]|\\[^\n])*'"),
    (Kind.PIPE, r"\|"),
    (Kind.DECLARE, r":="),
    (Kind.ASSIGN, r"="),
    (Kind.COMMA, r","),
    (Kind.OPEN, r"\("),
    (Kind.CLOSE, r"\)"),
)
_HEX = r"0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?"
_DECIMAL = r"0[oO][0-7_]*|0[bB][01_]*|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?|\.[0-9][0-9_]*(?:[eE][+-]?[0-9_]*)?"
_PATTERNS: Final = {
    Kind.NUMBER: re.compile(rf"[+-]?(?:{_HEX}|{_DECIMAL})"),
    **{kind: re.compile(pattern) for kind, pattern in _RULES},
}
_NAMES: Final = (Kind.WORD, Kind.FIELD, Kind.VARIABLE)
_AFTER_A_NAME: Final = frozenset(("", *" \t\r\n.,|:)(=}"))
_UNFINISHED: Final = {
    '"': "the string is not closed on its line",
    "`": "the raw string is not closed",
    "'": "the character constant is not closed on its line",
}
_TRIMMED = re.compile(r"-[ \t\r\n]")
_RIGHT = re.compile(r"[ \t\r\n]-}}|}}")


def tokens(name: str, text: str) -> Iterator[Token]:
    """The tokens of a text, the last an END. TemplateError at what is none."""
    place = 0
    trims = False
    while True:
        left = text.find("{{", place)
        end = len(text) if left < 0 else left
        trimmed = left >= 0 and _TRIMMED.match(text, left + 2) is not None
        plain = text[place:end]
        if trims:
            place += len(plain) - len(plain.lstrip(SPACES))
            plain = plain.lstrip(SPACES)
        if plain := plain.rstrip(SPACES) if trimmed else plain:
            yield Token(Kind.TEXT, plain, place)
        if left < 0:
            yield Token(Kind.END, "", end)
            return
        begin = left + (4 if trimmed else 2)
        if text.startswith("/*", begin):
            place, trims = _comment(name, text, left, begin)
        else:
            yield Token(Kind.LEFT, "{{", left)
            place = begin
            for token in _inside(name, text, left, begin):
                yield token
                place = token.offset + len(token.text)
            trims = text[place - 3 : place - 2] == "-" and token.text != "}}"


def _comment(name: str, text: str, left: int, begin: int) -> tuple[int, bool]:
    end = text.find("*/", begin + 2)
    if end < 0:
        raise at(name, text, left, "the comment is not closed; end it with '*/}}'")
    close = _RIGHT.match(text, end + 2)
    if close is None:
        raise at(name, text, left, "a comment fills its action; '}}' or ' -}}' must follow '*/' at once")
    return close.end(), close.group() != "}}"


def _inside(name: str, text: str, left: int, place: int) -> Iterator[Token]:
    """The tokens of one action, the last its right delimiter, with the trim marker and the space before that."""
    depth = 0
    while True:
        close = _RIGHT.match(text, place)
        if close is not None:
            if depth:
                raise at(name, text, place, "a parenthesis is not closed; add ')'")
            yield Token(Kind.RIGHT, close.group(), place)
            return
        token = _next(name, text, left, place)
        depth += (token.kind is Kind.OPEN) - (token.kind is Kind.CLOSE)
        if depth < 0:
            raise at(name, text, place, "unexpected ')'; no parenthesis is open")
        yield token
        place += len(token.text)


def _next(name: str, text: str, left: int, place: int) -> Token:
    if place >= len(text):
        raise at(name, text, left, "the action is not closed; end it with '}}'")
    for kind, pattern in _PATTERNS.items():
        if (match := pattern.match(text, place)) is None:
            continue
        end = match.end()
        if kind is Kind.SPACE and text.startswith("-}}", end):
            end -= 1  # the last space belongs to the trim marker
        if kind is Kind.NUMBER and _PATTERNS[Kind.WORD].match(text, end):
            raise at(name, text, place, f"{text[place : end + 1]!r} is not a number")
        if kind in _NAMES and match.group() != "$" and text[end : end + 1] not in _AFTER_A_NAME:
            message = f"unexpected {text[end]!r} after {match.group()!r}; arguments are separated by spaces"
            raise at(name, text, end, message)
        return Token(kind, text[place:end], place)
    what = _UNFINISHED.get(text[place]) or f"unexpected {text[place]!r} in an action"
    raise at(name, text, place, what)
