"""A log on stdout that nobody reads stops nobody."""

import logging
import os
import sys

import pytest

from pointsman.config.observability_model import Log
from pointsman.logs import pipes, setup_logging
from pointsman.logs.pipes import PipeLog


def say(handler: PipeLog, text: str) -> None:
    handler.handle(logging.LogRecord("x", logging.INFO, "", 0, text, (), None))


def test_lines_that_nobody_reads_wait_and_then_are_lost_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipes, "MAX_LINES", 100)
    monkeypatch.setattr(pipes, "CLOSE_SECONDS", 0.01)
    reader, writer = os.pipe()
    handler = PipeLog(writer)
    for number in range(1000):
        say(handler, f"{number:01000}")
    read = b""
    while read.count(b"\n") < 100:
        read += os.read(reader, 1 << 16)
    monkeypatch.setattr(pipes, "CLOSE_SECONDS", 5.0)
    handler.flush()
    say(handler, "after")
    handler.close()
    os.close(writer)
    while part := os.read(reader, 1 << 16):
        read += part
    os.close(reader)
    *lines, after = read.decode().splitlines()
    lost = [int(line.removesuffix(" lines of this log were lost")) for line in lines if line.endswith("lost")]
    numbers = [int(line) for line in lines if not line.endswith("lost")]
    assert numbers == sorted(numbers)
    assert lost
    assert len(numbers) + sum(lost) == 1000
    assert after == "after"


def test_a_pipe_without_a_reader_fails_nobody() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    handler = PipeLog(writer)
    say(handler, "lost")
    handler.close()
    os.close(writer)


def test_stdout_that_is_a_pipe_is_written_by_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    root = logging.getLogger()
    handlers, level, raising = list(root.handlers), root.level, logging.raiseExceptions
    for each in handlers:
        root.removeHandler(each)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        try:
            setup_logging(Log(level="INFO"))
            logging.getLogger("pointsman.x").info("said")
            (handler,) = root.handlers
            root.removeHandler(handler)
            handler.close()
        finally:
            for each in handlers:
                root.addHandler(each)
            root.setLevel(level)
            logging.raiseExceptions = raising
    assert type(handler) is PipeLog
    assert os.read(reader, 4096).endswith(b"INF said\n")
    os.close(reader)
