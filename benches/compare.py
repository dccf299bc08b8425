"""CPU per request of Pointsman, Traefik, HAProxy and nginx, on the same core, with the same routes; see docs/design.md §6.

    python benches/compare.py [ROW ...] [--seconds N] [--rounds N] [--peers NAME ...] [--dry]

Rows: get get-ids hosts download upload (HTTP/1.1); middlewares middlewares-ids gzip mw-KIND (what one middleware costs, by
the plain row); logs metrics seen traces traces-1 (what is seen of requests, by the plain row); sticky p2c mirror weighted (a
service that chooses, by the plain row, too); tls handshake resume download-tls upload-tls h2 h2c grpc websocket
websocket-tls tcp tcp-bulk tls-tcp tls-tcp-bulk udp; workers two memory. All of them if none is named. The rows that were
run replace their lines in benches/RESULTS.md; with --dry, or without one of the peers, nothing is written.
"""

import argparse
import asyncio
import socket
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import extra
import results
from attrs import frozen
from middlewares import ROWS as MIDDLEWARES
from peers import GATEWAY_CORE, NAMES, OTHER_CORE, FromFiles, Haproxy, Nginx, Peer, Servers
from processes import core_busy_seconds, cpu_seconds, tree
from protocols import ROWS as PROTOCOLS
from results import Line
from rows import HOSTS, Row
from rows import ROWS as HTTP1
from seen import ROWS as SEEN
from services import ROWS as SERVICES

ATTEMPTS: Final = 3
QUIET: Final = 0.03
"""The share of the gateway's core that others may use without a measurement being repeated."""
PLAIN: Final = "plain"
"""Pointsman with the plain row's routes."""
ROWS: Final = (*HTTP1, *MIDDLEWARES, *SEEN, *SERVICES, *PROTOCOLS)
EXTRA: Final = {"workers": extra.workers, "two": extra.two, "memory": extra.memory}


async def compare(row: Row, servers: Servers, names: Sequence[str], seconds: float, rounds: int) -> Line:
    """Load the gateways in turn, several times; the medians of what a unit of work costs each."""
    (servers.folder / "hosts.map").write_text("".join(f"h{number}.example small\n" for number in range(HOSTS)))
    if row.grpc:
        servers.start_grpc()
    peers = peers_of(row, servers, names)
    costs: dict[str, list[float]] = {peer.name: [] for peer in peers}
    busy: dict[str, list[float]] = {peer.name: [] for peer in peers}
    errors: dict[str, int] = {}
    try:
        for peer in peers:
            await peer.start()
        await asyncio.to_thread(check, row, peers, servers)
        for _ in range(rounds):
            for peer in peers:
                measured = await asyncio.to_thread(measure_quietly, row, peer, servers.folder, seconds)
                costs[peer.name].append(measured.cost)
                busy[peer.name].append(measured.busy)
                if measured.errors:
                    errors[peer.name] = errors.get(peer.name, 0) + measured.errors
    finally:
        for peer in peers:
            await peer.stop()
    for name, each in costs.items():
        core = statistics.median(busy[name])
        print(f"  {row.key} {name}: {' '.join(f'{cost:.1f}' for cost in each)} µs; core {core:.0%} busy", flush=True)
    medians = {name: statistics.median(each) for name, each in costs.items()}
    met = [medians["Pointsman"] / other <= limit for other, limit in _limits(row, medians)] if "Pointsman" in medians else []
    remarks = [f"{name}: {count} errors" for name, count in errors.items()]
    if PLAIN in medians and "Pointsman" in medians:
        own, plain = medians["Pointsman"], medians[PLAIN]
        remarks.insert(0, f"{own / plain:.2f} × the plain row's {plain:.1f}, {own - plain:+.1f} µs")
    return Line(
        row.key, row.title, row.per, medians, _budget(row), all(met) and not errors if met else None, "; ".join(remarks)
    )


def peers_of(row: Row, servers: Servers, names: Sequence[str]) -> list[Peer]:
    """Who takes part in a row."""
    routes = row.routes(servers)
    kind = socket.SOCK_DGRAM if row.datagrams else socket.SOCK_STREAM
    peers: list[Peer] = [
        FromFiles(name, routes, datagrams=row.datagrams, more=row.static(servers, name) if row.static else None)
        for name in ("Pointsman", "Traefik")
        if name in names and not (row.ours and name == "Traefik")
    ]
    if row.plain is not None and "Pointsman" in names:
        peers.append(FromFiles(PLAIN, row.plain(servers)))
    if row.haproxy is not None and "HAProxy" in names:
        peers.append(Haproxy(row.haproxy, servers, kind))
    if row.nginx is not None and "nginx" in names:
        peers.append(Nginx(row.nginx, servers, kind))
    return peers


def check(row: Row, peers: Sequence[Peer], servers: Servers) -> None:
    """Every gateway must do the same work, or nothing is compared."""
    seen = {peer.name: row.load.check(servers.folder, peer.port) for peer in peers}
    if len(set(seen.values())) > 1:
        raise SystemExit(f"{row.key}: not the same work\n" + "\n".join(f"  {name}: {what}" for name, what in seen.items()))
    for what in set(seen.values()):
        print(f"  {row.key}, each: {what}", flush=True)
    if row.proof is not None:
        proven = {peer.name: row.proof(servers.folder, servers, peer.port) for peer in peers}
        print("\n".join(f"  {row.key}, {name}: {what}" for name, what in proven.items()), flush=True)
        plain = proven.pop(PLAIN, None)
        if len(set(proven.values())) > 1 or plain in proven.values():
            raise SystemExit(f"{row.key}: not the same work, or no more than the plain row's")


@frozen
class Measured:
    """One run."""

    cost: float
    """CPU microseconds per unit."""
    errors: int
    busy: float
    """The share of its core that the gateway used."""
    others: float
    """The share that anybody else used."""


def measure_quietly(row: Row, peer: Peer, folder: Path, seconds: float) -> Measured:
    """`measure` while the gateway has its core to itself; the least disturbed of a few attempts if it never has.

    A neighbour takes no CPU time from a gateway, but empties the caches under it: up to half of the cost, on a bad day.
    """
    attempts: list[Measured] = []
    while len(attempts) < ATTEMPTS and (not attempts or attempts[-1].others > QUIET):
        attempts.append(measure(row, peer, folder, seconds))
    return min(attempts, key=lambda attempt: attempt.others)


def measure(row: Row, peer: Peer, folder: Path, seconds: float) -> Measured:
    pids = tree(peer.pid)
    before, busy, begun = cpu_seconds(pids), core_busy_seconds(GATEWAY_CORE), time.monotonic()
    result = row.load.run(folder, peer.port, OTHER_CORE, seconds)
    used, took = cpu_seconds(pids) - before, time.monotonic() - begun
    others = (core_busy_seconds(GATEWAY_CORE) - busy - used) / took
    return Measured(used * 1e6 / max(result.units, 1e-3), result.errors, used / took, others)


def _limits(row: Row, costs: Mapping[str, float]) -> list[tuple[float, float]]:
    pairs = (("Traefik", row.against_traefik), ("HAProxy", row.against_haproxy), (PLAIN, row.against_plain))
    return [(costs[name], limit) for name, limit in pairs if limit is not None and name in costs]


def _budget(row: Row) -> str:
    words = []
    if row.against_traefik is not None:
        words.append(f"≤ {row.against_traefik:g} × Traefik")
    if row.against_haproxy is not None:
        words.append(f"≤ {row.against_haproxy:g} × HAProxy")
    if row.against_plain is not None:
        words.append(f"≤ {row.against_plain:g} × plain")
    return ", ".join(words)


def main(keys: Sequence[str], names: Sequence[str], seconds: float, rounds: int, dry: bool) -> None:
    failed = []
    for key in keys:
        with tempfile.TemporaryDirectory(prefix="pointsman-bench-") as name:
            folder = Path(name)
            folder.chmod(0o755)  # nginx's worker is another user when it is started by root
            servers = Servers(folder)
            try:
                for line in asyncio.run(measured(key, servers, names, seconds, rounds)):
                    print(line.cells(), flush=True)
                    if not dry:
                        results.write(line)
            except SystemExit as error:  # the next row may do better
                print(f"{key} FAILED: {error}", flush=True)
                failed.append(key)
            finally:
                servers.close()
    if failed:
        raise SystemExit(f"failed: {' '.join(failed)}")


async def measured(key: str, servers: Servers, names: Sequence[str], seconds: float, rounds: int) -> list[Line]:
    for row in ROWS:
        if row.key == key:
            return [await compare(row, servers, names, seconds, rounds)]
    return await EXTRA[key](servers, seconds, rounds)


if __name__ == "__main__":
    known = [row.key for row in ROWS] + list(EXTRA)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*known, []], metavar="ROW")
    parser.add_argument("--seconds", type=float, default=3.0, help="of load, each time")
    parser.add_argument("--rounds", type=int, default=5, help="of all gateways in turn")
    parser.add_argument("--peers", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help="; nothing is written")
    parser.add_argument("--dry", action="store_true", help="print only")
    chosen = parser.parse_args()
    print(f"gateways on core {GATEWAY_CORE}, load and servers on core {OTHER_CORE}")
    whole = set(chosen.peers) == set(NAMES)
    main(chosen.rows or known, chosen.peers, chosen.seconds, chosen.rounds, chosen.dry or not whole)
