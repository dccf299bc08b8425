"""Lists, as their parameters say: filtered, sorted, paged (operations.md §6.3)."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from attrs import frozen

from pointsman.compile.parts import qualify
from pointsman.inspection.elements import Row

PER_PAGE: Final = 100
_INTEGER: Final = re.compile(r"-?\d{1,9}", re.ASCII)
Query = Mapping[str, Sequence[str]]
Key = Callable[[Any], Any]
T = TypeVar("T")

_COMMON: Final[Mapping[str, Key]] = {
    "name": lambda row: "",
    "provider": lambda row: row.provider,
    "status": lambda row: row.status,
}
KEYS: Final[Mapping[str, Mapping[str, Key]]] = {
    "routers": {
        **_COMMON,
        "priority": lambda row: row.priority,
        "rule": lambda row: row.rule,
        "service": lambda row: row.service,
        "entryPoints": lambda row: len(row.entry_points),
    },
    "services": {**_COMMON, "type": lambda row: row.kind, "servers": lambda row: row.servers},
    "middlewares": {**_COMMON, "type": lambda row: row.kind},
    "certificates": {
        "name": lambda row: "",
        "status": lambda row: row["status"],
        "cn": lambda row: row.get("commonName", ""),
        "issuer": lambda row: row.get("issuerCN", ""),
        "validUntil": lambda row: row["notAfter"],
    },
}
"""What each kind can be sorted by; ties go by name."""


class BadParameter(ValueError):
    """A parameter that means nothing."""


@frozen
class Page:
    """What is shown of a list, and which page comes next; 1 if this is the last."""

    rows: Sequence[Any]
    next: int


def first(query: Query, name: str) -> str:
    values = query.get(name)
    return values[0] if values else ""


def paged(rows: Sequence[T], query: Query) -> Page:
    """BadParameter for a page that is not there, but for the first of none."""
    page, per_page = _positive(query, "page", 1), _positive(query, "per_page", PER_PAGE)
    begin = (page - 1) * per_page
    if begin and begin >= len(rows):
        raise BadParameter(f"invalid request: page: {page}, per_page: {per_page}")
    end = begin + per_page
    return Page(rows[begin:end], page + 1 if end < len(rows) else 1)


def _positive(query: Query, name: str, default: int) -> int:
    text = first(query, name)
    if not text:
        return default
    value = int(text) if _INTEGER.fullmatch(text) else 0
    if value < 1:
        raise BadParameter(f"invalid request: {name}: {value}")
    return value


def ordered(rows: Sequence[T], query: Query, kind: str, name: Callable[[T], str]) -> list[T]:
    """Sorted as the query says; `rows` are in order of name. A key that is none means the name."""
    key = KEYS[kind].get(first(query, "sortBy"))
    direction = first(query, "direction")
    found = sorted(rows, key=lambda row: (key(row), name(row))) if key is not None else list(rows)
    return found if direction in ("", "asc") else found[::-1]


def filtered(rows: Sequence[Row], query: Query, kind: str) -> list[Row]:
    """Those that pass every filter."""
    search, status = first(query, "search").lower(), first(query, "status").lower()
    service, middleware = first(query, "serviceName"), first(query, "middlewareName")
    tests: list[Callable[[Row], bool]] = []
    if search:
        tests.append(lambda row: search in row.name.lower() or search in row.rule.lower())
    if status:
        tests.append(lambda row: row.status == status)
    if service and kind == "routers":
        tests.append(lambda row: _leads_to(row, service))
    if middleware and kind == "routers":
        tests.append(lambda row: middleware in row.middlewares)
    return [row for row in rows if all(test(row) for test in tests)] if tests else list(rows)


def _leads_to(row: Row, service: str) -> bool:
    """By the service's name as the router writes it, or in full."""
    return bool(row.service) and service in (row.service, qualify(row.service, row.name))
