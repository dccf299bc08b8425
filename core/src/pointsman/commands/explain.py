"""`pointsman explain`: which router takes a request, why each other does not, and what would happen to it."""

import argparse

from pointsman.api import Command
from pointsman.commands.explain_tcp import explain_connection
from pointsman.commands.read import Reading, read_configuration
from pointsman.compile.compiler import Row
from pointsman.inspection.explaining import Asking, Refused, agreed_terms, ask, entry_point_for
from pointsman.message import Request
from pointsman.plugins import load_registry
from pointsman.server.door import Door


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
    static, compiled = reading.static, reading.compiled
    asking = Asking(arguments.method, arguments.url, arguments.header, arguments.entry_point or "", arguments.client)
    if arguments.method in ("TCP", "TLS"):
        point = entry_point_for(asking.url, asking.entry_point, static, compiled)
        print(explain_connection(reading, arguments.url, point, arguments.client, tls=arguments.method == "TLS"))
        _print_closed(reading, "tcp.routers")
        return 0
    try:
        asked = ask(asking, static, compiled)
    except Refused as refused:
        print(f"refused with {refused.status} before any router sees it: {refused}")
        return 1
    request, point, target = asked.request, asked.point, asked.target.decode()
    over = " over TLS" if asked.secure else ""
    print(f"{request.method.decode()} {request.authority.decode()}{target} on entry point {point}{over}")
    snapshot = compiled.snapshot
    if asked.secure:
        print(_terms(snapshot.doors[point], request.host))
    if request.path != asked.target.partition(b"?")[0]:
        print(f"canonical path: {request.path.decode()}")
    explanation = (snapshot.secure if asked.secure else snapshot.tables)[point].explain(request)
    print(explanation)
    if explanation.winner is None or explanation.ambiguity:
        print("the client gets 400" if explanation.ambiguity else "the client gets 404 page not found")
    else:
        print(_way(compiled.rows[explanation.winner.removeprefix(f"{point}-conflicted-")], request))
    _print_closed(reading, "http.routers")
    return 0


def _print_closed(reading: Reading, section: str) -> None:
    for name, status in reading.compiled.statuses[section].items():
        if status.word == "disabled":
            print(f"  {name}: closed: {next(str(problem) for problem in status.problems if not problem.warning)}")


def _terms(door: Door, host: bytes) -> str:
    """What a client agrees on that names this host in its handshake."""
    agreed = agreed_terms(door, host)
    if agreed is None:
        return "TLS options: broken or unknown, so the connection is closed"
    options, names = agreed
    return f"TLS options: {options}; certificate: {'for ' + ', '.join(names) if names else 'the default one'}"


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
