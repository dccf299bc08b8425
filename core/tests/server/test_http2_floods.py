"""Clients that want work done for nothing are told to be calm; what they make us keep is bounded; others are served."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from pointsman.http2 import frames
from pointsman.http2.budget import CONTROL_FRAMES, RESETS
from pointsman.http2.frames import ENHANCE_YOUR_CALM, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED
from pointsman.http2.session import MAX_CONTINUATIONS, WAITING_BYTES
from pointsman.message import Request, Response

GET = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a.test"), (b":path", b"/a")]
POST = [(b":method", b"POST"), *GET[1:]]
OK = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nok"


def data(payload: bytes, stream: int = 1, end: bool = False) -> bytes:
    return frames.head(len(payload) << 8, 1 if end else 0, stream) + payload


def saying(body: bytes = b"ok") -> Any:
    return lambda request: Response(200, [(b"date", b"x")], body)


async def flood(client: Any, pieces: Iterator[bytes], most: int) -> int:
    """Send pieces until the gateway has had enough; how many there were."""
    for number in range(most):
        if client.closed:
            return number
        client.send(next(pieces))
        if number % 50 == 0:
            await client.house.settle()
            client.take()
    return most


def again(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


async def is_calmed(house: Any, client: Any, http2_client: Any, answered: Any = None) -> None:
    """The connection has ended with ENHANCE_YOUR_CALM, was counted, left nothing behind, and others are served."""
    assert client.goaway_code() == ENHANCE_YOUR_CALM
    assert client.closed
    assert house.entry.calmed == 1
    client.wire.break_off()
    await house.settle()
    house.check_books()
    house.set_up(handler=saying())
    assert (await http2_client().ask()).body == b"ok"


# control frames


@pytest.mark.parametrize(
    "piece",
    [
        frames.ping(b"12345678"),
        frames.ping(b"12345678", True),
        frames.settings([]),
        frames.settings([(frames.INITIAL_WINDOW_SIZE, 70_000), (frames.INITIAL_WINDOW_SIZE, 80_000)]),
        frames.head(5 << 8 | frames.PRIORITY, 0, 1) + b"\0\0\0\0\0",
        frames.window_update(0, 1),
        frames.head(4 << 8 | 0xEE, 0, 0) + b"abcd",
    ],
    ids=["PING", "PING ACK", "SETTINGS", "windows", "PRIORITY", "WINDOW_UPDATE", "unknown"],
)
async def test_control_frames_without_end_are_stopped(house: Any, raw_http2: Any, http2_client: Any, piece: bytes) -> None:
    client = raw_http2()
    count = await flood(client, again(piece), 5 * CONTROL_FRAMES)
    assert count <= 2 * CONTROL_FRAMES
    await is_calmed(house, client, http2_client)


async def test_window_updates_on_a_stream_that_has_nothing_to_send_are_stopped(
    house: Any, raw_http2: Any, http2_client: Any
) -> None:
    client = raw_http2()
    client.send(client.request())
    count = await flood(client, again(frames.window_update(1, 1)), 5 * CONTROL_FRAMES)
    assert count <= 2 * CONTROL_FRAMES
    await is_calmed(house, client, http2_client)


async def test_empty_data_frames_are_stopped(house: Any, raw_http2: Any, http2_client: Any) -> None:
    client = raw_http2()
    client.send(client.request(fields=POST, end=False))
    count = await flood(client, again(data(b"")), 5 * CONTROL_FRAMES)
    assert count <= 2 * CONTROL_FRAMES
    await is_calmed(house, client, http2_client)


async def test_padding_without_data_is_stopped(house: Any, raw_http2: Any, http2_client: Any) -> None:
    client = raw_http2()
    client.send(client.request(fields=POST, end=False))
    padded = frames.head(256 << 8, frames.PADDED, 1) + b"\xff" + bytes(255)
    count = await flood(client, again(padded), 5 * CONTROL_FRAMES)
    assert count <= 2 * CONTROL_FRAMES
    await is_calmed(house, client, http2_client)


async def test_a_client_that_pings_and_updates_windows_as_it_is_answered_goes_on(house: Any, raw_http2: Any) -> None:
    house.set_up(handler=saying())
    client = raw_http2()
    for number in range(3 * CONTROL_FRAMES):
        stream = 2 * number + 1
        client.send(client.request(stream), frames.ping(b"12345678"), frames.window_update(0, 2))
        client.take()
    assert not client.closed
    assert client.goaway_code() is None


async def test_answers_to_control_frames_do_not_pile_up_before_a_client_that_does_not_read(
    house: Any, raw_http2: Any
) -> None:
    client = raw_http2()
    client.wire.stick()
    client.wire.buffered = 65_536
    sent = 0
    while client.wire.reading and sent < 10_000:
        client.send(frames.ping(b"12345678"))
        sent += 1
    assert sent < 5
    assert client.wire.buffered < 70_000


# header blocks


async def test_continuations_without_end_are_stopped(house: Any, raw_http2: Any, http2_client: Any) -> None:
    client = raw_http2()
    client.send(frames.head(1 << 8 | frames.HEADERS, 0, 1) + b"\x82")
    count = await flood(client, again(frames.head(frames.CONTINUATION, 0, 1)), 5000)
    assert count <= MAX_CONTINUATIONS + 2
    await is_calmed(house, client, http2_client)


async def test_a_header_block_without_end_is_kept_up_to_its_limit(house: Any, raw_http2: Any, http2_client: Any) -> None:
    house.set_up(max_header_bytes=100_000)
    client = raw_http2()
    client.send(frames.head(1 << 8 | frames.HEADERS, 0, 1) + b"\x82")
    piece = frames.head(16_384 << 8 | frames.CONTINUATION, 0, 1) + bytes(16_384)
    count = await flood(client, again(piece), 5000)
    assert count <= 8
    await is_calmed(house, client, http2_client)


async def test_an_hpack_bomb_is_not_unpacked(house: Any, raw_http2: Any) -> None:
    client = raw_http2()
    client.send(frames.headers(1, b"\x82\x86\x84\x41\x01a" + b"\x40\x01a\x7f\xa1\x1e" + b"x" * 4000, True))
    bomb = b"\xbe" * 16_000
    client.send(frames.head(len(bomb) << 8 | frames.HEADERS, 0, 3) + bomb)
    for _ in range(3):
        client.send(frames.head(len(bomb) << 8 | frames.CONTINUATION, 0, 3) + bomb)
    client.send(frames.head(frames.CONTINUATION, frames.END_HEADERS, 3))
    assert client.goaway_code() == frames.COMPRESSION_ERROR
    assert client.closed


# resets


def requests_and_resets(client: Any, code: int = frames.CANCEL) -> Iterator[bytes]:
    stream = 1
    while True:
        yield client.request(stream) + frames.rst_stream(stream, code)
        stream += 2


async def test_rapid_resets_are_stopped(house: Any, raw_http2: Any, http2_client: Any) -> None:
    """CVE-2023-44487."""
    client = raw_http2()
    count = await flood(client, requests_and_resets(client), 5 * RESETS)
    assert RESETS <= count <= 2 * RESETS
    assert len(house.requests) <= 2 * RESETS
    await is_calmed(house, client, http2_client)


async def test_rapid_resets_in_one_read_are_stopped_too(house: Any, raw_http2: Any, http2_client: Any) -> None:
    client = raw_http2()
    pieces = requests_and_resets(client)
    client.send(b"".join(next(pieces) for _ in range(5 * RESETS)))
    assert len(house.requests) <= 2 * RESETS
    await is_calmed(house, client, http2_client)


@pytest.mark.parametrize(
    "provocation",
    [
        lambda stream: frames.window_update(stream, 0),
        lambda stream: frames.window_update(stream, frames.LARGEST_WINDOW),
        lambda stream: frames.head(5 << 8 | frames.PRIORITY, 0, stream) + stream.to_bytes(4, "big") + b"\0",
        lambda stream: data(b"x", stream),
        lambda stream: frames.headers(stream, b"\x82", True),
    ],
    ids=["zero increment", "overflow", "self-dependency", "DATA after the end", "HEADERS after the end"],
)
async def test_resets_that_the_client_provokes_count_like_its_own(
    house: Any, raw_http2: Any, http2_client: Any, provocation: Any
) -> None:
    """CVE-2025-8671."""
    client = raw_http2()

    def pieces() -> Iterator[bytes]:
        stream = 1
        while True:
            yield client.request(stream) + provocation(stream)
            stream += 2

    count = await flood(client, pieces(), 5 * RESETS)
    assert RESETS <= count <= 2 * RESETS
    await is_calmed(house, client, http2_client)


async def test_malformed_requests_without_end_are_stopped(house: Any, raw_http2: Any, http2_client: Any) -> None:
    client = raw_http2()

    def pieces() -> Iterator[bytes]:
        stream = 1
        while True:
            yield client.request(stream, [*GET, (b"Bad", b"x")])
            stream += 2

    assert await flood(client, pieces(), 5 * RESETS) <= 2 * RESETS
    assert client.reset_code(1) == PROTOCOL_ERROR
    await is_calmed(house, client, http2_client)


async def test_data_for_closed_streams_without_end_is_stopped(house: Any, raw_http2: Any, http2_client: Any) -> None:
    house.set_up(handler=saying())
    client = raw_http2()

    def pieces() -> Iterator[bytes]:
        stream = 1
        while True:
            yield client.request(stream)
            yield data(b"x", stream)
            stream += 2

    await flood(client, pieces(), 20 * RESETS)
    assert not client.closed  # half of what it does is honest, and the other half is ignored after one RST_STREAM each
    assert client.reset_code(1) == STREAM_CLOSED


async def test_a_client_that_gives_up_now_and_then_goes_on(house: Any, raw_http2: Any) -> None:
    house.set_up(handler=lambda request: Response(200, [], b"ok") if request.method == b"GET" else asyncio.sleep(60))
    client = raw_http2()
    stream = 1
    for number in range(3 * RESETS):
        if number % 2:
            client.send(client.request(stream))
        else:
            client.send(client.request(stream, POST), frames.rst_stream(stream, frames.CANCEL))
        stream += 2
        if number % 20 == 0:
            await house.settle()
            client.take()
    await house.settle()
    assert not client.closed
    assert client.goaway_code() is None


async def test_work_for_streams_that_were_reset_counts_until_it_is_over(house: Any, raw_http2: Any) -> None:
    ending = asyncio.Event()
    running = 0

    async def handler(request: Request) -> Response:
        nonlocal running
        running += 1
        try:
            await asyncio.sleep(60)
        finally:
            try:
                await ending.wait()  # it takes its time to clean up
            finally:
                running -= 1
        return Response(200)

    house.set_up(handler=handler, max_streams=20)
    client = raw_http2()
    for number in range(100):
        client.send(client.request(2 * number + 1))
        await house.settle()
        client.send(frames.rst_stream(2 * number + 1, frames.CANCEL))
        await house.settle()
    assert running == 20
    client.take()
    refused = {frame.stream for frame in client.frames if frame.kind == frames.RST_STREAM and frame.code == REFUSED_STREAM}
    assert len(refused) == 80
    ending.set()
    await house.settle()
    assert running == 0
    assert client.wire.protocol.session.lingering == 0


async def test_streams_above_the_limit_are_refused_and_those_below_go_on(house: Any, raw_http2: Any) -> None:
    house.set_up(max_streams=10)
    client = raw_http2()
    for number in range(30):
        client.send(client.request(2 * number + 1))
    await client.settle()
    refused = [frame.stream for frame in client.frames if frame.kind == frames.RST_STREAM]
    assert refused == list(range(21, 61, 2))
    assert {frame.code for frame in client.frames if frame.kind == frames.RST_STREAM} == {REFUSED_STREAM}
    assert len(house.servers) == 10
    for wire in house.servers:
        wire.receive(OK)
    await client.settle()
    assert len([frame for frame in client.frames if frame.kind == 0]) == 10
    assert not client.closed


# data that is held


async def test_answers_that_nobody_takes_are_held_up_to_a_bound(house: Any, raw_http2: Any) -> None:
    house.set_up(handler=saying(b"x" * 100_000))
    client = raw_http2(settings=[(frames.INITIAL_WINDOW_SIZE, 0)])
    for number in range(200):
        client.send(client.request(2 * number + 1))
        client.take()
    session = client.wire.protocol.session
    assert session.waiting <= WAITING_BYTES + 100_000
    await client.settle()
    resets = [frame.code for frame in client.frames if frame.kind == frames.RST_STREAM]
    assert set(resets) == {ENHANCE_YOUR_CALM}
    assert len(resets) >= 200 - WAITING_BYTES // 100_000 - 1
    client.wire.break_off()
    await house.settle()
    house.check_books()


async def test_servers_are_paused_for_clients_that_open_no_window(house: Any, raw_http2: Any) -> None:
    client = raw_http2(settings=[(frames.INITIAL_WINDOW_SIZE, 0)])
    for number in range(20):
        client.send(client.request(2 * number + 1))
    await client.settle()
    for wire in house.servers:
        wire.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n" + b"x" * 10_000)
    await house.settle()
    assert not any(wire.reading for wire in house.servers)
    assert client.wire.protocol.session.waiting == 200_000


async def test_uploads_that_nobody_reads_are_held_up_to_the_windows(house: Any, raw_http2: Any) -> None:
    """A body of single bytes costs as much as one of large pieces."""

    async def handler(request: Request) -> Response:
        await asyncio.sleep(60)
        return Response(200)

    house.set_up(handler=handler)
    client = raw_http2()
    session_window, sent = house.entry.http2.session_window, 0
    for number in range(5):
        client.send(client.request(2 * number + 1, POST, end=False))
    for number in range(5):
        for _ in range(house.entry.http2.stream_window // 16_000):
            if sent + 16_000 > session_window - 100_000:
                break
            client.send(data(b"x" * 16_000, 2 * number + 1))
            sent += 16_000
    await house.settle()
    for _ in range(5000):
        client.send(data(b"y", 9))
    assert len(house.requests[-1].body._chunks) < 200
    for _ in range(100):
        client.send(data(b"z" * 16_000, 3))
    await client.settle()
    assert client.reset_code(3) == frames.FLOW_CONTROL_ERROR or client.goaway_code() == frames.FLOW_CONTROL_ERROR
    client.wire.break_off()
    await house.settle()
    house.check_books()


async def test_a_client_that_ignores_the_windows_is_stopped(house: Any, raw_http2: Any) -> None:
    house.set_up(handler=lambda request: asyncio.sleep(60))
    client = raw_http2()
    client.send(client.request(1, POST, end=False))
    for _ in range(100):
        client.send(data(b"x" * 16_000))
    assert client.reset_code(1) == frames.FLOW_CONTROL_ERROR
    client.wire.break_off()
    await house.settle()
    house.check_books()
