"""What the matches of an HTTPRoute come to: rules, how precise they are, and the dialect's priorities (§4.5). Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from pointsman.dialect.gotemplate.functions.regexes import quote_meta
from pointsman.dialect.lookups import at, block, blocks, text
from pointsman_kubernetes.names import quoted

EXACT: Final = 2
PREFIX: Final = 1
ANY: Final = 0
SUBDOMAINS: Final = r"^[a-z0-9-\.]+"
"""What the `*` of a wildcard stands for in the dialect."""


@frozen
class Match:
    """One match of a rule."""

    rule: str
    """Without the host."""
    rank: tuple[int, ...]
    """Kind and length of the path, whether there is a method, how many headers and query parameters: more goes first."""
    usual: int
    """The dialect's priority, without that of the host and of the rule's place."""
    prefix: str
    """The path prefix that filters replace; "" where the path is no prefix."""
    path: str | None = None
    """The path, or its prefix; None for an expression."""
    named: str = ""
    """The rule that routers are called after, if it is another one."""


def read(match: Mapping[str, Any]) -> Match:
    """A match as it is in a rule; {} matches everything."""
    path = block(match, "path")
    kind, value = text(path, "type") or "PathPrefix", text(path, "value") or "/"
    parts, prefix = [_path(kind, value)], ""
    length = len(value)
    if kind == "PathPrefix":
        prefix = value.rstrip("/") or "/"
        length = len(prefix)
    number, precise = _weigh(kind, value)
    method = text(match, "method")
    if method:
        parts.append(f"Method({quoted(method)})")
    headers = list(unique(blocks(match, "headers"), str.lower))
    queries = list(unique(blocks(match, "queryParams"), str))
    parts += [header(each) for each in headers]
    parts += [_query(each) for each in queries]
    rank = precise, 0 if precise != PREFIX else length, bool(method), len(headers), len(queries)
    usual = number + 1000 * bool(method) + 100 * len(headers) + 10 * len(queries)
    return Match(" && ".join(parts), rank, usual, prefix, None if kind == "RegularExpression" else prefix or value)


def _path(kind: str, value: str) -> str:
    if kind == "Exact":
        return f"Path({quoted(value)})"
    if kind == "RegularExpression":
        return f"PathRegexp({quoted(value)})"
    stem = value.rstrip("/")
    return f"(Path({quoted(stem)}) || PathPrefix({quoted(stem + '/')}))" if stem else 'PathPrefix("/")'


def _weigh(kind: str, value: str) -> tuple[int, int]:
    """The dialect's number for a path, and which kind of path it is."""
    if kind == "Exact":
        return 100_000, EXACT
    if kind == "PathPrefix" and not value.rstrip("/"):
        return 1, ANY
    return 10_000 + 100 * len(value), PREFIX


def unique(found: Iterable[Mapping[str, Any]], key: Any) -> Iterator[Mapping[str, Any]]:
    """Of several with one name, the first (HTTPHeaderMatch, HTTPQueryParamMatch)."""
    seen = set()
    for each in found:
        name = key(text(each, "name"))
        if name not in seen:
            seen.add(name)
            yield each


def header(match: Mapping[str, Any]) -> str:
    name, value = text(match, "name"), text(match, "value")
    if text(match, "type") == "RegularExpression":
        return f"HeaderRegexp({quoted(name)},{quoted(value)})"
    return f"Header({quoted(name)},{quoted(value)})" if value else f'HeaderRegexp({quoted(name)},"^$")'


def _query(match: Mapping[str, Any]) -> str:
    name, value = text(match, "name"), text(match, "value")
    if text(match, "type") == "RegularExpression":
        return f"QueryRegexp({quoted(name)},{quoted(value)})"
    return f"Query({quoted(name)},{quoted(value)})" if value else f"Query({quoted(name)})"


def hosts(hostnames: Sequence[str]) -> str:
    """The part of a rule that is about the host; "" for any."""
    parts = [_host(name) for name in hostnames]
    return f"({' || '.join(parts)})" if len(parts) > 1 else "".join(parts)


def _host(name: str) -> str:
    if not name.startswith("*."):
        return f"Host({quoted(name)})"
    pattern = SUBDOMAINS + quote_meta(name[1:]) + "$"
    return f"HostRegexp({quoted(pattern)})"


def of(rule: Mapping[str, Any]) -> list[Match]:
    """The matches of a rule; one that takes everything if it has none."""
    found = at(rule, "matches")
    return [read(each) for each in found if isinstance(each, Mapping)] if isinstance(found, list) and found else [read({})]
