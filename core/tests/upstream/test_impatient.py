"""Time limits of a service: to connect, to the first byte, for the whole, and for silence."""

import asyncio
from typing import Any

import pytest

from pointsman.message import Body, Exchange

GET = b"GET /a HTTP/1.1\r\nHost: a.test\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n"
WEBSOCKET = b"GET /a HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhalf"


async def wait(house: Any, seconds: float) -> None:
    """Time passes, in steps, so that every sweep that is due takes place."""
    await asyncio.sleep(0)
    for _ in range(int(seconds / 0.5)):
        await house.advance(0.5)


def nobody_is_watched(house: Any) -> bool:
    return not [watched for watched in house.deadlines._watched if "Forwarding" in type(watched).__name__]


async def test_a_connection_that_takes_too_long_is_a_504(house: Any) -> None:
    house.set_up(limits={"connect": 2.0})
    house.hang = asyncio.Event()
    client = await house.ask(GET)
    await wait(house, 1.5)
    assert not client.sent
    await wait(house, 1)
    assert client.sent.startswith(b"HTTP/1.1 504 ")
    house.check_books()


async def test_the_shorter_of_two_limits_to_connect_holds(house: Any) -> None:
    house.set_up(limits={"connect": 20.0}, transport={"dial_timeout": 1.0})
    house.hang = asyncio.Event()
    client = await house.ask(GET)
    await wait(house, 1.5)
    assert client.sent.startswith(b"HTTP/1.1 504 ")


@pytest.mark.parametrize("own", [{"response_header_timeout": 9.0}, {"response_header_timeout": 0.0}])
@pytest.mark.parametrize("url", ["http://10.0.0.1:9000", "h2c://10.0.0.1:9000"])
async def test_a_head_that_takes_too_long_is_a_504(house: Any, own: dict[str, float], url: str) -> None:
    house.set_up(url=url, limits={"first_byte": 2.0}, transport=own)
    house.greeting = greet
    client = await house.ask(GET)
    await wait(house, 1.5)
    assert not client.sent
    await wait(house, 1)
    assert client.sent.startswith(b"HTTP/1.1 504 ")
    house.check_books()
    assert nobody_is_watched(house)


def greet(wire: Any) -> None:
    """What a server of HTTP/2 says first."""
    if wire.sent.startswith(b"PRI"):
        wire.receive(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")


async def test_a_transport_may_be_less_patient_than_the_service(house: Any) -> None:
    house.set_up(limits={"first_byte": 20.0}, transport={"response_header_timeout": 1.0})
    client = await house.ask(GET)
    await wait(house, 1.5)
    assert client.sent.startswith(b"HTTP/1.1 504 ")


@pytest.mark.parametrize("url", ["http://10.0.0.1:9000", "h2c://10.0.0.1:9000"])
async def test_a_whole_request_that_takes_too_long_is_a_504(house: Any, url: str) -> None:
    house.set_up(url=url, limits={"request": 2.0})
    house.greeting = greet
    client = await house.ask(GET)
    await wait(house, 2.5)
    assert client.sent.startswith(b"HTTP/1.1 504 ")
    house.check_books()
    assert nobody_is_watched(house)


async def test_the_time_to_connect_counts_for_the_whole(house: Any) -> None:
    house.set_up(limits={"request": 2.0})
    house.hang = asyncio.Event()
    client = await house.ask(GET)
    await wait(house, 2.5)
    assert client.sent.startswith(b"HTTP/1.1 504 ")
    house.check_books()


async def test_an_answer_that_goes_on_for_too_long_is_cut(house: Any) -> None:
    house.set_up(limits={"request": 4.0})
    client = await house.ask(GET)
    house.server.receive(HALF)
    for _ in range(3):
        await wait(house, 1)
        house.server.receive(b"x" * 10)
    assert not client.lost
    await wait(house, 1.5)
    assert client.lost
    assert house.server.lost
    house.check_books()
    assert nobody_is_watched(house)


async def test_an_answer_in_time_is_given_and_the_next_request_has_its_own_time(house: Any) -> None:
    house.set_up(limits={"request": 2.0, "idle": 1.5, "first_byte": 1.5, "connect": 1.0})
    client = house.client()
    for _ in range(4):
        await house.ask(GET, client)
        await wait(house, 1)
        house.server.receive(OK)
        await house.settle()
        assert client.take().endswith(b"ok")
        assert nobody_is_watched(house)
    assert len(house.servers) == 1
    house.check_books()


async def test_a_request_that_goes_again_keeps_its_limit(house: Any) -> None:
    house.set_up(limits={"request": 2.0})
    server = await house.idle_connection()
    client = await house.ask(GET)
    await wait(house, 1)
    server.break_off()
    await house.settle()
    assert len(house.servers) == 2
    await wait(house, 1.5)
    assert client.sent.startswith(b"HTTP/1.1 504 ")
    assert nobody_is_watched(house)


async def test_a_client_that_leaves_takes_its_limits_with_it(house: Any) -> None:
    house.set_up(limits={"request": 2.0})
    client = await house.ask(GET)
    client.break_off()
    await house.settle()
    assert nobody_is_watched(house)


async def test_silence_in_an_answer_cuts_it(house: Any) -> None:
    house.set_up(limits={"idle": 2.0})
    client = await house.ask(GET)
    await wait(house, 10)
    assert not client.sent, "how long the head may take is not said"
    house.server.receive(HALF)
    for _ in range(4):
        await wait(house, 1.5)
        house.server.receive(b"x" * 10)
    assert not client.lost
    await wait(house, 2.5)
    assert client.lost
    house.check_books()
    assert nobody_is_watched(house)


async def test_a_body_passes_whole_and_with_its_trailers(house: Any) -> None:
    house.set_up(limits={"idle": 2.0})
    client = await house.ask(GET)
    house.server.receive(b"HTTP/1.1 200 OK\r\nDate: x\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
    await house.settle()
    house.server.receive(b"3\r\n, x\r\n0\r\nX-T: 1\r\n\r\n")
    await house.settle()
    assert client.sent.endswith(b"2\r\nok\r\n3\r\n, x\r\n0\r\nX-T: 1\r\n\r\n")
    house.check_books()
    assert house.pool.idle == 1


async def test_a_client_that_does_not_read_is_not_the_servers_silence(house: Any) -> None:
    house.set_up(limits={"idle": 2.0})
    client = await house.ask(GET)
    client.stick()
    house.server.receive(HALF + b"x" * 200_000)
    await house.settle()
    assert not house.server.reading
    await wait(house, 10)
    assert not client.lost
    client.flow()
    await house.settle()
    assert house.server.reading
    await wait(house, 2.5)
    assert client.lost


async def test_a_client_that_stops_sending_is_told_so(house: Any) -> None:
    house.set_up(limits={"idle": 2.0}, read_timeout=0.0)
    client = await house.ask(POST + b"12345")
    await wait(house, 1.5)
    client.receive(b"6")
    await wait(house, 1.5)
    assert not client.sent
    await wait(house, 1)
    assert client.sent.startswith(b"HTTP/1.1 408 ")
    house.check_books()


async def test_a_server_that_does_not_read_the_request_is_a_504(house: Any) -> None:
    house.set_up(limits={"idle": 2.0}, read_timeout=0.0)
    client = await house.ask(POST.replace(b"10", b"1000000"))
    client.receive(b"x")
    await house.settle()
    house.server.stick()
    client.receive(b"x" * 100_000)
    await wait(house, 2.5)
    assert client.sent.startswith(b"HTTP/1.1 504 ")
    house.check_books()


async def test_a_tunnel_may_take_its_time_but_not_be_silent(house: Any) -> None:
    house.set_up(limits={"idle": 2.0, "request": 1.0})
    client = await house.ask(WEBSOCKET)
    house.server.receive(SWITCH + b"hello")
    await house.settle()
    assert client.take().endswith(b"hello")
    for number in range(4):
        await wait(house, 1.5)
        (client if number % 2 else house.server).receive(b"ping")
    assert not client.lost
    assert client.take() == b"pingping"
    assert house.server.take().endswith(b"pingping")
    await wait(house, 2.5)
    assert client.lost
    assert house.server.lost
    house.check_books()


async def test_both_directions_of_a_tunnel_end_as_without_limits(house: Any) -> None:
    house.set_up(limits={"idle": 2.0})
    client = await house.ask(WEBSOCKET)
    house.server.receive(SWITCH)
    await house.settle()
    house.server.stick()
    client.receive(b"x" * 100_000)
    assert not client.reading
    house.server.flow()
    assert client.reading
    client.receive_eof()
    assert house.server.eof
    house.server.receive(b"last words")
    house.server.receive_eof()
    await house.settle()
    assert client.sent.endswith(b"last words")
    house.check_books()
    assert nobody_is_watched(house)


async def test_an_answer_that_nobody_wants_is_given_up(house: Any) -> None:
    house.set_up(limits={"idle": 2.0})
    await house.ask(GET)
    request = house.requests[-1]
    request.exchange = Exchange()
    house.server.receive(HALF)
    await house.settle()
    assert isinstance(request.exchange.upstream, Body)
    request.exchange.upstream.abandon()
    assert house.server.aborted
