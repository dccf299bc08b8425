"""A TCP router's connection without sockets: dialling, the pipe, half-close, deadlines, and what is given back."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.deadlines import Deadlines
from pointsman.errors import GatewayError
from pointsman.message import Address, Link
from pointsman.net.pipe import HELD_BYTES, STALL_SECONDS, PipeEnd
from pointsman.routing.snapshot import Current, Snapshot
from pointsman.server.door import TcpRoute
from pointsman.server.entry import Entry
from pointsman.server.settings import EntrySettings
from pointsman.server.tcp import SSL_REQUEST, TcpProtocol


class Service:
    """One server at the end of a wire; `ready` lets it be connected to."""

    def __init__(self, house: "House", delay: float = 0.1) -> None:
        self.house = house
        self.termination_delay = delay
        self.ready = asyncio.Event()
        self.ready.set()
        self.failure: Exception | None = None
        self.empty = False

    def choose(self) -> Any:
        return None if self.empty else self

    async def connect(self, link: Link, deadlines: Deadlines) -> PipeEnd:
        await self.ready.wait()
        if self.failure is not None:
            raise self.failure
        end = PipeEnd(deadlines)
        self.house.server = self.house.wire(end)
        return end


class House:
    """An entry point, a route, and both wires."""

    def __init__(self, wire_type: Any, loop: Any, delay: float = 0.1, ssl_request: bool = False) -> None:
        self.wire_type = wire_type
        self.loop = loop
        self.snapshot = Snapshot({})
        self.entry = Entry(EntrySettings("tcp1"), Current(self.snapshot), Deadlines(), loop)
        self.service = Service(self, delay)
        self.released = 0
        self.server: Any = None
        self.ssl_request = ssl_request

    def wire(self, protocol: Any) -> Any:
        wire = self.wire_type(self.loop)
        wire.protocol = protocol
        protocol.connection_made(wire)
        return wire

    def connect(self) -> Any:
        link = Link(Address("192.0.2.7", 40000), Address("192.0.2.1", 8000))
        route = TcpRoute("r@file", self.service)
        return self.wire(TcpProtocol(self.entry, link, route, self.release, self.ssl_request))

    def release(self) -> None:
        self.released += 1


@pytest.fixture
def house(wire_type: Any) -> Any:
    return lambda **options: House(wire_type, asyncio.get_running_loop(), **options)


def over(house: House) -> bool:
    """Everything is given back."""
    return (house.released, house.snapshot.holders, len(house.entry.connections), len(house.entry.deadlines._watched)) == (
        1,
        0,
        0,
        0,
    )


async def test_what_came_before_the_server_was_there_is_sent_first(house: Any, clock: Any) -> None:
    one = house()
    one.service.ready.clear()
    client = one.connect()
    client.protocol.data_received(b"hello ")
    assert not client.reading
    assert one.snapshot.holders == 1
    one.service.ready.set()
    await clock.settle()

    client.receive(b"world")
    one.server.receive(b"answer")
    assert (one.server.sent, client.sent) == (b"hello world", b"answer")

    client.break_off()
    await clock.settle()
    assert one.server.lost
    assert over(one)


@pytest.mark.parametrize("empty", [True, False])
async def test_without_a_server_the_client_is_closed_and_counted(house: Any, clock: Any, empty: bool) -> None:
    one = house()
    one.service.empty = empty
    one.service.failure = GatewayError(502, "nobody there")
    client = one.connect()
    await clock.settle()

    assert client.lost
    assert client.sent == b""
    assert one.entry.unserved == 1
    assert over(one)


async def test_a_client_that_leaves_while_a_server_is_dialled_ends_the_dialling(house: Any, clock: Any) -> None:
    one = house()
    one.service.ready.clear()
    client = one.connect()
    await clock.settle()
    client.break_off()
    one.service.ready.set()
    await clock.settle()

    assert one.server is None
    assert over(one)


@pytest.mark.parametrize("client_first", [True, False])
async def test_when_one_side_is_over_the_other_has_the_delay_to_finish(house: Any, clock: Any, client_first: bool) -> None:
    one = house(delay=2.0)
    client = one.connect()
    await clock.settle()
    first, second = (client, one.server) if client_first else (one.server, client)
    first.receive_eof()
    assert second.eof
    await clock.advance(1.5)
    one.entry.deadlines._sweep(one.loop)
    second.receive(b"late")
    assert first.sent == b"late"
    await clock.advance(1.0)
    one.entry.deadlines._sweep(one.loop)
    await clock.settle()

    assert client.lost
    assert one.server.lost
    assert over(one)


async def test_a_negative_delay_is_no_limit_and_both_ends_end_it(house: Any, clock: Any) -> None:
    one = house(delay=-1.0)
    client = one.connect()
    await clock.settle()
    client.receive_eof()
    await clock.advance(10_000)
    one.entry.deadlines._sweep(one.loop)
    one.server.receive(b"late")
    one.server.receive_eof()
    await clock.settle()

    assert client.sent == b"late"
    assert over(one)


async def test_who_does_not_take_what_is_left_is_cut_off(house: Any, clock: Any) -> None:
    one = house()
    client = one.connect()
    await clock.settle()
    client.stick()
    one.server.receive(b"x")
    one.server.break_off()
    assert client.closing
    for _ in range(int(STALL_SECONDS)):
        await clock.advance(1)
        one.entry.deadlines._sweep(one.loop)
        await clock.settle()
        assert not client.lost
    await clock.advance(2)
    one.entry.deadlines._sweep(one.loop)
    await clock.settle()

    assert client.aborted
    assert over(one)


@pytest.mark.parametrize("client_first", [True, False])
async def test_the_delay_begins_when_what_was_said_before_the_end_has_been_taken(
    house: Any, clock: Any, client_first: bool
) -> None:
    one = house(delay=0.5)
    client = one.connect()
    await clock.settle()
    first, second = (client, one.server) if client_first else (one.server, client)
    second.stick()
    first.receive(bytes(1000))
    first.receive_eof()
    for _ in range(5):
        await clock.advance(5)
        one.entry.deadlines._sweep(one.loop)
        await clock.settle()
    assert not second.closing
    second.flow()
    second.receive(b"late")
    assert first.sent == b"late"
    for _ in range(2):
        await clock.advance(1)
        one.entry.deadlines._sweep(one.loop)
        await clock.settle()

    assert client.lost
    assert one.server.lost
    assert over(one)


async def test_who_reads_slowly_holds_the_other_back(house: Any, clock: Any) -> None:
    one = house()
    client = one.connect()
    await clock.settle()
    client.stick()
    one.server.receive(bytes(70_000))
    assert not one.server.reading
    assert client.reading
    client.flow()
    assert one.server.reading


async def test_bytes_before_the_pipe_is_open_are_bounded(wire_type: Any) -> None:
    loop = asyncio.get_running_loop()
    end = PipeEnd(Deadlines())
    wire = wire_type(loop)
    wire.protocol = end
    end.connection_made(wire)
    wire.receive(bytes(HELD_BYTES - 1))
    assert wire.reading
    wire.receive(b"x")
    assert not wire.reading


async def test_postgres_is_asked_for_tls_before_the_clients_hello_is_passed_on(house: Any, clock: Any) -> None:
    one = house(ssl_request=True)
    client = one.connect()
    client.protocol.data_received(b"\x16hello")
    await clock.settle()
    assert one.server.take() == SSL_REQUEST
    one.server.receive(b"S")
    await clock.settle()

    assert one.server.sent == b"\x16hello"
    assert client.sent == b""


@pytest.mark.parametrize("answer", [b"N", b"SX", b"E", b""])
async def test_a_postgres_that_says_anything_else_is_left(house: Any, clock: Any, answer: bytes) -> None:
    one = house(ssl_request=True)
    client = one.connect()
    await clock.settle()
    one.server.receive(answer) if answer else one.server.receive_eof()
    await clock.settle()

    assert client.lost
    assert one.server.lost
    assert over(one)


async def test_a_retired_snapshot_is_free_when_its_last_session_is_over(house: Any, clock: Any) -> None:
    one = house()
    client = one.connect()
    await clock.settle()
    freed = []
    one.snapshot.retired = True
    one.snapshot.on_free = lambda: freed.append(1)
    client.break_off()
    await clock.settle()

    assert freed == [1]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.booleans(), st.binary(min_size=1, max_size=40)),
        st.tuples(st.sampled_from(["eof", "stick", "flow"]), st.booleans(), st.just(b"")),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_the_two_do_every_byte_arrives_in_order_and_all_is_given_back(wire_type: Any, steps: Any) -> None:
    async def run() -> None:
        one = House(wire_type, asyncio.get_running_loop(), delay=-1.0)
        wires = [one.connect()]
        await asyncio.sleep(0.001)
        wires.append(one.server)
        said = [b"", b""]
        for what, which, data in steps:
            wire, side = wires[which], int(which)
            if what == "offer":
                if wire.offer(data):
                    said[side] += data
            elif what == "eof":
                wire.receive_eof()
            elif what == "stick":
                wire.stick()
            else:
                wire.flow()
            await asyncio.sleep(0)
        for side in (0, 1):
            assert wires[1 - side].sent == said[side]
        for wire in wires:
            wire.flow()
            wire.receive_eof()
        for _ in range(5):
            await asyncio.sleep(0)
        assert over(one)

    asyncio.run(run())


async def test_a_transport_that_forgets_to_pause_is_told_again(house: Any, clock: Any) -> None:
    """As uvloop's does with what it is told in connection_made."""
    one = house()
    one.service.ready.clear()
    client = one.connect()
    client.resume_reading()
    client.receive(b"hello")
    assert not client.reading

    one.service.ready.set()
    await clock.settle()
    assert client.reading
    assert one.server.sent == b"hello"
