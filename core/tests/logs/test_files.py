"""The log in a file: shared, moved, turned over (operations.md §3.1)."""

import gzip
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from pointsman.logs import files
from pointsman.logs.files import LogFile


def handler(path: Path, **options: object) -> LogFile:
    made = LogFile(str(path), **options)  # type: ignore[arg-type]
    made.setFormatter(logging.Formatter("%(message)s"))
    return made


def say(handler: LogFile, text: str) -> None:
    handler.handle(logging.LogRecord("x", logging.INFO, "", 0, text, (), None))


def settled() -> None:
    """Wait for whoever packs and deletes."""
    for thread in threading.enumerate():
        if thread.name == "log rotation":
            thread.join()


def test_folders_are_made_and_lines_appended(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.log"
    first, second = handler(path), handler(path)
    say(first, "one")
    say(second, "two")
    say(first, "three")
    assert path.read_text() == "one\ntwo\nthree\n"
    first.close()
    first.close()
    second.close()


def test_a_file_that_was_moved_is_begun_anew_also_without_being_told(tmp_path: Path) -> None:
    path = tmp_path / "b.log"
    log = handler(path)
    say(log, "one")
    path.rename(tmp_path / "c.log")
    log.reopen()
    assert path.exists()
    path.rename(tmp_path / "d.log")
    say(log, "two")
    assert path.read_text() == "two\n"
    log.close()


def test_what_is_large_is_turned_over_by_one_of_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SETTLE_SECONDS", 0)
    path = tmp_path / "b.log"
    logs = [handler(path, max_megabytes=1, compress=True) for _ in range(2)]
    text = "x" * 499_999
    for number in range(4):
        say(logs[number % 2], text)
    settled()
    (packed,) = tmp_path.glob("b-*.log.gz")
    assert gzip.decompress(packed.read_bytes()) == f"{text}\n{text}\n".encode()
    assert path.read_text() == f"{text}\n{text}\n"
    assert len(list(tmp_path.iterdir())) == 2
    for log in logs:
        log.close()


def test_backups_that_are_too_many_or_too_old_go(tmp_path: Path) -> None:
    path = tmp_path / "b.log"
    for day in (1, 2, 3):
        backup = tmp_path / f"b-2026-01-0{day}T00-00-00.000.log"
        backup.write_text("old")
        os.utime(backup, (time.time() - 86_400 * (9.5 - day),) * 2)
    (tmp_path / "b-other.log").write_text("not ours")
    path.write_text("x" * 1_000_000)
    log = handler(path, max_megabytes=1, max_backups=3, max_days=8)
    say(log, "new")
    settled()
    log.close()
    names = {each.name for each in tmp_path.iterdir()}
    assert {name for name in names if "-2026-01-" in name} == {
        "b-2026-01-02T00-00-00.000.log",
        "b-2026-01-03T00-00-00.000.log",
    }
    assert "b-other.log" in names
    assert path.read_text() == "new\n"


def test_lines_that_a_full_disk_takes_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "b.log"
    log = handler(path)  # whose formatter writes what is lost, too: a line of JSON among lines of JSON
    with monkeypatch.context() as full:

        def write(descriptor: int, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        full.setattr(files.os, "write", write)
        say(log, "one")
        say(log, "two")
    say(log, "three")
    assert path.read_text() == "2 lines of this log were lost\nthree\n"
    log.close()


def test_a_named_pipe_waits_for_no_reader_and_is_written_while_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    file = handler(path)
    for number in range(3000):
        say(file, f"{number:0100}")  # more than there is room for
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(reader, 102) == b"%0100d\n" % 0 + b"0"
    os.close(reader)
    file.close()
