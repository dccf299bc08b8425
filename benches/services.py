"""The rows of services that choose: what that costs besides the plain row, and the proof that they choose.

Their servers are one nginx at several addresses of the loopback network, told apart by what they answer to GET /where, and
counted by nginx itself.
"""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import load
from load import HOST, Wrk, fetched
from peers import ADDRESSES, Routes, Servers
from rows import Row, balanced, one_router

ASKED: Final = 40
PLAIN: Final = 1.2
"""What a row of these may cost, in times of the plain one."""


def addressed(servers: Servers, *numbers: int, **settings: Any) -> dict[str, Any]:
    """A service over the addresses with these numbers."""
    service = balanced(*(f"http://{ADDRESSES[number]}:{servers.nginx_port}" for number in numbers))
    service["loadBalancer"] |= settings
    return service


def routed(make: Callable[[Servers], dict[str, Any]]) -> Callable[[Servers], Routes]:
    """One router to the service `chosen`, as in the plain row."""

    def routes(servers: Servers) -> Routes:
        return {"http": {"routers": {"all": {"rule": f"Host(`{HOST}`)", "service": "chosen"}}, "services": make(servers)}}

    return routes


def sticky(servers: Servers) -> dict[str, Any]:
    return {"chosen": addressed(servers, 0, 1, 2, 3, sticky={"cookie": {"name": "kept"}})}


def p2c(servers: Servers) -> dict[str, Any]:
    return {"chosen": addressed(servers, 0, 1, 2, 3, strategy="p2c")}


def mirror(servers: Servers) -> dict[str, Any]:
    mirrored = {"service": "original", "mirrors": [{"name": "mirror", "percent": 10}]}
    return {"chosen": {"mirroring": mirrored}, "original": addressed(servers, 0), "mirror": addressed(servers, 1)}


def weighted(servers: Servers) -> dict[str, Any]:
    children = [{"name": "stable", "weight": 3}, {"name": "canary", "weight": 1}]
    return {"chosen": {"weighted": {"services": children}}, "stable": addressed(servers, 0), "canary": addressed(servers, 1)}


def where(folder: Path, port: int, *how: str) -> str:
    """The address of the server that answers."""
    body, _, outcome = fetched(folder, f"http://{HOST}:{port}/where", *how).rpartition(" HTTP/")
    if not outcome.endswith(" 200"):
        raise SystemExit(f"no answer from a server: {body} {outcome}")
    return body


def kept(folder: Path, servers: Servers, port: int) -> str:
    """Whoever brings the cookie stays, and gets no other; without it everybody has a turn."""
    jar = folder / "cookies"
    jar.unlink(missing_ok=True)
    first = where(folder, port, "-c", str(jar))
    again = {where(folder, port, "-b", str(jar)) for _ in range(8)}
    others = {where(folder, port) for _ in range(8)}
    return f"kept {again == {first}}, {len(others)} servers without a cookie"


def shares(folder: Path, servers: Servers, port: int) -> str:
    """How many requests of so many went to each server."""
    counts = Counter(where(folder, port) for _ in range(ASKED))
    return f"shares {sorted(counts.values())}"


def spread(folder: Path, servers: Servers, port: int) -> str:
    """How many servers took part."""
    return f"{len({where(folder, port) for _ in range(ASKED)})} servers"


def copies(folder: Path, servers: Servers, port: int) -> str:
    """How many requests reach the servers when so many are made; copies take a moment."""
    status = f"http://127.0.0.1:{servers.nginx_port}/status"

    def handled() -> int:
        found = re.search(r"handled requests\\n \d+ \d+ (\d+)", fetched(folder, status))
        if found is None:
            raise SystemExit("nginx does not tell how many requests it has had")
        return int(found[1])

    before = handled()
    answered = {where(folder, port) for _ in range(ASKED)}
    after = max(handled() - number - 1 for number in range(20))
    return f"{len(answered)} server answers {ASKED} requests, {after - before} reach servers"


def row(key: str, title: str, make: Callable[[Servers], dict[str, Any]], proof: Any, *, cookie: str = "") -> Row:
    load_ = Wrk(load.SAME, cookie=cookie)
    return Row(key, title, routed(make), load_, plain=one_router, against_plain=PLAIN, proof=proof)


ROWS: Final = (
    row("sticky", "four servers, every client brings its cookie", sticky, kept, cookie="kept"),
    row("p2c", "four servers by p2c", p2c, spread),
    row("mirror", "10 % mirrored, cost per request of a client", mirror, copies),
    row("weighted", "canary: two services, 3:1", weighted, shares),
)
