import asyncio
import os
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.errors import GatewayError
from pointsman.testing import eventually
from pointsman_buffering.spool import PIECE, NoRoom, Spool


async def filled(chunks, memory, trailers=()):
    spool = Spool(memory)
    for chunk in chunks:
        await spool.add(chunk)
    await spool.end(list(trailers))
    return spool


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 255), st.sampled_from([1, 10, 1000, PIECE])), max_size=8),
    st.sampled_from([1, 500, 3 * PIECE]),
)
async def test_it_gives_what_it_got_again_and_again(pieces, memory):
    chunks = [bytes([byte]) * size for byte, size in pieces]
    whole = b"".join(chunks)
    spool = await filled(chunks, memory)

    assert spool.size == len(whole)
    for _ in range(2):
        body = spool.body()
        assert body.length == len(whole)
        assert await body.read(len(whole)) == whole
    spool.close()


@pytest.mark.parametrize("memory", [100, 1])
async def test_trailers_come_after_it_and_then_it_has_no_length(memory):
    spool = await filled([b"abc"], memory, [(b"x-sum", b"7")])
    body = spool.body()

    assert body.length is None
    assert await body.read(3) == b"abc"
    assert body.trailers == [(b"x-sum", b"7")]
    spool.close()


async def test_nothing_is_on_disk_as_long_as_memory_is_enough(monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", None)

    assert await (await filled([b"a" * 100], 100)).body().read(100) == b"a" * 100


async def test_its_file_has_no_name_and_is_gone_when_it_is_closed(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = len(os.listdir("/proc/self/fd"))
    spool = await filled([b"a" * 100], 10)

    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before + 1
    spool.close()
    await eventually(lambda: len(os.listdir("/proc/self/fd")) == before)


class Reluctant:
    """A sink that wants no more after the first piece."""

    def __init__(self, body):
        self.body, self.pieces, self.error, self.ended = body, [], None, False

    def write(self, chunk):
        self.pieces.append(chunk)
        self.body.pause()

    def end(self, trailers):
        self.ended = True

    def fail(self, error):
        self.error = error


async def test_a_reader_that_wants_no_more_gets_no_more_until_it_does():
    content = os.urandom(4 * PIECE)
    spool = await filled([content], 1)
    body = spool.body()
    sink = Reluctant(body)
    body.attach(sink)
    for count in range(1, 6):
        await eventually(lambda count=count: len(sink.pieces) == count)
        await asyncio.sleep(0)
        assert len(sink.pieces) == count
        body.resume()
    await eventually(lambda: sink.ended)

    assert b"".join(sink.pieces) == content
    spool.close()


@pytest.mark.parametrize("ending", ["close", "body"])
async def test_a_reader_that_waits_is_let_go_when_it_is_closed_or_another_one_begins(ending):
    spool = await filled([b"a" * 3 * PIECE], 1)
    body = spool.body()
    sink = Reluctant(body)
    body.attach(sink)
    await eventually(lambda: sink.pieces)
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    getattr(spool, ending)()

    await eventually(lambda: all(task.done() for task in tasks))
    spool.close()


async def test_a_full_disk_is_an_error_of_the_gateway():
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", full)
        with pytest.raises(NoRoom, match="No space left") as caught:
            await filled([b"a" * 100], 10)

    assert isinstance(caught.value, GatewayError)
    assert (caught.value.status, caught.value.side) == (500, "internal")


async def test_who_adds_to_one_that_was_closed_is_told():
    spool = await filled([b"a" * 100], 10)
    file = spool._file
    spool.close()
    await eventually(lambda: file._closed)

    with pytest.raises(OSError, match="closed"):
        file.append(b"b")
    with pytest.raises(OSError, match="closed"):
        file.read(0)
