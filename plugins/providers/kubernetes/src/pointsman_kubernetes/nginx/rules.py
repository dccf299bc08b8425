"""Rules of routers (kubernetes.md §5.3). Pure."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from pointsman.dialect.gotemplate.printing import quoted
from pointsman_kubernetes.nginx.ingress import ANY, EXACT

EVERYTHING: Final = 'PathPrefix("/")'
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def rule_of(hosts: Sequence[str], path: str, kind: str, *, regex: bool, rewrite: str = "") -> str:
    """Of a path on these hosts (all if there are none); `regex` if the host's paths are expressions."""
    parts = [_of_hosts(hosts)] if hosts else []
    if path:
        parts.append(_of_path(path, kind, regex, rewrite))
    return " && ".join(parts) or EVERYTHING


def of_root(hosts: Sequence[str]) -> str:
    """Of the path / alone."""
    return " && ".join([*([_of_hosts(hosts)] if hosts else []), 'Path("/")'])


def expression(path: str, kind: str, rewrite: str) -> str:
    """The expression of a path that is one.

    Where it is rewritten to a URL, its last group may be missing together with the slash before it: nginx redirects
    what no location matches, too.
    """
    return _with_optional_end(path) if kind == ANY and is_absolute(rewrite) else path


def is_absolute(rewrite: str) -> bool:
    """Whether a rewrite-target is a URL."""
    if not _SCHEME.match(rewrite):
        return False
    try:
        return bool(urlsplit(rewrite).scheme)
    except ValueError:
        return False


def _of_hosts(hosts: Sequence[str]) -> str:
    each = [f"Host({quoted(host)})" for host in hosts]
    return each[0] if len(each) == 1 else f"({' || '.join(each)})"


def _of_path(path: str, kind: str, regex: bool, rewrite: str) -> str:
    if kind == EXACT:
        return f"Path({quoted(path)})"
    if regex:
        return f"PathRegexp({quoted(f'(?i)^{expression(path, kind, rewrite)}')})"
    if path == "/":
        return EVERYTHING
    bare = path.removesuffix("/")
    return f"(Path({quoted(bare)}) || PathPrefix({quoted(f'{bare}/')}))"


def _with_optional_end(path: str) -> str:
    start = path.rfind("/(")
    if start < 0 or path.startswith("/("):
        return path
    depth = 0
    for position in range(start + 1, len(path)):
        depth += {"(": 1, ")": -1}.get(path[position], 0)
        if depth == 0:
            return f"{path[:start]}(?:{path[start:]})?" if position == len(path) - 1 else path
    return path
