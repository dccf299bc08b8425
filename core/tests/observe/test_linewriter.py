"""Lines reach their file whole, and nobody waits for it."""

import asyncio
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pointsman.observe import linewriter
from pointsman.observe.linewriter import LineWriter, open_file
from pointsman.testing import eventually


async def test_lines_are_written_in_order_and_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "access.log"
    writer = LineWriter(str(file), asyncio.get_running_loop())
    for number in range(5000):
        writer.write(f"line {number}")
    await writer.aclose()
    await writer.aclose()
    assert file.read_text().splitlines() == [f"line {number}" for number in range(5000)]
    assert file.stat().st_mode & 0o777 == 0o664 & ~_umask()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


async def test_a_line_needs_no_other_one_to_be_written(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    writer = LineWriter(str(file), asyncio.get_running_loop())
    writer.write("one")
    await eventually(lambda: file.read_text() == "one\n", "it is there")
    await writer.aclose()


async def test_a_file_that_was_moved_is_opened_anew(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    writer = LineWriter(str(file), asyncio.get_running_loop())
    writer.write("before")
    moved = tmp_path / "old"
    os.rename(file, moved)
    writer.reopen()
    writer.write("after")
    await writer.aclose()
    assert (moved.read_text(), file.read_text()) == ("before\n", "after\n")


async def test_it_goes_on_in_the_old_file_where_no_new_one_can_be(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "logs"
    writer = LineWriter(str(folder / "access.log"), asyncio.get_running_loop())
    folder.rename(tmp_path / "old")
    folder.write_text("not a folder")
    writer.reopen()
    writer.write("after")
    await writer.aclose()
    assert (tmp_path / "old" / "access.log").read_text() == "after\n"
    assert "cannot be opened again" in caplog.text


class Disk:
    """What stands for `os.write`: full while it is told to be, short when there is little room."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room = 0
        self.written = b""
        monkeypatch.setattr(linewriter.os, "write", self.write)
        monkeypatch.setattr(linewriter, "RETRY_SECONDS", 0.01)

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = data[: self.room]
        self.room -= len(taken)
        self.written += taken
        return len(taken)


async def test_a_full_disk_is_told_once_and_cut_lines_are_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(monkeypatch)
    disk.room = 7
    writer = LineWriter(str(tmp_path / "access.log"), asyncio.get_running_loop())
    writer.write("one")
    writer.write("two")
    await eventually(lambda: "No space left on device" in caplog.text, "the log says so")
    disk.room = 1000
    await eventually(lambda: "is written again" in caplog.text, "the log says that it is over")
    await writer.aclose()
    assert disk.written == b"one\ntwo\ntwo\n"
    assert caplog.text.count("cannot be written") == 1


async def test_what_is_too_much_is_dropped_counted_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(monkeypatch)
    monkeypatch.setattr(linewriter, "MAX_LINES", 2000)
    writer = LineWriter(str(tmp_path / "access.log"), asyncio.get_running_loop())
    for number in range(5000):
        writer.write(f"{number}")
    assert writer.dropped == 3 * linewriter.BATCH_LINES
    assert caplog.text.count("lines are dropped") == 1
    disk.room = 1 << 20
    await writer.aclose()
    await eventually(lambda: "takes lines again; 3072 were dropped" in caplog.text, "and it is told that it is over")
    assert len(disk.written.splitlines()) == 5000 - 3072


async def test_a_pipe_gets_whole_lines_in_pieces_that_are_not_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    sizes: list[int] = []
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        sizes.append(len(data))
        return real(descriptor, data)

    monkeypatch.setattr(linewriter, "STDOUT", writing)
    monkeypatch.setattr(linewriter.os, "write", write)
    writer = LineWriter("", asyncio.get_running_loop())
    lines = ["x" * size for size in (100, 4000, 5000, 90, 0, 3)] * 3
    for line in lines:
        writer.write(line)
    await writer.aclose()
    os.close(writing)
    assert os.read(reading, 1 << 16).decode().split("\n")[:-1] == lines
    os.close(reading)
    assert all(size <= 4096 or size == 5001 for size in sizes)


async def test_nobody_who_reads_stdout_loses_lines_and_nothing_else(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setattr(linewriter, "STDOUT", writing)
    writer = LineWriter("", asyncio.get_running_loop())
    writer.write("nobody")
    await writer.aclose()
    os.close(writing)
    assert "access log on stdout cannot be written: Broken pipe" in caplog.text


def test_a_path_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        open_file(str(tmp_path))


async def test_a_named_pipe_needs_no_reader_to_begin_with(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = LineWriter(str(path), asyncio.get_running_loop())
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer.write("one")
    await writer.aclose()
    assert os.read(reader, 100) == b"one\n"
    os.close(reader)
