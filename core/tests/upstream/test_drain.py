"""Servers that leave a service, and names that move: what happens to the connections that are there."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pointsman.api import Peer
from pointsman.deadlines import Deadlines
from pointsman.net.names import Names
from pointsman.testing import Upstream, a_request, answer, chunked, eventually, upgrade, upstream
from pointsman.upstream.drain import Leaving
from pointsman.upstream.forward import Forwarder
from pointsman.upstream.transport import Transport, TransportSettings, peer_from

GET = b"GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n"
WEBSOCKET = b"GET /a HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def leaving(house: Any, service: str = "s@file", url: str = "http://10.0.0.1:9000") -> Leaving:
    return Leaving(service, url, house.pool)


async def test_a_request_that_was_not_answered_in_time_is_a_503(house: Any) -> None:
    client = await house.ask(GET)
    leaving(house).end()
    await house.settle()
    assert client.sent.startswith(b"HTTP/1.1 503 ")
    assert house.server.aborted
    house.check_books()


async def test_an_answer_that_has_begun_is_cut(house: Any) -> None:
    client = await house.ask(GET)
    house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    leaving(house).end()
    await house.settle()
    assert client.sent.endswith(b"half")
    assert client.lost
    house.check_books()


async def test_a_websocket_is_closed(house: Any) -> None:
    client = await house.ask(WEBSOCKET)
    house.server.receive(SWITCH)
    await house.settle()
    client.receive(b"ping")
    assert house.server.sent.endswith(b"ping")
    leaving(house).end()
    await house.settle()
    assert client.lost
    assert house.server.lost
    house.check_books()


async def test_a_client_with_a_connection_of_its_own_is_not_forgotten(house: Any) -> None:
    client = await house.ask(GET[:-2] + b"Authorization: NTLM x\r\n\r\n")
    leaving(house).end()
    await house.settle()
    assert client.sent.startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize(("service", "url"), [("other@file", "http://10.0.0.1:9000"), ("s@file", "http://10.0.0.2:9000")])
async def test_what_it_does_for_others_goes_on(house: Any, service: str, url: str) -> None:
    client = await house.ask(GET)
    leaving(house, service, url).end()
    house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await house.settle()
    assert client.sent.endswith(b"ok")


async def test_a_connection_that_is_over_is_no_member_any_more(house: Any) -> None:
    server = await house.idle_connection()
    assert len(house.pool.members) == 1
    server.receive_eof()
    await house.settle()
    assert house.pool.members == set()


async def test_a_drained_connection_finishes_what_it_carries_and_is_not_used_again(house: Any) -> None:
    client = await house.ask(GET)
    (connection,) = house.pool.members
    connection.drain()
    connection.drain()
    house.server.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await house.settle()
    assert client.sent.endswith(b"ok")
    assert house.server.lost
    house.check_books()
    assert house.pool.members == set()
    await house.ask(GET, client)
    assert len(house.servers) == 2


async def test_a_drained_connection_that_is_idle_is_closed_at_once(house: Any) -> None:
    server = await house.idle_connection()
    (connection,) = house.pool.members
    connection.drain()
    assert server.aborted
    house.check_books()


# names that move, over real sockets


class Moving:
    """A name server for one name."""

    def __init__(self, address: str) -> None:
        self.address = address

    def __call__(self, host: str) -> list[str]:
        return [self.address]


@pytest.fixture
async def servers() -> AsyncIterator[tuple[Upstream, Upstream]]:
    async with upstream(host="127.0.0.1") as one, upstream(host="127.0.0.2", port=one.port) as two:
        one.answers(answer(200, {}, b"one"))
        two.answers(answer(200, {}, b"two"))
        yield one, two


def forwarder(port: int, names: Names) -> tuple[Forwarder, Peer]:
    transport = Transport(TransportSettings(), Deadlines(), names)
    peer = peer_from(f"http://moving.test:{port}")
    peer.pool = transport.pool_for(peer)
    return Forwarder("s@file", lambda request, tried: peer, transport), peer


async def test_a_name_that_moves_takes_its_connections_with_it(servers: tuple[Upstream, Upstream], clock: Any) -> None:
    one, two = servers
    where = Moving("127.0.0.1")
    service, peer = forwarder(one.port, Names(resolve=where))
    gate = asyncio.Event()
    one.answers(answer(200, {}, b"one"), chunked([b"o", gate, b"ne"]))

    async def ask() -> bytes:
        return await (await service(a_request())).body.read(100)

    assert await ask() == b"one"
    running = asyncio.ensure_future(ask())
    await one.received(2)
    assert one.connections == 1
    where.address = "127.0.0.2"
    await clock.advance(40)  # what is known is too old now: it is looked up again ...
    await eventually(lambda: service.transport.names.known("moving.test") == ("127.0.0.2",), "the move is known")
    assert await ask() == b"two"
    await clock.advance(10)  # ... and compared with what there is
    await eventually(lambda: len(peer.pool.members) == 2, "the connections are looked at")
    gate.set()
    assert await running == b"one"
    await eventually(lambda: one.open == 0, "the old one is closed when it is through")
    assert (two.open, peer.pool.idle, peer.pool.busy) == (1, 1, 0)
    assert await ask() == b"two"
    service.transport.close()


async def test_a_websocket_stays_where_it_is_when_its_name_moves(servers: tuple[Upstream, Upstream], clock: Any) -> None:
    one, _ = servers
    one.answers(upgrade("websocket"))
    where = Moving("127.0.0.1")
    service, peer = forwarder(one.port, Names(resolve=where))
    request = a_request(headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    request.upgrade = b"websocket"
    response = await service(request)
    assert response.status == 101
    where.address = "127.0.0.2"
    for _ in range(3):
        await clock.advance(40)
        await eventually(lambda: service.transport.names._threads == 0, "the name was looked up")
    assert one.open == 1
    assert response.tunnel is not None
    response.tunnel.close()
    await eventually(lambda: one.open == 0, "it is closed")
    await eventually(lambda: not peer.pool.members, "and no member any more")
    await clock.advance(10)
    await eventually(lambda: service.transport not in service.transport.deadlines._watched, "nobody looks any more")
