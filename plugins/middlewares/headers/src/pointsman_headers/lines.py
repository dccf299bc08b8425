"""Configured names and values as header lines, checked and encoded once; and an edit: what goes and what comes."""

from collections.abc import Iterable, Mapping
from functools import cached_property

from attrs import frozen

from pointsman import HeaderEdit, Headers
from pointsman.errors import ConfigError, Problem

Line = tuple[bytes, bytes]

FRAMING = frozenset((b"content-length", b"transfer-encoding"))
"""They say where a message ends; a wrong one lets another be smuggled in (RFC 9112 section 6)."""

HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"))
"""They are about one connection, which is the gateway's own."""


def line(key: str, name: str, value: str) -> Line:
    """A header line. ConfigError at `key` if it is not one."""
    try:
        encoded = (name.strip().lower().encode(), value.strip(" \t").encode())
        Headers().add(*encoded)
    except ValueError as error:
        raise ConfigError(Problem(f"{key}.{name}", str(error))) from None
    return encoded


def lines(key: str, headers: Mapping[str, str]) -> dict[bytes, bytes]:
    """Names and values; the empty value means: remove. ConfigError with all that are wrong or given twice."""
    found: dict[bytes, bytes] = {}
    problems: list[Problem] = []
    for name, value in headers.items():
        try:
            lower, encoded = line(key, name, value)
        except ConfigError as error:
            problems += error.problems
            continue
        if lower in found:
            problems.append(Problem(f"{key}.{name}", "this header is given twice, in two spellings"))
        found[lower] = encoded
    if problems:
        raise ConfigError(problems)
    return found


@frozen
class Edit:
    """Lines whose names go, and lines that come at the end. Both may be empty."""

    names: frozenset[bytes]
    lines: tuple[Line, ...]

    @classmethod
    def of(cls, headers: Mapping[bytes, bytes]) -> "Edit":
        return cls(frozenset(headers), tuple((name, value) for name, value in headers.items() if value))

    def __bool__(self) -> bool:
        return bool(self.names)

    @cached_property
    def prepared(self) -> HeaderEdit:
        """The same for answers of servers that repeat themselves."""
        return HeaderEdit(self.names, self.lines, response=True)

    def apply(self, raw: list[Line]) -> None:
        names = self.names
        raw[:] = [line for line in raw if line[0] not in names]
        raw += self.lines


def tokens(values: Iterable[bytes]) -> list[bytes]:
    """The members of comma-separated lists, without the space around them."""
    return [token.strip(b" \t") for value in values for token in value.split(b",")]
