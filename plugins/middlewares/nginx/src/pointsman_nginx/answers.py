"""Directives about what clients get: add_header, more_set_headers, more_clear_headers, proxy_hide_header, expires."""

import re
import time
from collections.abc import Collection, Sequence
from email.utils import formatdate
from typing import Final

from attrs import frozen

from pointsman import Response
from pointsman.dialect.variables import Scope, Text
from pointsman_nginx.directives import options
from pointsman_nginx.requests import FRAMING, Line, Wanted, append, header_name, media_type, put

USUAL: Final = frozenset((200, 201, 204, 206, 301, 302, 303, 304, 307, 308))
"""Statuses that add_header without `always`, and expires, are for."""
_SPAN: Final = re.compile(r"(?:(?:[0-9]{1,9})(?:ms|[smhdwMy]))+|[0-9]{1,9}")
_PART: Final = re.compile(r"([0-9]+)(ms|[smhdwMy]?)")
_SECONDS: Final = {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2592000, "y": 31536000}
_EPOCH: Final = b"Thu, 01 Jan 1970 00:00:01 GMT"
_MAX: Final = b"Thu, 31 Dec 2037 23:55:55 GMT"


def _answer_name(text: str) -> bytes:
    name = header_name(text)
    if name in FRAMING:
        raise ValueError(f"'{text}' says how a message is sent, which the gateway alone decides")
    return name


@frozen
class AddHeader:
    name: bytes
    value: Text
    always: bool

    @classmethod
    def read(cls, arguments: Sequence[str], custom: Collection[str]) -> "AddHeader":
        if not 2 <= len(arguments) <= 3:
            raise ValueError("must have at least 2 parameters (header and value)")
        if len(arguments) == 3 and arguments[2] != "always":
            raise ValueError(f"'{arguments[2]}' is not 'always'; put quotes around a value with spaces")
        return cls(_answer_name(arguments[0]), Text(arguments[1], custom), len(arguments) == 3)

    def __call__(self, response: Response, scope: Scope) -> None:
        if self.always or response.status in USUAL:
            append(response.headers, self.name, self.value(scope))


@frozen
class SetOutput:
    """more_set_headers"""

    lines: tuple[Line, ...]
    only_present: bool
    append: bool
    only: "Only"

    @classmethod
    def read(cls, arguments: Sequence[str], custom: Collection[str]) -> "SetOutput":
        found, rest = options(arguments, "ra", "st")
        if not rest:
            raise ValueError("must have at least 1 parameter")
        lines = tuple(Line.read(text, custom) for text in rest)
        for line in lines:
            _answer_name(line.name.decode())
        return cls(lines, "r" in found, "a" in found, Only.read(found.get("s", ()), found.get("t", ())))

    def __call__(self, response: Response, scope: Scope) -> None:
        if not self.only.holds(response):
            return
        headers = response.headers
        for line in self.lines:
            if self.only_present and line.name not in headers:
                continue
            if self.append:
                append(headers, line.name, line.value(scope))
            else:
                put(headers, line.name, line.value(scope))


@frozen
class ClearOutput:
    """more_clear_headers"""

    names: Wanted
    only: "Only"

    @classmethod
    def read(cls, arguments: Sequence[str], custom: Collection[str]) -> "ClearOutput":
        found, rest = options(arguments, "", "st")
        return cls(Wanted.read(rest), Only.read(found.get("s", ()), found.get("t", ())))

    def __call__(self, response: Response, scope: Scope) -> None:
        if self.only.holds(response):
            self.names.remove_from(response.headers)


@frozen
class Only:
    """The statuses and media types that a directive is for; none is all."""

    statuses: frozenset[int]
    types: frozenset[bytes]

    @classmethod
    def read(cls, statuses: Sequence[str], types: Sequence[str]) -> "Only":
        for status in statuses:
            if not (status.isascii() and status.isdigit() and len(status) == 3):
                raise ValueError(f"'{status}' is no status")
        media = frozenset(each.partition(";")[0].strip().lower().encode() for each in types)
        return cls(frozenset(map(int, statuses)), media)

    def holds(self, response: Response) -> bool:
        if self.statuses and response.status not in self.statuses:
            return False
        return not self.types or media_type(response.headers) in self.types


@frozen
class Expires:
    """`expires`: both headers, in place of whatever the server says; `off` does nothing."""

    seconds: int | None = None
    epoch: bool = False
    max: bool = False

    @classmethod
    def read(cls, arguments: Sequence[str], custom: Collection[str]) -> "Expires":
        if len(arguments) != 1:
            raise ValueError("requires 1 parameter")
        text = arguments[0]
        if text in ("off", "epoch", "max"):
            return cls(epoch=text == "epoch", max=text == "max")
        sign, span = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
        if not _SPAN.fullmatch(span):
            raise ValueError(f"'{text}' is no time; write off, epoch, max, or a duration such as 1h, 30d or -1")
        return cls(sign * int(sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(span))))

    def __call__(self, response: Response, scope: Scope) -> None:
        if response.status not in USUAL or not (self.epoch or self.max or self.seconds is not None):
            return
        if self.epoch:
            when, control = _EPOCH, b"no-cache"
        elif self.max:
            when, control = _MAX, b"max-age=315360000"
        else:
            seconds = self.seconds or 0
            when = formatdate(time.time() + seconds, usegmt=True).encode()
            control = b"max-age=%d" % seconds if seconds >= 0 else b"no-cache"
        response.headers.set(b"expires", when)
        response.headers.set(b"cache-control", control)
