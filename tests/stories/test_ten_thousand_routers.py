"""Ten thousand routers, and one of them changes: soon live, and no request waits for it."""

import asyncio
import json
import time
from contextlib import suppress

import pytest
import yaml

from pointsman.testing import Gateway, connect, eventually

COUNT = 10_000
LIVE_SECONDS = 5.0
"""Generous: the machine may be busy. What was measured is told."""
LONGEST_SECONDS = 2.0


def document(backend, changed, dump=json.dumps):
    """The text of a file; `changed` is the path that the last router takes. Text, so that writing it takes no time."""
    routers = {f"r{number}": {"rule": f"Host(`h{number}.example`)", "service": "backend"} for number in range(COUNT)}
    routers[f"r{COUNT - 1}"]["rule"] = f"Host(`h{COUNT - 1}.example`) && Path(`{changed}`)"
    services = {"backend": {"loadBalancer": {"servers": [{"url": backend}]}}}
    return dump({"http": {"routers": routers, "services": services}})


def as_yaml(content):
    """As people write it: a line for every key, which takes a reader of YAML far longer than JSON."""
    return yaml.dump(content, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))


@pytest.fixture
async def running(backend, tell, request):
    workers = request.param
    gateway = Gateway(document(backend, "/small/first"), {"providers": {"providersThrottleDuration": "0s"}}, workers=workers)
    try:
        begun = time.monotonic()
        gateway.spawn()
        await eventually_live(gateway)
        tell(workers=workers, first_load=f"{time.monotonic() - begun:.2f} s")
        yield gateway
    finally:
        await gateway.stop()
        print(gateway.log())
        gateway.remove()


async def eventually_live(gateway):
    """The first load may take longer than a test usually waits, where ten suites share a core."""
    for _ in range(3):
        with suppress(TimeoutError):
            return await gateway.live()
    raise TimeoutError(gateway.log())


class Client:
    """Asks one router after the other, a thousand times a second at most; how long each answer took, and when."""

    def __init__(self, port):
        self.times = []
        self._port = port

    async def run(self):
        async with connect(self._port) as client:
            number = 0
            while True:
                number = (number + 7919) % (COUNT - 1)
                begun = time.monotonic()
                answer = await client.get("/small", f"h{number}.example")
                assert (answer.status, answer.body) == (200, b"hello world\n"), f"h{number}.example: {answer.start!r}"
                self.times.append((begun, time.monotonic() - begun))
                await asyncio.sleep(0.001)

    def longest(self, since, until):
        return max(took for begun, took in self.times if begun + took >= since and begun <= until)


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("running", "dump"), [(1, json.dumps), (2, as_yaml)], indirect=["running"], ids=["one worker, JSON", "two workers, YAML"]
)
async def test_a_change_of_one_is_live_soon_and_no_request_waits_long(running, dump, backend, tell, long_stories):
    changes = {
        path: document(backend, path, dump) for path in (f"/small/{number}" for number in range(20 if long_stories else 3))
    }
    clients = [Client(running.port()) for _ in range(4)]  # spread over the workers by chance
    asking = [asyncio.create_task(client.run()) for client in clients]
    lives, longest = [], []
    try:
        await eventually(lambda: all(len(client.times) > 200 for client in clients) or any(task.done() for task in asking))
        quiet = max(client.longest(0, time.monotonic()) for client in clients)
        for path, new in changes.items():
            begun = time.monotonic()
            await running.update(new, until=lambda: True)
            written = time.monotonic()
            await running.live()
            live = time.monotonic()
            async with connect(running.port()) as client:
                assert (await client.get(path, f"h{COUNT - 1}.example")).status == 200
            lives.append(live - written)
            longest.append(max(client.longest(begun, live) for client in clients))
        for task in asking:
            assert not task.done(), task.exception()
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    tell(
        changes=len(lives),
        live_after=f"{sorted(lives)[len(lives) // 2]:.2f} s (median), {max(lives):.2f} s (longest)",
        longest_request_before=f"{quiet * 1e3:.1f} ms",
        longest_request_during=f"{sorted(longest)[len(longest) // 2] * 1e3:.1f} ms (median), {max(longest) * 1e3:.1f} ms",
        requests=sum(len(client.times) for client in clients),
    )
    assert max(lives) < LIVE_SECONDS
    assert max(longest) < LONGEST_SECONDS
