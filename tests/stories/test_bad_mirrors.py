"""A mirror that is stalled, down or worse costs the clients of the original nothing, and the gateway little.

No request waits for a mirror: a stalled one never answers, and every request of these stories is answered. What that costs
is seen by taking turns, slice by slice, between a router with mirroring and one without, on the same gateway.
"""

import asyncio
import json
import re
import statistics
import time

import pytest

from pointsman.testing import connect, eventually, gateway, refusing

CLIENTS = 16
COPIES = 100
"""No more are under way at the same time."""
GROWN_MEBIBYTES = 32
"""The most that hundreds of copies may cost, when the original's requests have no bodies."""
BODIES_MEBIBYTES = 128
"""What the bodies of copies may take besides, all together: 64 as they came, and as much again on the way to a server."""
KINDS = ("stall", "reset", "huge", "slow", "down")


def document(backend, mirror, percent):
    """The host `plain` goes to the original alone, any other to a mirror of that kind besides."""
    services = {"original": {"loadBalancer": {"servers": [{"url": backend}]}}}
    routers = {"plain": {"rule": "Host(`plain`)", "service": "original"}}
    for kind in (*KINDS, "deaf"):
        url = mirror["down"] if kind == "down" else f"{mirror['up']}/{kind}"
        services[f"{kind}-mirror"] = {"loadBalancer": {"servers": [{"url": url, "preservePath": True}]}}
        copies = {"name": f"{kind}-mirror", "percent": percent}
        services[kind] = {"mirroring": {"service": "original", "mirrors": [copies]}}
        routers[kind] = {"rule": f"Host(`{kind}`)", "service": kind}
    return {"http": {"routers": routers, "services": services}}


@pytest.fixture
async def running(backend, mirror, percent):
    with refusing() as closed:
        urls = {"up": mirror, "down": f"http://127.0.0.1:{closed}"}
        async with gateway(document(backend, urls, percent)) as ready:
            yield ready


async def told(mirror):
    """What the mirror has seen."""
    async with connect(int(mirror.rpartition(":")[2])) as client:
        return json.loads((await client.get("/told")).body)


async def slice_of(port, host, seconds, count=10**9):
    """All clients at once, one request after the other: how long each took."""
    took = []
    request = f"GET /small HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    end = time.monotonic() + seconds

    async def client():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (begun := time.monotonic()) < end and len(took) < count:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            assert (head[:13], await reader.readexactly(int(length[1]))) == (b"HTTP/1.1 200 ", b"hello world\n")
            took.append(time.monotonic() - begun)
        writer.close()

    async with asyncio.timeout(seconds + 20):
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return took


def p99(took):
    return statistics.quantiles(took, n=100)[98]


@pytest.mark.parametrize("percent", [10])
@pytest.mark.timeout(180)
async def test_a_stalled_mirror_takes_no_time_of_the_original(running, mirror, proc, tell, long_stories):
    port, pid = running.port(), running.process.pid
    turns, seconds = (40, 1.0) if long_stories else (6, 0.5)
    took = {"plain": await slice_of(port, "plain", 0.5), "stall": []}
    before = proc.resident(pid)
    proc.forget_peak(pid)
    for turn in range(turns):
        for host in ("plain", "stall") if turn % 2 else ("stall", "plain"):
            took[host] += await slice_of(port, host, seconds)
    grown = proc.peak(pid) - before
    seen = await told(mirror)

    tell(
        requests=len(took["plain"]) + len(took["stall"]),
        p50_plain=f"{statistics.median(took['plain']) * 1e3:.2f} ms",
        p50_mirrored=f"{statistics.median(took['stall']) * 1e3:.2f} ms",
        p99_plain=f"{p99(took['plain']) * 1e3:.2f} ms",
        p99_mirrored=f"{p99(took['stall']) * 1e3:.2f} ms",
        longest_mirrored=f"{max(took['stall']) * 1e3:.0f} ms",
        copies_due=len(took["stall"]) // 10,
        copies_sent=seen["requests"]["stall"],
        at_once=seen["most"]["stall"],
        grown=f"{grown:.1f} MiB",
    )
    assert len(took["stall"]) // 10 > COPIES, "too few requests to show anything"
    assert 0 < seen["most"]["stall"] <= COPIES
    assert p99(took["stall"]) < 3 * p99(took["plain"]) + 0.05
    assert grown < GROWN_MEBIBYTES


@pytest.mark.parametrize("percent", [10])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timeout(120)
async def test_whatever_a_mirror_does_the_original_answers(running, mirror, proc, tell, kind):
    port, pid, count = running.port(), running.process.pid, 200 if kind == "huge" else 1000
    await slice_of(port, "plain", 60, 1000)
    before = proc.resident(pid)
    proc.forget_peak(pid)
    sent = (await told(mirror))["requests"].get(kind, 0)
    took = await slice_of(port, kind, 60, count)
    if kind != "down":
        least = min(COPIES, count // 10 // 2)

        async def copied():
            return (await told(mirror))["requests"].get(kind, 0) >= sent + least

        await eventually(copied, "copies reach the mirror")
    grown = proc.peak(pid) - before
    open_now = (await told(mirror))["open"].get(kind, 0)
    after = await slice_of(port, kind, 60, 200)
    longest = f"{max(took) * 1e3:.0f} ms"
    tell(p99=f"{p99(took) * 1e3:.1f} ms", longest=longest, open=open_now, grown=f"{grown:.1f} MiB")
    assert len(took) >= count
    assert len(after) >= 200
    assert open_now <= COPIES
    assert grown < GROWN_MEBIBYTES


@pytest.mark.parametrize("percent", [100])
@pytest.mark.parametrize("kind", ["stall", "deaf"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.timeout(120)
async def test_bodies_for_a_stalled_mirror_are_bounded_together(running, backend, proc, tell, kind, framing):
    """Each body is small enough to be mirrored, and nobody takes them."""
    pid, size, uploads = running.process.pid, 4 * 2**20, 60
    body = b"x" * size
    said = f"Content-Length: {size}" if framing == "length" else "Transfer-Encoding: chunked"
    head = f"POST /upload HTTP/1.1\r\nHost: {kind}\r\n{said}\r\n\r\n".encode()
    parts = [body] if framing == "length" else [b"%x\r\n" % size, body, b"\r\n0\r\n\r\n"]
    async with connect(running.port()) as client:
        before = proc.resident(pid)
        proc.forget_peak(pid)
        for _ in range(uploads):
            await client.send(head, *parts)
            answer = await client.message()
            assert answer.status == 200
            assert json.loads(answer.body)["bytes"] == size
        grown = proc.peak(pid) - before
        assert (await client.get("/small", kind)).status == 200
    tell(uploads=uploads, each=f"{size // 2**20} MiB", grown=f"{grown:.1f} MiB")
    assert grown < BODIES_MEBIBYTES + GROWN_MEBIBYTES
