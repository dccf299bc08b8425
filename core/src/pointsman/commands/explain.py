"""`pointsman explain`: which router takes a request, why each other does not, and what would happen to it."""

import argparse
from urllib.parse import urlsplit

from pointsman.api import Command
from pointsman.commands.explain_tcp import explain_connection
from pointsman.commands.read import Reading, read_configuration
from pointsman.compile.compiler import Row
from pointsman.compile.entrypoints import settings_for
from pointsman.errors import ConfigError, Problem
from pointsman.message import Address, Link, Request
from pointsman.plugins import load_registry
from pointsman.server.door import Closed, Door
from pointsman.server.head import Block, request_from
from pointsman.wire import BadMessage, split_request

_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("method", metavar="METHOD", help="GET, POST, ...; TCP or TLS for a connection alone")
    parser.add_argument(
        "url", metavar="URL", help="http[s]://host[:port]/path?query as a client would write it; host:port for TCP and TLS"
    )
    parser.add_argument("--header", action="append", default=[], metavar="'NAME: VALUE'", help="a header; may be repeated")
    parser.add_argument("--client", default="127.0.0.1", metavar="IP", help="the client's address (default 127.0.0.1)")
    parser.add_argument(
        "--entryPoint",
        dest="entry_point",
        metavar="NAME",
        help="where it arrives (default: the one at the URL's port, or the first default one)",
    )
    parser.add_argument(
        "--configFile", dest="file", metavar="FILE", help="a static or dynamic file; else as pointsman finds it"
    )


def _explain(arguments: argparse.Namespace) -> int:
    reading = read_configuration(arguments.file, [], load_registry())
    static = reading.static
    point = _point(arguments.entry_point, arguments.url, reading)
    if arguments.method in ("TCP", "TLS"):
        print(explain_connection(reading, arguments.url, point, arguments.client, tls=arguments.method == "TLS"))
        _print_closed(reading, "tcp.routers")
        return 0
    settings = settings_for(point, static.entry_points[point], static)
    secure = arguments.url.lower().startswith("https://")
    link = Link(Address(arguments.client, 0), Address("", 0), b"https" if secure else b"http", point)
    try:
        head = _head(arguments.method, arguments.url, arguments.header)
        method, target, minor, source = split_request(head)
        block = Block(source, minor, settings, link, settings.trusts(link.client))
        request = request_from(method, target, minor, block, settings, link, settings.trusts(link.client))
    except (BadMessage, ValueError) as error:
        status = getattr(error, "status", 400)
        print(f"refused with {status} before any router sees it: {error}")
        return 1
    over = " over TLS" if secure else ""
    print(f"{method.decode()} {request.authority.decode()}{target.decode()} on entry point {point}{over}")
    snapshot = reading.compiled.snapshot
    if secure:
        print(_terms(snapshot.doors[point], request.host))
    if request.path != target.partition(b"?")[0]:
        print(f"canonical path: {request.path.decode()}")
    explanation = (snapshot.secure if secure else snapshot.tables)[point].explain(request)
    print(explanation)
    if explanation.winner is None or explanation.ambiguity:
        print("the client gets 400" if explanation.ambiguity else "the client gets 404 page not found")
    else:
        print(_way(reading.compiled.rows[explanation.winner.removeprefix(f"{point}-conflicted-")], request))
    _print_closed(reading, "http.routers")
    return 0


def _point(named: str | None, url: str, reading: Reading) -> str:
    """Where a request arrives: where it is said to, or at the URL's port, or else where routers are by default."""
    points = reading.compiled.snapshot.doors
    if named is not None and named not in points:
        raise ConfigError(Problem("--entryPoint", f"there is no entry point '{named}'; there are {', '.join(points)}"))
    parts = urlsplit(url if "//" in url else f"//{url}")
    try:
        port = parts.port or _PORTS.get(parts.scheme.lower(), 80)
    except ValueError as error:
        raise ConfigError(Problem(url, str(error))) from None
    at_port = (name for name in points if reading.static.entry_points[name].listen.port == port)
    defaults = reading.static.default_entry_points
    secure = (name for name in defaults if parts.scheme.lower() in ("https", "wss") and points[name].has_https)
    return named or next(at_port, None) or next(secure, None) or next(iter(defaults), None) or next(iter(points))


def _print_closed(reading: Reading, section: str) -> None:
    for name, status in reading.compiled.statuses[section].items():
        if status.word == "disabled":
            print(f"  {name}: closed: {next(str(problem) for problem in status.problems if not problem.warning)}")


def _head(method: str, url: str, headers: list[str]) -> bytes:
    parts = urlsplit(url if "//" in url else f"http://{url}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target} HTTP/1.1"]
    if not any(header.lower().startswith("host:") for header in headers):
        lines.append(f"Host: {parts.netloc}")
    return "\r\n".join([*lines, *headers]).encode()


def _terms(door: Door, host: bytes) -> str:
    """What a client agrees on that names this host in its handshake."""
    terms = door.https.find(host) or door.default
    if isinstance(terms, Closed) or door.certificates is None:
        return "TLS options: broken or unknown, so the connection is closed"
    pair = door.certificates.find(host)
    shown = f"for {', '.join(name.decode() for name in pair.names)}" if pair is not None else "the default one"
    return f"TLS options: {terms.name}; certificate: {shown}"


def _way(row: Row, request: Request) -> str:
    """Middlewares and service of the winner, in the order in which the request meets them."""
    middlewares = " -> ".join(use.name for use in row.uses) or "none"
    lines = [f"middlewares: {middlewares}"]
    if row.service is not None:
        peers = ", ".join(peer.url for peer in row.service.peers)
        lines.append(f"service: {row.service.name}{f' ({peers})' if peers else ''}")
    else:
        lines.append(
            "then its child routers, on the request as these middlewares leave it: "
            + ", ".join(child.entry.name for child in row.children)
        )
    return "\n".join(lines)


explain = Command("explain", "Say which router takes a request, and why each other does not.", _arguments, _explain)
