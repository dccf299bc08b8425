"""Bodies far larger than memory should ever be pass in both directions, whoever is slow."""

import asyncio
import hashlib
import json
import os
import re
import socket
import time
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from pointsman.testing import eventually, gateway

MEBIBYTE = 2**20
GROWTH = 40
"""MiB that the gateway may grow by while gibibytes pass through."""
UNDERWAY = 64 * MEBIBYTE
"""What may be on its way between two ends, one of which stands still: the buffers of four sockets, and ours."""
BLOCK = os.urandom(MEBIBYTE - 8)


@pytest.fixture(scope="module")
def size(long_stories):
    return 4096 * MEBIBYTE if long_stories else 256 * MEBIBYTE


@pytest.fixture
async def running(backend):
    routers = {"all": {"rule": "PathPrefix(`/`)", "service": "backend"}}
    services = {"backend": {"loadBalancer": {"servers": [{"url": backend}]}}}
    timeouts = {"respondingTimeouts": {"readTimeout": "600s"}}
    static = {"entryPoints": {"web": {"transport": timeouts}}, "log": {"level": "ERROR"}}
    async with gateway({"http": {"routers": routers, "services": services}}, static) as running:
        await asyncio.to_thread(ask, running.url(), "/small")  # whatever is made once is made now
        yield running


@pytest.fixture
def grown(running, proc):
    """A function: how many MiB the gateway has grown by at most since the test began."""
    pid = running.process.pid
    proc.forget_peak(pid)
    before = proc.resident(pid)
    return lambda: proc.peak(pid) - before


def ask(url, path):
    """One small request and the JSON it is answered by, if it is."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=20)
    try:
        connection.request("GET", path)
        body = connection.getresponse().read()
        return json.loads(body) if body.startswith(b"{") else None
    finally:
        connection.close()


def dial(url, head):
    connection = socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=120)
    connection.sendall(head)
    return connection


def upload(url, size, *, chunked, stall=""):
    """Send a body in which nothing comes twice in the same place; its hash, and what the server says of it."""
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    digest = hashlib.sha256()
    with dial(url, f"POST /upload{stall} HTTP/1.1\r\nHost: a.example\r\n{framing}\r\n\r\n".encode()) as connection:
        for at in range(0, size, MEBIBYTE):
            piece = (at.to_bytes(8, "big") + BLOCK)[: size - at]
            digest.update(piece)
            connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            connection.sendall(b"0\r\n\r\n")
        answer = b""
        while not answer.endswith(b"}"):
            more = connection.recv(65536)
            assert more, f"the connection ended after {answer!r}"
            answer += more
    return digest.hexdigest(), json.loads(answer.partition(b"\r\n\r\n")[2])


class Download:
    """Reads a body as fast or as slowly as it is told to."""

    def __init__(self, url, size, *, chunked=False):
        self.connection = dial(
            url,
            f"GET /download?bytes={size}{'&chunked' if chunked else ''} HTTP/1.1\r\nHost: a.example\r\n\r\n".encode(),
        )
        self.digest = hashlib.sha256()
        self.read = 0
        self._size = size
        self._chunked = chunked
        self._reader = self.connection.makefile("rb", buffering=MEBIBYTE)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._reader.readline()
            assert line, f"the connection ended after {head!r}"
            head += line
        assert head.startswith(b"HTTP/1.1 200 "), head
        assert bool(re.search(rb"\r\ntransfer-encoding: chunked\r\n", head, re.IGNORECASE)) == chunked

    def some(self, most):
        """Read up to about that many bytes more; true while there may be any."""
        left = int(self._reader.readline(), 16) if self._chunked else min(most, self._size - self.read)
        more = left > 0
        while left:
            piece = self._reader.read1(left)
            assert piece, f"the connection ended after {self.read} bytes"
            self.read += len(piece)
            self.digest.update(piece)
            left -= len(piece)
        if self._chunked:
            assert self._reader.readline() == b"\r\n"
        return more

    def rest(self):
        while self.some(MEBIBYTE):
            pass
        self.close()

    def close(self):
        self._reader.close()
        self.connection.close()


async def standing_still(what):
    """Wait until `what()` gives the same number half a second long."""
    last, since = -1, time.monotonic()

    async def stands():
        nonlocal last, since
        now = await asyncio.to_thread(what)
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > 0.5

    await eventually(stands, "nothing moves any more")
    return last


@pytest.mark.timeout(600)
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
async def test_a_huge_upload_passes_in_flat_memory(running, grown, tell, size, chunked):
    begun = time.monotonic()
    sent, received = await asyncio.to_thread(upload, running.url(), size, chunked=chunked)
    took = time.monotonic() - begun

    assert received == {"bytes": size, "sha256": sent}
    assert grown() < GROWTH
    tell(MiB=size // MEBIBYTE, seconds=f"{took:.1f}", grown=f"{grown():.1f} MiB")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
async def test_a_huge_download_passes_in_flat_memory(running, backend, grown, tell, size, chunked):
    def download():
        body = Download(running.url(), size, chunked=chunked)
        body.rest()
        return body

    begun = time.monotonic()
    body = await asyncio.to_thread(download)
    took = time.monotonic() - begun

    assert {"bytes": body.read, "sha256": body.digest.hexdigest()} == await asyncio.to_thread(ask, backend, "/progress")
    assert body.read == size
    assert grown() < GROWTH
    tell(MiB=size // MEBIBYTE, seconds=f"{took:.1f}", grown=f"{grown():.1f} MiB")


@pytest.mark.timeout(600)
async def test_a_client_that_stops_reading_stops_the_server_and_costs_no_memory(running, backend, grown, tell, size):
    body = await asyncio.to_thread(Download, running.url(), size)
    await asyncio.to_thread(body.some, MEBIBYTE)
    sent = await standing_still(lambda: ask(backend, "/progress")["bytes"])

    assert sent < body.read + UNDERWAY
    assert grown() < GROWTH
    for _ in range(100):  # a while of reading slowly, then as fast as can be
        await asyncio.to_thread(body.some, 65536)
        await asyncio.sleep(0.01)
    await asyncio.to_thread(body.rest)
    assert {"bytes": size, "sha256": body.digest.hexdigest()} == await asyncio.to_thread(ask, backend, "/progress")
    assert grown() < GROWTH
    tell(MiB=size // MEBIBYTE, underway_when_stalled=f"{(sent - MEBIBYTE) / MEBIBYTE:.1f} MiB", grown=f"{grown():.1f} MiB")


@pytest.mark.timeout(600)
async def test_a_server_that_stops_reading_stops_the_client_and_costs_no_memory(running, backend, grown, tell, proc, size):
    uploading = asyncio.create_task(asyncio.to_thread(upload, running.url(), size, chunked=False, stall="?stall"))
    await eventually(lambda: asyncio.to_thread(lambda: ask(backend, "/progress")["bytes"] > MEBIBYTE))
    await standing_still(lambda: ask(backend, "/progress")["bytes"] + round(proc.resident(running.process.pid)))

    assert not uploading.done()
    assert grown() < GROWTH
    assert await asyncio.to_thread(ask, backend, "/go") == {"gone on": 1}
    sent, received = await uploading
    assert received == {"bytes": size, "sha256": sent}
    assert grown() < GROWTH
    tell(MiB=size // MEBIBYTE, grown=f"{grown():.1f} MiB")
