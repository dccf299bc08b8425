"""UDP routers: datagrams there and back, sessions, weights (routing.md 8.8)."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

import pytest_asyncio

from .harness import ORACLE, Told, arena_of, both_agree
from .raw import datagram_servers, tcp_balancer

pytestmark = ORACLE

ENTRY_POINTS = ("one", "several", "weighted", "zero", "none", "twice", "free")
STATIC = {"entryPoints": {"web": {}, **{name: {"address": "127.0.0.1:0/udp"} for name in ENTRY_POINTS}}}
SILENCE_SECONDS = 0.4


class Client(asyncio.DatagramProtocol):
    """A socket of its own; what came back waits in a queue."""

    def __init__(self):
        self.came = asyncio.Queue()

    def datagram_received(self, data, address):
        self.came.put_nowait(data)

    def error_received(self, error):
        self.came.put_nowait(f"error {type(error).__name__}")


@asynccontextmanager
async def client(port):
    """(send and wait for what comes back)"""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Client, remote_addr=("127.0.0.1", port))

    async def ask(data):
        transport.sendto(data)
        try:
            return await asyncio.wait_for(protocol.came.get(), SILENCE_SECONDS)
        except TimeoutError:
            return "silent"

    try:
        yield ask
    finally:
        transport.close()


def sent(name, entry_point, *datagrams):
    """Datagrams from one client port, one after another."""

    async def story(arena, running):
        async with client(running.port(entry_point)) as ask:
            return {f"{number}": await ask(data) for number, data in enumerate(datagrams, 1)}

    return Told(f"udp/{name}", story)


def shared(name, entry_point, count):
    """How often each server was chosen by that many clients."""

    async def story(arena, running):
        counted = Counter()
        for _ in range(count):
            async with client(running.port(entry_point)) as ask:
                counted[str(await ask(b"x"))] += 1
        return dict(counted)

    return Told(f"udp/{name}", story)


def stays(name, entry_point):
    """A client port keeps its server."""

    async def story(arena, running):
        async with client(running.port(entry_point)) as ask:
            return {"servers": len({await ask(b"x") for _ in range(5)})}

    return Told(f"udp/{name}", story)


CASES = [
    sent("echo", "one", b"hello", b"again", b"\0\xff"),
    sent("large", "one", b"x" * 60_000),
    sent("empty", "one", b""),
    sent("one-byte", "one", b"1"),
    sent("no-server", "none", b"hi"),
    sent("no-router", "free", b"hi"),
    sent("two-routers", "twice", b"hi"),
    stays("keeps-its-server", "several"),
    shared("round-robin", "several", 6),
    shared("weights", "weighted", 12),
    shared("weight-zero", "zero", 3),
]


def dynamic(address):
    services = {
        "a": tcp_balancer(address["a"]),
        "b": tcp_balancer(address["b"]),
        "several": tcp_balancer(address["a"], address["b"], address["c"]),
        "none": tcp_balancer(),
        "weighted": {"weighted": {"services": [{"name": "a", "weight": 3}, {"name": "b", "weight": 1}]}},
        "zero": {"weighted": {"services": [{"name": "a", "weight": 0}, {"name": "b"}]}},
    }
    routers = {name: {"entryPoints": [name], "service": name} for name in ("several", "weighted", "zero", "none")}
    routers["one"] = {"entryPoints": ["one"], "service": "a"}
    routers |= {"twice-1": {"entryPoints": ["twice"], "service": "a"}, "twice-2": {"entryPoints": ["twice"], "service": "b"}}
    return {"udp": {"routers": routers, "services": services}}


@asynccontextmanager
async def opened():
    async with datagram_servers("abc") as address, arena_of(lambda url, closed: dynamic(address), STATIC) as arena:
        yield arena


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with opened() as arena:
        yield arena


@both_agree(CASES)
async def test_both_agree_on_datagrams(arena, case):
    await arena.compare(case)
