"""`pointsman explain TCP host:port`, and `TLS`: which TCP router takes a connection, and why each other does not."""

from urllib.parse import urlsplit

from pointsman.commands.read import Reading
from pointsman.compile.tcp import NO_TCP, TcpRow
from pointsman.errors import ConfigError, Problem
from pointsman.message import Address, Facts
from pointsman.routing.explain import explain
from pointsman.server.door import Closed, TcpRoute, Terms


def explain_connection(reading: Reading, target: str, point: str, client: str, *, tls: bool) -> str:
    """What becomes of a connection; over TLS, of a client that names the host in its ClientHello."""
    host = _host(target)
    facts = Facts(Address(client, 0), Address("", 0), host.rstrip(".").encode() if tls else b"")
    door = reading.compiled.snapshot.doors[point]
    routers = reading.compiled.tcp.tables.get(point, NO_TCP)
    taken: TcpRoute | Terms | Closed | None = door.choose(facts) if tls else routers.plain.match(facts)
    entries = sorted(routers.secure.entries if tls else routers.plain.entries, key=lambda entry: entry.rank)
    winner = next((entry for entry in entries if entry.target is taken), None)
    lines = [f"{'TLS' if tls else 'TCP'} {target} on entry point {point}"]
    if winner is not None:
        lines.append(f"{winner.name} takes the connection: {winner.rule.text} (priority {winner.priority})")
    elif isinstance(taken, Closed):
        lines.append("no TCP router takes the connection, and the TLS options for this name are broken, so it is closed")
    elif taken is None or isinstance(taken, TcpRoute):
        lines.append(f"no TCP router takes the connection; it is HTTP: explain GET http://{target}/")
    else:
        lines.append(f"no TCP router takes the connection; it is HTTPS, with the TLS options {taken.name}")
        lines.append(f"go on with: explain GET https://{target}/")
    lines += [f"  {loss}" for loss in explain(entries, winner, facts).losses]
    if winner is not None:
        lines += _way(reading.compiled.tcp.rows[winner.name])
    return "\n".join(lines)


def _host(target: str) -> str:
    try:
        return urlsplit(target if "//" in target else f"//{target}").hostname or ""
    except ValueError as error:
        raise ConfigError(Problem(target, f"is not host:port: {error}")) from None


def _way(row: TcpRow) -> list[str]:
    """What the winner does with it."""
    lines = [f"middlewares: {' -> '.join(use.name for use in row.uses) or 'none'}"]
    route: TcpRoute = row.entry.target
    if route.passthrough:
        lines.append("TLS: passed through to the server")
    elif row.terms is not None:
        lines.append(f"TLS: ends here, with the options {row.terms.name}")
    elif row.parsed.router is not None and row.parsed.router.tls is not None:
        lines.append("TLS: its options are broken or unknown, so the connection is closed")
    peers = ", ".join(peer.url for peer in row.service.peers)
    return [*lines, f"service: {row.service.name}{f' ({peers})' if peers else ''}"]
