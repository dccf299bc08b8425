"""Regular expressions with groups, found and replaced in what clients send (middlewares.md §2.2).

google-re2 does all of it: Go's syntax and its choice of matches, in time linear in the text for each match. ASCII is matched
as bytes. Everything else is matched as characters, a byte that is no UTF-8 being one U+FFFD as in Go; what a group took has
its bytes back. To replace every match may take quadratic time, in Go too, so it has a budget here.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pointsman.errors import GatewayError
from pointsman.routing.regex import characters, compiled

Group = Callable[[int], bytes]
"""What a group took, by its number; b"" if it took no part. 0 is the whole match."""

MAX_SEARCHED: Final = 4 * 1024 * 1024
"""Bytes that all searches of one replacement may look at together: every match in 2 800 bytes, or four in a MiB."""
MAX_RESULT: Final = 64 * 1024
"""The longest text a replacement may make, in bytes."""
_BEGINNING = re.compile(r"\^((?:[A-Za-z0-9_/:-]|\\[./-])*)([*+?{]?)")
_CHOICE_OR_FLAG = re.compile(r"\||\(\?(?!:|P?<)")


class TooMuch(GatewayError):
    """A text that cannot be replaced within the limits: 414, for it came from the request's target."""

    def __init__(self) -> None:
        super().__init__(414, "a replacement in the request's target exceeds its limits", side="client")


class Pattern:
    """One expression. ValueError, with the reason, if Go would not take it."""

    __slots__ = ("_beginning", "_find", "_once", "groups", "source")

    def __init__(self, source: str) -> None:
        found = compiled(source, captures=True)
        self.source = source
        self.groups: Mapping[str, int] = {str(number): number for number in range(found.groups + 1)} | {
            name.decode(): number for name, number in found.groupindex.items()
        }
        """The number of each group, by all its names; `"0"` is the whole match."""
        self._find: Callable[..., Any] = found.search
        known = beginning(source)
        self._beginning = known or b""
        self._once = known is not None

    def first(self, text: bytes) -> bytes | None:
        """What the leftmost match is; None if there is none."""
        if not text.startswith(self._beginning):
            return None
        shown, cut = _subject(text)
        match = self._find(shown)
        return None if match is None else cut(*match.span())

    def find(self, text: bytes) -> Group | None:
        """What the groups of the leftmost match took; None if there is none."""
        if not text.startswith(self._beginning):
            return None
        shown, cut = _subject(text)
        match = self._find(shown)
        return None if match is None else _groups(cut, match)

    def replace(self, text: bytes, expand: Callable[[Group], bytes]) -> bytes | None:
        """The text with `expand(group)` in place of every match; None if there is none. TooMuch (414) beyond the limits.

        Go's loop: an empty match right behind the match before it is none.
        """
        if not text.startswith(self._beginning):
            return None
        shown, cut = _subject(text)
        match = self._find(shown)
        if match is None:
            return None
        pieces: list[bytes] = []
        last = at = made = searched = 0
        while match is not None:
            begin, end = match.span()
            pieces.append(cut(last, begin))
            if end > last or begin == 0:
                pieces.append(expand(_groups(cut, match)))
                made += len(pieces[-1])
            last, at = end, max(at + 1, end)
            if self._once:
                break
            searched += len(shown) - at
            if made > MAX_RESULT or searched > MAX_SEARCHED:
                raise TooMuch
            match = self._find(shown, at) if at <= len(shown) else None
        pieces.append(cut(last, len(shown)))
        result = b"".join(pieces)
        if len(result) > MAX_RESULT:
            raise TooMuch
        return result

    def __repr__(self) -> str:
        return f"<Pattern {self.source}>"


def beginning(source: str) -> bytes | None:
    """What every text that matches begins with, as far as it is plain to see; None if a match may begin elsewhere.

    `^` and characters that stand for themselves, which nothing can undo: no alternative, no flag (RE2 takes `a(?i)*` for
    `a*`), no quantifier behind them. It spares most texts that do not match a call of RE2, and all others the last one.
    """
    match = _BEGINNING.match(source)
    if match is None or _CHOICE_OR_FLAG.search(source) or (match[2] and not match[1]):
        return None
    literal = match[1].replace("\\", "")
    return (literal[:-1] if match[2] else literal).encode()


def _subject(text: bytes) -> tuple[bytes | str, Callable[[int, int], bytes]]:
    """What the engine is shown, and a function that cuts bytes out of the text by its positions."""
    if text.isascii():
        return text, lambda begin, end: text[begin:end]
    original = text.decode("utf-8", "surrogateescape")
    return characters(text), lambda begin, end: original[begin:end].encode("utf-8", "surrogateescape")


def _groups(cut: Callable[[int, int], bytes], match: Any) -> Group:
    def group(number: int) -> bytes:
        begin, end = match.span(number)
        return cut(begin, end) if begin >= 0 else b""

    return group
