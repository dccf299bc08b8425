"""The rows that are not CPU per request against the peers: a second worker, and memory."""

import asyncio
import resource
import socket
import ssl
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from attrs import evolve, frozen
from load import HOST
from peers import GATEWAY_CORE, OTHER_CORE, FromFiles, Routes, Servers
from processes import Share, cpu_seconds, pss_mebibytes, tree
from protocols import ROWS as PROTOCOLS
from protocols import http
from results import Line
from rows import ROWS, Row, one_router

CONNECTIONS: Final = 10_000
BOTH: Final = f"{GATEWAY_CORE},{OTHER_CORE}"
PART: Final = 0.25
"""Of a core, for each worker, where two are compared with one."""
FULL: Final = 0.9
"""The share of that which they must use for the rate to count."""


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
    """How much more two workers do than one, each held to a part of a core so small that the load, which needs the same two
    cores, is not what is missing. Beside it what a unit costs with one and with two: it should be the same.

    Where that limit cannot be set, or neighbours keep the workers from using what they may, the cost is all that can be
    said: two cores would carry twice the one, times its ratio.
    """
    runs: dict[int, list[Scaled]] = {1: [], 2: []}
    for _ in range(rounds):
        for count in (1, 2):
            runs[count].append(await _scaled(row, servers, seconds, count))

    def median(count: int, name: str) -> float:
        return statistics.median(getattr(run, name) for run in runs[count])

    fullness = min(median(1, "fullness"), median(2, "fullness"))
    rate, cost = median(2, "rate") / median(1, "rate"), 2 * median(1, "cost") / median(2, "cost")
    errors = sum(run.errors for each in runs.values() for run in each)
    times, how = (rate, "by rate") if fullness >= FULL else (cost, "by cost")
    remark = (
        f"{how}; rate × {rate:.2f} on {PART:.0%} of a core for each worker, of which they used {fullness:.0%}; "
        f"cost {median(1, 'cost'):.1f} µs with one, {median(2, 'cost'):.1f} µs with two; "
        f"the idler worker does {median(2, 'idler'):.0%} of the work" + (f"; {errors} errors" if errors else "")
    )
    title = row.title if key == "workers" else f"two workers for one: {row.title}"
    return Line(key, title, "times", {"Pointsman": times}, "≥ 1.8 × one", times >= 1.8 and not errors, remark)


@frozen
class Scaled:
    """One run with one or two workers."""

    cost: float
    """CPU microseconds per unit, of all processes."""
    rate: float
    """Units per second."""
    fullness: float
    """The share of what the workers might use that they did use; 0 if they could not be limited."""
    idler: float
    """The share of the work that the idler one did."""
    errors: int


async def _scaled(row: Row, servers: Servers, seconds: float, count: int) -> Scaled:
    peer = FromFiles("Pointsman", row.routes(servers), datagrams=row.datagrams, workers=count, cores=BOTH)
    await peer.start()
    processes = tree(peer.pid)
    serving = processes if count == 1 else processes[1:]
    shares = [Share(pid, PART) for pid in serving]
    try:
        before = {pid: cpu_seconds([pid]) for pid in processes}
        result = await asyncio.to_thread(row.load.run, servers.folder, peer.port, OTHER_CORE, seconds)
        used = {pid: cpu_seconds([pid]) - before[pid] for pid in processes}
    finally:
        await peer.stop()
        for share in shares:
            share.remove()
    whole, working = sum(used.values()), [used[pid] for pid in serving]
    limited = all(share.limits for share in shares)
    return Scaled(
        whole * 1e6 / max(result.units, 1e-3),
        result.units / result.seconds,
        sum(working) / (PART * count * result.seconds) if limited else 0.0,
        min(working) / max(sum(working), 1e-3),
        result.errors,
    )


async def memory(servers: Servers, seconds: float, rounds: int) -> list[Line]:
    """Idle, and with ten thousand connections that have each had an answer and stay, plain and over TLS."""
    idle: dict[str, float] = {}
    plain = await _grown(one_router(servers), False, idle)
    tls = await _grown(http("nginx", tls=True)(servers), True, {})
    return [
        Line("memory-idle", "one worker, idle", "MiB PSS", idle, "≤ 60 MiB", idle["Pointsman"] <= 60),
        _weight("memory-held", f"{CONNECTIONS} idle keep-alive connections more", plain, 150),
        _weight("memory-tls", f"{CONNECTIONS} idle TLS 1.3 connections more", tls, None),
    ]


def _weight(key: str, title: str, grown: dict[str, float], most: float | None) -> Line:
    each = f"{grown['Pointsman'] * 1024 / CONNECTIONS:.1f} KiB each"
    if most is None:
        return Line(key, title, "MiB PSS", grown, "", None, each)
    return Line(key, title, "MiB PSS", grown, f"≤ {most:g} MiB", grown["Pointsman"] <= most, each)


async def _grown(routes: Routes, secured: bool, idle: dict[str, float]) -> dict[str, float]:
    """How much heavier each gateway is with the connections; what it weighed before is put into `idle`."""
    grown = {}
    for name in ("Pointsman", "Traefik"):
        peer = FromFiles(name, routes)
        await peer.start()
        try:
            pids = tree(peer.pid)
            idle[name] = pss_mebibytes(pids)
            grown[name] = await asyncio.to_thread(_held, peer.port, pids, secured) - idle[name]
        finally:
            await peer.stop()
    return grown


def _held(port: int, pids: Sequence[int], secured: bool) -> float:
    """What they weigh while the connections stand, over TLS or not."""
    wanted = CONNECTIONS + 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with ExitStack() as connections:
        for _ in range(CONNECTIONS):
            connection = connections.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            if secured:  # its tickets go out with the first answer, and so would the word that our Finished has come
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection = connections.enter_context(context.wrap_socket(connection, server_hostname=HOST))
            connection.sendall(b"GET /hello HTTP/1.1\r\nHost: h0.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
            if not connection.recv(4096).startswith(b"HTTP/1.1 200"):
                raise RuntimeError("a connection got no answer")
        return pss_mebibytes(pids)
