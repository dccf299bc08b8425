"""UDP sessions of one entry point: limits, looks at names, endings (routing.md §8.8)."""

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pointsman.net.names import Names
from pointsman.routing.snapshot import Current, Snapshot
from pointsman.server.udp import HELD_DATAGRAMS, UdpEntry, UdpRoute
from pointsman.testing import eventually
from pointsman.upstream.tcp import tcp_peer
from pointsman.upstream.udp import UdpServers


def bound() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind(("127.0.0.1", 0))
    opened.setblocking(False)
    return opened


def route(*addresses: str) -> UdpRoute:
    service = UdpServers("s@file", [tcp_peer(address) for address in addresses])
    return UdpRoute("r@file", service, frozenset(addresses))


@asynccontextmanager
async def entry(*addresses: str, idle: float = 1.0) -> Any:
    """An entry point before servers at these addresses, and the address it listens on."""
    listening = bound()
    address = listening.getsockname()
    current = Current(Snapshot({}, udp={"udp1": route(*addresses)}))
    made = UdpEntry("udp1", listening, current, idle, Names(), asyncio.get_running_loop())
    made.start()
    try:
        yield made, address
    finally:
        made.cut()
        made.cut()


@asynccontextmanager
async def sockets(count: int) -> Any:
    made = [bound() for _ in range(count)]
    try:
        yield made
    finally:
        for opened in made:
            opened.close()


def at(opened: socket.socket, name: str = "127.0.0.1") -> str:
    return f"{name}:{opened.getsockname()[1]}"


async def received(opened: socket.socket) -> bytes:
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(opened, 65536), 5)


async def test_above_the_limit_new_clients_are_refused_and_old_ones_go_on() -> None:
    async with sockets(4) as (server, *clients), entry(at(server)) as (made, address):
        made.limit = 2
        for number, client in enumerate(clients):
            client.sendto(b"%d" % number, address)
        assert {await received(server) for _ in range(2)} == {b"0", b"1"}
        await eventually(lambda: made.refused == 1)
        clients[0].sendto(b"again", address)
        assert await received(server) == b"again"
        assert (len(made.sessions), made.dropped) == (2, 1)


async def test_a_session_without_traffic_ends_and_makes_room() -> None:
    async with sockets(3) as (server, first, second), entry(at(server), idle=0.1) as (made, address):
        made.limit = 1
        first.sendto(b"1", address)
        assert await received(server) == b"1"
        await eventually(lambda: not made.sessions)
        second.sendto(b"2", address)
        assert await received(server) == b"2"
        assert made._timer is not None
        await eventually(lambda: made._timer is None)


async def test_what_a_server_says_keeps_the_session_too() -> None:
    async with sockets(2) as (server, client), entry(at(server), idle=0.3) as (made, address):
        client.sendto(b"1", address)
        await received(server)
        (session,) = made.sessions.values()
        assert session.socket is not None
        for _ in range(10):
            server.sendto(b"tick", session.socket.getsockname())
            assert await received(client) == b"tick"
            await asyncio.sleep(0.05)
        assert list(made.sessions.values()) == [session]


async def test_while_a_name_is_looked_up_only_so_many_datagrams_are_held() -> None:
    async with sockets(2) as (server, client), entry(at(server, "localhost")) as (made, address):
        for number in range(HELD_DATAGRAMS + 5):
            client.sendto(b"%d" % number, address)
        made._from_clients()
        assert made.dropped == 5
        assert [await received(server) for _ in range(HELD_DATAGRAMS)] == [b"%d" % n for n in range(HELD_DATAGRAMS)]


@pytest.mark.parametrize("name", ["nobody.invalid", "a..b", "x" * 64])
async def test_a_name_that_nobody_has_ends_the_session(name: str) -> None:
    async with sockets(1) as (client,), entry(f"{name}:9") as (made, address):
        client.sendto(b"1", address)
        await eventually(lambda: made.accepted == 1)
        await eventually(lambda: not made.sessions)


async def test_without_a_file_descriptor_a_client_is_refused(monkeypatch: Any) -> None:
    async with sockets(2) as (server, client), entry(at(server)) as (made, address):

        def none_left(*arguments: Any) -> None:
            raise OSError(24, "Too many open files")

        with monkeypatch.context() as patched:
            patched.setattr("pointsman.server.udp.socket.socket", none_left)
            client.sendto(b"1", address)
            await eventually(lambda: made.refused == 1)
        client.sendto(b"2", address)
        assert await received(server) == b"2"


async def test_draining_begins_no_session_and_is_done_when_none_is_left() -> None:
    async with sockets(3) as (server, old, new), entry(at(server), idle=0.5) as (made, address):
        old.sendto(b"1", address)
        await received(server)
        made.drain()
        new.sendto(b"2", address)
        old.sendto(b"3", address)
        assert await received(server) == b"3"
        assert len(made.sessions) == 1
        await asyncio.wait_for(made.empty.wait(), 5)


async def test_draining_without_sessions_is_done_at_once() -> None:
    async with entry("127.0.0.1:9") as (made, _):
        made.drain()
        assert made.empty.is_set()
