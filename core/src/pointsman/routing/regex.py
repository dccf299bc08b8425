"""Regular expressions of users (routing.md §3.1): the syntax is RE2's, and so is the time they may take.

google-re2 decides what is valid and can match everything; a call costs about 2 µs, one of `re` 0.2 µs. So a pattern that
`regex_reader` understands completely, and proves to be linear, is also written for `re`. That one is only asked about short
ASCII texts, where bytes are characters and Go, RE2 and Python agree.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]

from pointsman.routing.regex_reader import read

Search = Callable[[bytes], bool]

MAX_TEXT = 512
"""Longer texts go to RE2: what is left to backtrack in `re` stays a matter of microseconds."""
_INVALID = re.compile("[\udc80-\udcff]")
_TOKENS = re.compile(r"\\Q.*?(?:\\E|\Z)|\\(.)|\[\^?\]?(?:[^\]\\]|\\.)*\]|\(\?P?<(\w+)>", re.DOTALL)


@lru_cache(4096)
def compile_search(pattern: str) -> Search:
    """Whether `pattern` is found anywhere in a text. ValueError with RE2's reason if it is not valid."""
    slow = compile_re2(pattern)
    known = read(pattern)
    if known is None:
        return slow
    if known.literal is not None:
        return _plain(known.literal, known.begins, known.ends)
    compiled = re.compile(known.source)
    find = compiled.match if known.begins else compiled.search

    def search(text: bytes) -> bool:
        if len(text) <= MAX_TEXT and text.isascii():
            return find(text) is not None
        return slow(text)

    return search


def compile_re2(pattern: str) -> Search:
    """The same by RE2 alone."""
    find = compiled(pattern).search

    def search(text: bytes) -> bool:
        return find(text if text.isascii() else valid(text)) is not None

    return search


def compiled(pattern: str, *, captures: bool = False) -> Any:
    """The pattern as google-re2 compiles it. ValueError with its reason if it is not valid, or would not be for Go."""
    options = re2.Options()
    options.log_errors = False
    options.never_capture = not captures
    try:
        found = re2.compile(pattern.encode(), options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0] if isinstance(error, re2.error) else "not valid UTF-8"
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"invalid regular expression {pattern!r}: {text}") from None
    if problem := _unknown_to_go(pattern):
        raise ValueError(f"invalid regular expression {pattern!r}: {problem}")
    return found


def _unknown_to_go(pattern: str) -> str:
    """What RE2 has and Go has not; "" if there is nothing."""
    names: set[str] = set()
    for escape, name in (match.groups() for match in _TOKENS.finditer(pattern)):
        if escape == "C":
            return "invalid escape sequence: \\C"
        if name in names:
            return f"duplicate capture group name: {name}"
        if name:
            names.add(name)
    return ""


def valid(text: bytes) -> bytes:
    """As Go sees it: each byte that is no UTF-8 is one U+FFFD."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return characters(text).encode()
    return text


def characters(text: bytes) -> str:
    """The same as a string."""
    return _INVALID.sub("\ufffd", text.decode("utf-8", "surrogateescape"))


def _plain(literal: bytes, begins: bool, ends: bool) -> Search:
    if begins and ends:
        return lambda text: text == literal
    if begins:
        return lambda text: text.startswith(literal)
    if ends:
        return lambda text: text.endswith(literal)
    return lambda text: literal in text
