"""Where a request would go, and why not elsewhere: what `explain` prints and the API answers."""

from collections.abc import Generator, Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import frozen

from pointsman.compile import Compiled
from pointsman.compile.compiler import Row
from pointsman.compile.entrypoints import settings_for
from pointsman.compile.parts import ROUTERS
from pointsman.config.static import Static
from pointsman.errors import ConfigError, Problem
from pointsman.message import Address, Link, Request
from pointsman.routing.explain import Loss, loss
from pointsman.routing.table import Ambiguous, Entry, RouteTable
from pointsman.server.door import Closed, Door
from pointsman.server.head import Block, request_from
from pointsman.wire import BadMessage, split_request

SLICE: Final = 16
MENTIONED: Final = 100
"""How many of those that lose are told by name."""
_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}


@frozen
class Asking:
    """A request that nobody has sent."""

    method: str
    url: str
    """`http[s]://host[:port]/path?query`, as a client would write it."""
    headers: Sequence[str] = ()
    """`Name: value`, each."""
    entry_point: str = ""
    """Where it arrives; "" is the one at the URL's port, or the first default one."""
    client: str = "127.0.0.1"

    @property
    def secure(self) -> bool:
        return self.url.lower().startswith("https://")


class Refused(ValueError):
    """The request is answered before any router sees it."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@frozen
class Asked:
    """The request as routers see it."""

    request: Request
    point: str
    secure: bool
    target: bytes


def ask(asking: Asking, static: Static, compiled: Compiled) -> Asked:
    """ConfigError for an entry point that is not there, Refused for a request that no router would see."""
    point = entry_point_for(asking.url, asking.entry_point, static, compiled)
    settings = settings_for(point, static.entry_points[point], static)
    link = Link(Address(asking.client, 0), Address("", 0), b"https" if asking.secure else b"http", point)
    try:
        trusted = settings.trusts(link.client)
        method, target, minor, source = split_request(_head(asking))
        block = Block(source, minor, settings, link, trusted)
        request = request_from(method, target, minor, block, settings, link, trusted)
    except (BadMessage, ValueError) as error:
        raise Refused(getattr(error, "status", 400), str(error)) from None
    return Asked(request, point, asking.secure, target)


def entry_point_for(url: str, named: str, static: Static, compiled: Compiled) -> str:
    """Where a request arrives: where it is said to, or at the URL's port, or else by default, where such routers are."""
    points = compiled.snapshot.doors
    if named and named not in points:
        raise ConfigError(Problem("entryPoint", f"there is no entry point '{named}'; there are {', '.join(points)}"))
    try:
        parts = urlsplit(url if "//" in url else f"//{url}")
        port = parts.port or _PORTS.get(parts.scheme.lower(), 80)
    except ValueError as error:
        raise ConfigError(Problem(url, str(error))) from None
    at_port = (name for name in points if static.entry_points[name].listen.port == port)
    defaults = static.default_entry_points
    secure = parts.scheme.lower() in ("https", "wss")
    tables = compiled.snapshot.secure if secure else compiled.snapshot.tables
    fitting = (name for name in defaults if name in tables and len(tables[name]))
    return named or next(at_port, None) or next(fitting, None) or next(iter(defaults), None) or next(iter(points))


def _head(asking: Asking) -> bytes:
    parts = urlsplit(asking.url if "//" in asking.url else f"http://{asking.url}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{asking.method} {target} HTTP/1.1"]
    if not any(header.lower().startswith("host:") for header in asking.headers):
        lines.append(f"Host: {parts.netloc}")
    lines += asking.headers
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break in a header")
    return "\r\n".join(lines).encode()


def agreed_terms(door: Door, host: bytes) -> tuple[str, Sequence[str]] | None:
    """The TLS options that a client agrees on which names this host, and the names of the certificate, none for the default.

    None: the options are broken or unknown, and the connection is closed.
    """
    terms = door.https.find(host) or door.default
    if isinstance(terms, Closed) or door.certificates is None:
        return None
    pair = door.certificates.find(host)
    return terms.name, [name.decode() for name in pair.names] if pair is not None else []


def explaining(asking: Asking, static: Static, compiled: Compiled) -> Generator[None, None, dict[str, Any]]:
    """Who takes a request, on which way, and why others do not: plain data for the API, in slices."""
    try:
        asked = ask(asking, static, compiled)
    except Refused as refused:
        return {"outcome": "refused", "status": refused.status, "reason": str(refused)}
    request, snapshot = asked.request, compiled.snapshot
    told: dict[str, Any] = {
        "outcome": "routed",
        "request": {
            "method": request.method.decode("latin-1"),
            "authority": request.authority.decode("latin-1"),
            "target": asked.target.decode("latin-1"),
            "path": request.path.decode("latin-1"),
            "entryPoint": asked.point,
            "secure": asked.secure,
        },
    }
    if asked.secure:
        terms = agreed_terms(snapshot.doors[asked.point], request.host)
        if terms is None:
            return {**told, "outcome": "refused", "reason": "the TLS options for this name are broken or unknown"}
        told["tls"] = {"options": terms[0], "certificate": list(terms[1])}
    table = (snapshot.secure if asked.secure else snapshot.tables)[asked.point]
    winner = _winner(table, request, told)
    if winner is not None:
        told["router"] = {"name": winner.name, "rule": winner.rule.text, "priority": winner.priority}
        row = compiled.rows.get(winner.name.removeprefix(f"{asked.point}-conflicted-"))
        told |= _way(row) if row is not None else {}
    losses = yield from _losses(table.entries, winner, request)
    told["others"] = [_told(each) for each in losses[:MENTIONED]]
    told["othersTotal"] = len(losses)
    told["closed"] = list(_closed(compiled))
    return told


def _winner(table: RouteTable, request: Request, told: dict[str, Any]) -> Entry | None:
    try:
        winner = table.match(request)
    except Ambiguous as error:
        told |= {"outcome": "refused", "status": 400, "reason": str(error)}
        return error.entry
    if winner is None:
        told |= {"outcome": "unrouted", "status": 404, "reason": "no router takes the request"}
    return winner


def _losses(entries: Iterable[Entry], winner: Entry | None, request: Request) -> Generator[None, None, list[Loss]]:
    """Those whose rules match first, then the others, each in rank order."""
    found = []
    for number, entry in enumerate(entries):
        if entry is not winner:
            found.append((entry.rank, loss(entry, winner, request)))
        if not number % SLICE:
            yield
    found.sort(key=lambda each: (not each[1].matches, each[0]))
    return [each for _, each in found]


def _told(each: Loss) -> dict[str, Any]:
    return {
        "name": each.name,
        "rule": each.rule,
        "priority": each.priority,
        "reason": each.reason,
        "matches": each.matches,
        "columns": list(each.columns),
    }


def _way(row: Row) -> dict[str, Any]:
    """Middlewares and service of the winner, in the order in which the request meets them."""
    way: dict[str, Any] = {"middlewares": [use.name for use in row.uses]}
    if row.service is not None:
        way["service"] = {"name": row.service.name, "servers": [peer.url for peer in row.service.peers]}
    else:
        way["children"] = [child.entry.name for child in row.children]
    return way


def _closed(compiled: Compiled) -> Iterable[dict[str, str]]:
    """Routers that take nothing, and why."""
    closed = (each for each in compiled.statuses[ROUTERS].items() if each[1].word == "disabled")
    for number, (name, status) in enumerate(closed):
        if number == MENTIONED:
            return
        yield {"name": name, "reason": next(str(problem) for problem in status.problems if not problem.warning)}
