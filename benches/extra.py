"""The rows that are not CPU per request against the peers: a second worker, and memory."""

import asyncio
import resource
import socket
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import load
from peers import GATEWAY_CORE, OTHER_CORE, FromFiles, Servers
from processes import cpu_seconds, pss_mebibytes, tree
from results import Line
from rows import one_router

CONNECTIONS: Final = 10_000
BOTH: Final = f"{GATEWAY_CORE},{OTHER_CORE}"


async def workers(servers: Servers, folder: Path, seconds: float, rounds: int) -> list[Line]:
    """Two workers against one. On two cores the load takes one of them, so requests per second say little; what can be said
    is what a request costs with one worker and with two: two cores would carry twice the one, times the ratio."""
    routes = one_router(servers)
    costs: dict[int, list[float]] = {1: [], 2: []}
    rates: dict[int, list[float]] = {1: [], 2: []}
    shares: list[float] = []
    for _ in range(rounds):
        for count in (1, 2):
            peer = FromFiles("Pointsman", routes, workers=count, cores=BOTH)
            await peer.start()
            try:
                pids = tree(peer.pid)
                before = {pid: cpu_seconds([pid]) for pid in pids}
                result = await asyncio.to_thread(load.run, folder, load.SAME, peer.port, OTHER_CORE, 100, seconds)
                used = sorted(cpu_seconds([pid]) - before[pid] for pid in pids)
            finally:
                await peer.stop()
            costs[count].append(sum(used) * 1e6 / max(result.requests, 1))
            rates[count].append(result.requests / result.seconds)
            if count == 2:
                shares.append(used[-2] / (used[-1] + used[-2]))
    one, two = statistics.median(costs[1]), statistics.median(costs[2])
    rate = statistics.median(rates[2]) / statistics.median(rates[1])
    scaling = 2 * one / two
    remark = (
        f"2 × {one:.1f} µs ÷ {two:.1f} µs; requests/s with the load on one of the same two cores: × {rate:.2f}; "
        f"the idler worker does {statistics.median(shares):.0%} of the work"
    )
    return [Line("workers", "two workers for one", "times", scaling, None, None, "≥ 1.8 × one", scaling >= 1.8, remark)]


async def memory(servers: Servers, folder: Path, seconds: float, rounds: int) -> list[Line]:
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
    own, other = idle["Pointsman"], idle["Traefik"]
    each = grown["Pointsman"] * 1024 / CONNECTIONS
    return [
        Line("memory-idle", "one worker, idle", "MiB PSS", own, other, None, "≤ 60 MiB", own <= 60),
        Line(
            "memory-held",
            f"{CONNECTIONS} idle keep-alive connections more",
            "MiB PSS",
            grown["Pointsman"],
            grown["Traefik"],
            None,
            "≤ 150 MiB",
            grown["Pointsman"] <= 150,
            f"{each:.1f} KiB each",
        ),
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
