"""A stream of JSON, one value per line, as watches and events of registries come (ndjson). Pure."""

import json
from collections.abc import Callable
from typing import Any


class JsonLines:
    """Makes values of chunks. What is not yet a line is kept, `limit` bytes at most."""

    __slots__ = ("_limit", "_read", "_rest")

    def __init__(self, limit: int, read: Callable[[bytearray], Any] = json.loads) -> None:
        self._limit = limit
        self._read = read
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[Any]:
        """The values that are whole now; empty lines are none. ValueError for what is no JSON, and for a line too long."""
        whole, newline, rest = chunk.rpartition(b"\n")
        lines: list[bytearray] = []
        if newline:
            lines, self._rest = (self._rest + whole).split(b"\n"), bytearray()
        self._rest += rest
        if max(map(len, [self._rest, *lines])) > self._limit:
            raise ValueError(f"a line has more than {self._limit} bytes")
        try:
            return [self._read(line) for line in lines if line.strip()]
        except RecursionError:
            raise ValueError("nested too deeply") from None
