"""Bodies made of others: nothing lost, nothing kept, pauses and endings passed on."""

import asyncio
import gc
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import BodyTooLarge, GatewayError
from pointsman.message import NOTHING, Body, HeaderList
from pointsman.transforms import transformed


class Source:
    def __init__(self) -> None:
        self.log: list[str] = []

    def pause_reading(self) -> None:
        self.log.append("pause")

    def resume_reading(self) -> None:
        self.log.append("resume")

    def abandon(self) -> None:
        self.log.append("abandon")


class Sink:
    def __init__(self) -> None:
        self.log: list[Any] = []

    def write(self, chunk: bytes) -> None:
        self.log.append(chunk)

    def end(self, trailers: HeaderList) -> None:
        self.log.append(trailers)

    def fail(self, error: Exception) -> None:
        self.log.append(error)

    @property
    def content(self) -> bytes:
        return b"".join(piece for piece in self.log if isinstance(piece, bytes))


class Doubled:
    """Every byte twice, held back to pairs of bytes; says how much it got at once."""

    def __init__(self) -> None:
        self.rest = b""
        self.sizes: list[int] = []

    def write(self, chunk: bytes) -> bytes:
        self.sizes.append(len(chunk))
        chunk = self.rest + chunk
        whole = len(chunk) // 2 * 2
        self.rest = chunk[whole:]
        return b"".join(b"%c%c" % (byte, byte) for byte in chunk[:whole])

    def end(self, trailers: HeaderList) -> tuple[bytes, HeaderList]:
        return b"".join(b"%c%c" % (byte, byte) for byte in self.rest), [*trailers, (b"x-last", b"1")]


class Failing(Doubled):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, chunk: bytes) -> bytes:
        raise self.error


def doubled(content: bytes) -> bytes:
    return b"".join(b"%c%c" % (byte, byte) for byte in content)


async def test_chunks_and_trailers_pass_through_as_they_come() -> None:
    body, sink = Body(Source()), Sink()
    transformed(body, Doubled()).attach(sink)
    body.feed(b"abc")
    body.feed(b"d")
    assert sink.log == [b"aabb", b"ccdd"]
    body.feed(b"e")
    body.end([(b"x-a", b"1")])

    assert sink.log[2:] == [b"ee", [(b"x-a", b"1"), (b"x-last", b"1")]]


async def test_it_begins_when_somebody_reads_it() -> None:
    body = Body(Source())
    asked: list[bool] = []
    body.wanted = lambda: asked.append(True)
    made = transformed(body, Doubled())
    body.feed(b"ab")
    assert asked == []

    made.attach(Sink())
    assert asked == [True]


@given(st.lists(st.binary(max_size=40)), st.integers(1, 20), st.data())
async def test_any_chunks_and_any_slices_give_the_same_and_no_slice_is_too_large(chunks, size, data) -> None:
    body, sink, transform = Body(Source()), Sink(), Doubled()
    made = transformed(body, transform, slice_bytes=size)
    made.attach(sink)
    for chunk in chunks:
        body.feed(chunk)
        for _ in range(data.draw(st.integers(0, 2))):
            await asyncio.sleep(0)
    body.end()
    for _ in range(sum(map(len, chunks)) + 1):
        await asyncio.sleep(0)

    assert sink.content == doubled(b"".join(chunks))
    assert sink.log[-1] == [(b"x-last", b"1")]
    assert max(transform.sizes, default=0) <= size


async def test_much_at_once_pauses_the_source_until_it_has_passed() -> None:
    source, sink = Source(), Sink()
    body = Body(source)
    transformed(body, Doubled(), slice_bytes=4).attach(sink)
    body.feed(b"0123456789")
    assert (source.log, sink.content) == (["pause"], b"")

    await asyncio.sleep(0)
    assert sink.content == doubled(b"0123")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (source.log, sink.content) == (["pause", "resume"], doubled(b"0123456789"))


async def test_who_takes_no_more_pauses_the_source_and_what_waits() -> None:
    source, sink = Source(), Sink()
    body = Body(source)
    made = transformed(body, Doubled(), slice_bytes=4)
    made.attach(sink)
    made.pause()
    body.feed(b"0123456789")
    body.end()
    for _ in range(5):
        await asyncio.sleep(0)
    assert sink.log == []

    made.resume()
    for _ in range(5):
        await asyncio.sleep(0)
    assert (sink.content, sink.log[-1]) == (doubled(b"0123456789"), [(b"x-last", b"1")])
    assert source.log == ["pause"]  # it had ended by then; whoever reads the next message begins anew


async def test_a_pause_in_the_last_slice_does_not_hold_the_end_or_the_source() -> None:
    source = Source()
    body = Body(source)
    made = transformed(body, Doubled(), slice_bytes=4)

    class Reluctant(Sink):
        def write(self, chunk: bytes) -> None:
            super().write(chunk)
            if not made.paused:
                made.pause()

    made.attach(Reluctant())
    body.feed(b"01234567")
    for _ in range(4):
        await asyncio.sleep(0)
    made.resume()
    for _ in range(4):
        await asyncio.sleep(0)
    made.resume()
    assert (body.paused, source.log[-1]) == (False, "resume")


async def test_pauses_are_counted_through() -> None:
    source = Source()
    body = Body(source)
    made = transformed(body, Doubled())
    made.attach(Sink())
    made.pause()
    made.pause()
    made.resume()
    assert source.log == ["pause"]
    made.resume()
    assert source.log == ["pause", "resume"]


async def test_a_failure_passes_on_and_what_waited_is_dropped() -> None:
    body, sink = Body(Source()), Sink()
    transformed(body, Doubled(), slice_bytes=2).attach(sink)
    body.feed(b"0123")
    error = GatewayError(502)
    body.fail(error)
    await asyncio.sleep(0)

    assert sink.log == [error]


@pytest.mark.parametrize("late", [False, True])
async def test_a_transform_that_raises_fails_the_body_and_gives_up_the_source(late: bool) -> None:
    source, sink = Source(), Sink()
    body = Body(source)
    error = BodyTooLarge(1)
    transformed(body, Failing(error), slice_bytes=1 if late else 100).attach(sink)
    body.feed(b"0123")
    await asyncio.sleep(0)

    assert sink.log == [error]
    assert source.log[-1] == "abandon"


async def test_what_is_no_gateway_error_becomes_one() -> None:
    body, sink = Body(Source()), Sink()
    cause = ZeroDivisionError()
    transformed(body, Failing(cause)).attach(sink)
    body.feed(b"x")

    assert isinstance(sink.log[0], GatewayError)
    assert (sink.log[0].side, sink.log[0].status, sink.log[0].__cause__) == ("internal", 502, cause)


async def test_disinterest_passes_on() -> None:
    source = Source()
    body = Body(source)
    made = transformed(body, Doubled())
    made.attach(Sink())
    made.abandon()
    body.feed(b"late")

    assert source.log == ["abandon"]


@pytest.mark.parametrize("ending", ["end", "fail", "abandon"])
async def test_the_transform_is_let_go_at_every_ending(ending: str) -> None:
    body = Body(Source())
    transform: Any = Doubled()
    seen = weakref.ref(transform)
    made = transformed(body, transform)
    made.attach(Sink())
    body.feed(b"a")
    del transform
    {"end": body.end, "fail": lambda: body.fail(GatewayError(502)), "abandon": made.abandon}[ending]()
    gc.collect()

    assert seen() is None
    assert made is not None


@pytest.mark.parametrize("body", [NOTHING, Body.of(b"")])
async def test_nothing_is_a_body_too(body: Body) -> None:
    sink = Sink()
    transformed(body, Doubled()).attach(sink)

    assert sink.log == [[(b"x-last", b"1")]]


async def test_one_may_stand_behind_another_and_be_read_as_any_body() -> None:
    made = transformed(transformed(Body.of(b"abc"), Doubled()), Doubled())

    assert await made.read(100) == doubled(doubled(b"abc"))
