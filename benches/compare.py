"""CPU per request of Pointsman, Traefik and HAProxy, on the same core, with the same routes; see docs/design.md §6.

    python benches/compare.py [ROW ...] [--seconds N] [--rounds N] [--dry]

Rows: get get-ids five five-ids hosts download upload workers memory; all of them if none is named. The rows that were run
replace their lines in benches/RESULTS.md; with --dry nothing is written.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import extra
import load
import results
from peers import GATEWAY_CORE, OTHER_CORE, FromFiles, Haproxy, Peer, Servers
from processes import core_busy_seconds, cpu_seconds, tree
from results import Line
from rows import HOSTS, ROWS, Row

ATTEMPTS: Final = 3
QUIET: Final = 0.03
"""The share of the gateway's core that others may use without a measurement being repeated."""
EXTRA: Final = {"workers": extra.workers, "memory": extra.memory}


async def compare(row: Row, servers: Servers, folder: Path, seconds: float, rounds: int) -> Line:
    """Load the gateways in turn, several times; the medians of what a request costs each."""
    (folder / "hosts.map").write_text("".join(f"h{number}.example small\n" for number in range(HOSTS)))
    routes = row.routes(servers)
    haproxy = Haproxy(folder, row.frontend.replace("{folder}", str(folder)), servers)
    peers: list[Peer] = [FromFiles("Pointsman", routes), FromFiles("Traefik", routes), haproxy]
    costs: dict[str, list[float]] = {peer.name: [] for peer in peers}
    errors: dict[str, int] = {}
    try:
        for peer in peers:
            await peer.start()
        for _ in range(rounds):
            for peer in peers:
                cost, failed = await asyncio.to_thread(measure_quietly, row, peer, folder, seconds)
                costs[peer.name].append(cost)
                if failed:
                    errors[peer.name] = errors.get(peer.name, 0) + failed
    finally:
        for peer in peers:
            await peer.stop()
    for name, each in costs.items():
        print(f"  {row.key} {name}: {' '.join(f'{cost:.1f}' for cost in each)}", flush=True)
    own, traefik, haproxy_cost = (statistics.median(costs[peer.name]) for peer in peers)
    met = [own / other <= limit for other, limit in _limits(row, traefik, haproxy_cost)]
    remark = "; ".join(f"{name}: {count} errors" for name, count in errors.items())
    return Line(row.key, row.title, row.per, own, traefik, haproxy_cost, _budget(row), all(met) and not errors, remark)


def measure_quietly(row: Row, peer: Peer, folder: Path, seconds: float) -> tuple[float, int]:
    """`measure` while the gateway has its core to itself; the least disturbed of a few attempts if it never has.

    A neighbour takes no CPU time from a gateway, but empties the caches under it: up to half of the cost, on a bad day.
    """
    attempts: list[tuple[float, float, int]] = []
    while len(attempts) < ATTEMPTS and (not attempts or attempts[-1][0] > QUIET):
        attempts.append(measure(row, peer, folder, seconds))
    return min(attempts)[1:]


def measure(row: Row, peer: Peer, folder: Path, seconds: float) -> tuple[float, float, int]:
    """The share of the gateway's core that others used, CPU microseconds per request or mebibyte, and the errors."""
    pids = tree(peer.pid)
    before, busy, begun = cpu_seconds(pids), core_busy_seconds(GATEWAY_CORE), time.monotonic()
    result = load.run(folder, row.script, peer.port, OTHER_CORE, row.connections, seconds)
    used = cpu_seconds(pids) - before
    others = (core_busy_seconds(GATEWAY_CORE) - busy - used) / (time.monotonic() - begun)
    if row.per == "request":
        work: float = result.requests
    elif row.key == "download":
        work = result.received / 2**20
    else:
        work = result.requests * load.BODY_BYTES / 2**20
    return others, used * 1e6 / max(work, 1), result.errors


def _limits(row: Row, traefik: float, haproxy: float) -> list[tuple[float, float]]:
    pairs = ((traefik, row.against_traefik), (haproxy, row.against_haproxy))
    return [(other, limit) for other, limit in pairs if limit is not None]


def _budget(row: Row) -> str:
    words = []
    if row.against_traefik is not None:
        words.append(f"≤ {row.against_traefik:g} × Traefik")
    if row.against_haproxy is not None:
        words.append(f"≤ {row.against_haproxy:g} × HAProxy")
    return ", ".join(words)


def main(names: Sequence[str], seconds: float, rounds: int, dry: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="pointsman-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is another user when it is started by root
        servers = Servers(folder)
        try:
            for key in names:
                for line in asyncio.run(measured(key, servers, folder, seconds, rounds)):
                    print(line.cells(), flush=True)
                    if not dry:
                        results.write(line)
        finally:
            servers.close()


async def measured(key: str, servers: Servers, folder: Path, seconds: float, rounds: int) -> list[Line]:
    for row in ROWS:
        if row.key == key:
            return [await compare(row, servers, folder, seconds, rounds)]
    return await EXTRA[key](servers, folder, seconds, rounds)


if __name__ == "__main__":
    known = [row.key for row in ROWS] + list(EXTRA)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", choices=[*known, []], metavar="ROW")
    parser.add_argument("--seconds", type=float, default=3.0, help="of load, each time")
    parser.add_argument("--rounds", type=int, default=5, help="of all gateways in turn")
    parser.add_argument("--dry", action="store_true", help="print only")
    chosen = parser.parse_args()
    print(f"gateways on core {GATEWAY_CORE}, load and servers on core {OTHER_CORE}")
    main(chosen.rows or known, chosen.seconds, chosen.rounds, chosen.dry)
