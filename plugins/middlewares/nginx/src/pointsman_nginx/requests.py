"""Directives about what servers get: more_set_input_headers, more_clear_input_headers, proxy_set_header, proxy_method."""

import re
from collections.abc import Collection, Sequence
from typing import Final

from attrs import frozen

from pointsman import Headers, Request
from pointsman.dialect.header_names import HeaderNames
from pointsman.dialect.variables import Scope, Text
from pointsman_nginx.directives import options
from pointsman_nginx.upstreamvhost import HOST

FRAMING: Final = frozenset(
    b"connection content-length expect keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)
"""About one connection, or where a message ends: the gateway's own affair. Directives about them do nothing."""
METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}")
_BAD_VALUE: Final = re.compile(rb"[\r\n\0]")


def header_name(text: str) -> bytes:
    """In lower case. ValueError for what is no header name."""
    name = text.strip().lower().encode()
    try:
        Headers().add(name, b"")
    except ValueError:
        raise ValueError(f"'{text}' is no name of a header") from None
    return name


def put(headers: Headers, name: bytes, value: bytes) -> None:
    """Make this the only line of a name; no line at all for a value that is empty, or that no header may have."""
    if not value or _BAD_VALUE.search(value):
        headers.remove(name)
    else:
        headers.set(name, value)


def append(headers: Headers, name: bytes, value: bytes) -> None:
    """One more line; none for a value that is empty, or that no header may have."""
    if value and not _BAD_VALUE.search(value):
        headers.add(name, value)


@frozen
class Line:
    """`Name: value`, as headers-more has it; an empty value takes the header away."""

    name: bytes
    value: Text
    spellings: HeaderNames

    @classmethod
    def read(cls, text: str, custom: Collection[str]) -> "Line":
        name, _, value = text.partition(":")
        lower = header_name(name)
        return cls(lower, Text(value.strip(), custom), HeaderNames([lower.decode()]))

    def tell(self, request: Request, scope: Scope) -> None:
        """Have servers see this value and no other, in no spelling; or none, if it is empty."""
        value = self.value(scope)
        if self.name == b"host":
            set_host(request, value)
        elif self.name not in FRAMING:
            self.spellings.claim(request)
            put(request.headers, self.name, value)
            if self.name == b"x-forwarded-for":
                request.append_forwarded_for = False


@frozen
class SetInput:
    """more_set_input_headers"""

    lines: tuple[Line, ...]
    only_present: bool
    append: bool
    types: frozenset[bytes]

    @classmethod
    def read(cls, arguments: Sequence[str], custom: Collection[str]) -> "SetInput":
        found, rest = options(arguments, "ra", "t")
        if not rest:
            raise ValueError("must have at least 1 parameter")
        types = frozenset(each.lower().encode() for each in found.get("t", ()))
        return cls(tuple(Line.read(text, custom) for text in rest), "r" in found, "a" in found, types)

    def __call__(self, request: Request, scope: Scope) -> None:
        if self.types and media_type(request.headers) not in self.types:
            return
        for line in self.lines:
            if self.only_present and line.name not in request.headers:
                continue
            if self.append and line.name not in FRAMING and line.name != b"host":
                append(request.headers, line.name, line.value(scope))
            else:
                line.tell(request, scope)


@frozen
class ClearInput:
    """more_clear_input_headers"""

    names: "Wanted"
    types: frozenset[bytes]

    @classmethod
    def read(cls, arguments: Sequence[str], custom: Collection[str]) -> "ClearInput":
        found, rest = options(arguments, "", "t")
        return cls(Wanted.read(rest), frozenset(each.lower().encode() for each in found.get("t", ())))

    def __call__(self, request: Request, scope: Scope) -> None:
        if self.types and media_type(request.headers) not in self.types:
            return
        self.names.remove_from(request.headers)
        request.withheld += (self.names.__contains__,)


@frozen
class SetHeader:
    """proxy_set_header"""

    line: Line

    @classmethod
    def read(cls, arguments: Sequence[str], custom: Collection[str]) -> "SetHeader":
        if len(arguments) != 2:
            raise ValueError("requires 2 parameters (header and value)")
        name = header_name(arguments[0])
        return cls(Line(name, Text(arguments[1], custom), HeaderNames([name.decode()])))

    def __call__(self, request: Request, scope: Scope) -> None:
        self.line.tell(request, scope)


@frozen
class Wanted:
    """Names of headers, some of them only by how they begin: `X-Internal-*`."""

    whole: frozenset[bytes]
    beginnings: tuple[bytes, ...]

    @classmethod
    def read(cls, arguments: Sequence[str]) -> "Wanted":
        if not arguments:
            raise ValueError("must have at least 1 parameter")
        whole, beginnings = set(), []
        for argument in arguments:
            name = argument.partition(":")[0].strip()
            if name.endswith("*"):
                beginnings.append(header_name(name[:-1]))
            else:
                whole.add(header_name(name))
        return cls(frozenset(whole), tuple(beginnings))

    def __contains__(self, name: bytes) -> bool:
        return (name in self.whole or name.startswith(self.beginnings)) and name not in FRAMING

    def remove_from(self, headers: Headers) -> None:
        if any(name in self for name, _ in headers):
            headers.raw[:] = [line for line in headers.raw if line[0] not in self]


def set_host(request: Request, value: bytes) -> None:
    """Another Host; what is none changes nothing."""
    if HOST.fullmatch(value):
        request.authority = value


def set_method(request: Request, method: bytes) -> None:
    """proxy_method. HEAD and CONNECT stay what they are and nothing becomes one: they say where an answer ends."""
    special = (b"HEAD", b"CONNECT")
    if METHOD.fullmatch(method) and not request.upgrade and request.method not in special and method not in special:
        request.method = method


def media_type(headers: Headers) -> bytes:
    """In lower case, without parameters; b"" if nothing is said of it."""
    return (headers.get(b"content-type") or b"").partition(b";")[0].strip(b" \t").lower()
