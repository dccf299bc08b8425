"""The rows that are not CPU per request against the peers: a second worker, and memory."""

import asyncio
import resource
import socket
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from attrs import evolve
from peers import GATEWAY_CORE, OTHER_CORE, FromFiles, Servers
from processes import cpu_seconds, pss_mebibytes, tree
from protocols import ROWS as PROTOCOLS
from results import Line
from rows import ROWS, Row, one_router

CONNECTIONS: Final = 10_000
BOTH: Final = f"{GATEWAY_CORE},{OTHER_CORE}"


async def workers(servers: Servers, seconds: float, rounds: int) -> list[Line]:
    """Two workers against one, for a small GET."""
    get = next(row for row in ROWS if row.key == "get")
    return [await scaling("workers", evolve(get, title="two workers for one"), servers, seconds, rounds)]


async def two(servers: Servers, seconds: float, rounds: int) -> list[Line]:
    """Two workers against one, for what is dear: TLS, handshakes, HTTP/2, and for what is cheap and much: messages."""
    wanted = ("tls", "handshake", "resume", "h2", "websocket", "udp")
    rows = {row.key: row for row in PROTOCOLS}
    return [await scaling(f"two-{key}", rows[key], servers, seconds, rounds) for key in wanted]


async def scaling(key: str, row: Row, servers: Servers, seconds: float, rounds: int) -> Line:
    """On two cores the load takes one of them, so requests per second say little; what can be said is what a request costs
    with one worker and with two: two cores would carry twice the one, times the ratio, if the work is shared evenly."""
    routes = row.routes(servers)
    costs: dict[int, list[float]] = {1: [], 2: []}
    rates: dict[int, list[float]] = {1: [], 2: []}
    shares: list[float] = []
    errors = 0
    for _ in range(rounds):
        for count in (1, 2):
            peer = FromFiles("Pointsman", routes, datagrams=row.datagrams, workers=count, cores=BOTH)
            await peer.start()
            try:
                pids = tree(peer.pid)
                before = {pid: cpu_seconds([pid]) for pid in pids}
                result = await asyncio.to_thread(row.load.run, servers.folder, peer.port, OTHER_CORE, seconds)
                used = sorted(cpu_seconds([pid]) - before[pid] for pid in pids)
            finally:
                await peer.stop()
            errors += result.errors
            costs[count].append(sum(used) * 1e6 / max(result.units, 1e-3))
            rates[count].append(result.units / result.seconds)
            if count == 2:
                shares.append(used[-2] / max(used[-1] + used[-2], 1e-3))
    one, both = statistics.median(costs[1]), statistics.median(costs[2])
    rate = statistics.median(rates[2]) / statistics.median(rates[1])
    times = 2 * one / both
    remark = (
        f"2 × {one:.1f} µs ÷ {both:.1f} µs; {row.per}s/s with the load on one of the same two cores: × {rate:.2f}; "
        f"the idler worker does {statistics.median(shares):.0%} of the work" + (f"; {errors} errors" if errors else "")
    )
    title = row.title if key == "workers" else f"two workers for one: {row.title}"
    return Line(key, title, "times", {"Pointsman": times}, "≥ 1.8 × one", times >= 1.8 and not errors, remark)


async def memory(servers: Servers, seconds: float, rounds: int) -> list[Line]:
    """Idle, and with ten thousand connections that have each had an answer and stay."""
    routes = one_router(servers)
    idle: dict[str, float] = {}
    held: dict[str, float] = {}
    for name in ("Pointsman", "Traefik"):
        peer = FromFiles(name, routes)
        await peer.start()
        try:
            pids = tree(peer.pid)
            idle[name] = pss_mebibytes(pids)
            held[name] = await asyncio.to_thread(_held, peer.port, pids)
        finally:
            await peer.stop()
    grown = {name: held[name] - idle[name] for name in idle}
    each = grown["Pointsman"] * 1024 / CONNECTIONS
    title = f"{CONNECTIONS} idle keep-alive connections more"
    met = grown["Pointsman"] <= 150
    return [
        Line("memory-idle", "one worker, idle", "MiB PSS", idle, "≤ 60 MiB", idle["Pointsman"] <= 60),
        Line("memory-held", title, "MiB PSS", grown, "≤ 150 MiB", met, f"{each:.1f} KiB each"),
    ]


def _held(port: int, pids: Sequence[int]) -> float:
    """What they weigh while the connections stand."""
    wanted = CONNECTIONS + 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    with ExitStack() as connections:
        for _ in range(CONNECTIONS):
            connection = connections.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            connection.sendall(b"GET /hello HTTP/1.1\r\nHost: h0.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
            if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("a connection got no answer")
        return pss_mebibytes(pids)
