"""Configuration changes ten times a second, a worker dies, and nobody notices but those who talked to it.

The counting. Before a worker is killed it is stopped (SIGSTOP), so that it takes no further connection, and /proc tells
which connections are its own: exactly those may break, each once. Whoever waits in its listening socket meanwhile is not
among them: the control side holds that socket too, and the replacement takes them. So, for all that the load reports:
answers other than 200: none; connections refused: none; requests without an answer: none; broken connections: no more than
the dead worker had.
"""

import asyncio
import os
import re
import shutil
import signal
import time
from contextlib import suppress

import pytest

from pointsman.testing import connect, eventually, gateway

WORKERS = 2
CONNECTIONS = 64
PAUSE_SECONDS = 0.1
DONE = """
request = function() return "GET /small HTTP/1.1\\r\\nHost: a.example\\r\\n\\r\\n" end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("\\nRESULT requests=%d connect=%d read=%d write=%d timeout=%d status=%d longest=%d\\n",
    summary.requests, e.connect, e.read, e.write, e.timeout, e.status, latency.max))
end
"""


@pytest.fixture(scope="module")
def wrk():
    found = shutil.which("wrk")
    if found is None:
        pytest.skip("wrk is not installed (docs/real-servers.md)")
    return found


def document(backend, number):
    """The router under load names another service each time, and a middleware every third time; another comes and goes."""
    service = {"loadBalancer": {"servers": [{"url": backend}]}}
    routers = {"load": {"rule": "PathPrefix(`/small`)", "service": f"backend-{number % 2}"}}
    if number % 3 == 0:
        routers["load"]["middlewares"] = ["mark"]
    if number % 2:
        routers["guest"] = {"rule": f"Path(`/guest/{number}`)", "service": "backend-0"}
    middlewares = {"mark": {"headers": {"customResponseHeaders": {"X-Change": str(number)}}}}
    return {
        "http": {"routers": routers, "middlewares": middlewares, "services": {"backend-0": service, "backend-1": service}}
    }


class Newcomers:
    """Opens a new connection again and again, and asks once on each."""

    def __init__(self, port):
        self.answered = 0
        self.lost = []
        """The client ports of connections that broke."""
        self.longest = 0.0
        self._port = port

    async def run(self):
        while True:
            begun = time.monotonic()
            async with connect(self._port) as client:  # raises if it is refused
                try:
                    answer = await client.get("/small", connection="close")
                except (ConnectionError, asyncio.IncompleteReadError):
                    self.lost.append(client.writer.get_extra_info("sockname")[1])
                else:
                    assert (answer.status, answer.body) == (200, b"hello world\n")
                    self.answered += 1
            self.longest = max(self.longest, time.monotonic() - begun)
            await asyncio.sleep(0.01)


async def kill_a_worker(running, proc):
    """Kill one; the client ports of the connections that it had accepted."""
    victim = proc.children(running.process.pid)[0]
    os.kill(victim, signal.SIGSTOP)
    await eventually(lambda: proc.state(victim) == "T", "the worker stands still")
    own = proc.clients(victim, running.port())
    os.kill(victim, signal.SIGKILL)
    return victim, own


@pytest.mark.real("wrk")
@pytest.mark.timeout(180)
async def test_no_request_is_lost_to_reloads_and_only_its_own_to_a_dead_worker(
    backend, wrk, proc, tell, long_stories, tmp_path
):
    seconds = 30 if long_stories else 5
    script = tmp_path / "load.lua"
    script.write_text(DONE)
    static = {"providers": {"providersThrottleDuration": "0s"}, "log": {"level": "INFO"}}
    async with gateway(document(backend, 0), static, workers=WORKERS) as running:
        load = await asyncio.create_subprocess_exec(
            *(wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout=20s", "-s", str(script), running.url()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        newcomers = Newcomers(running.port())
        coming = asyncio.create_task(newcomers.run())
        try:
            begun = time.monotonic()
            changes, victim, own = 0, None, set()
            while (elapsed := time.monotonic() - begun) < seconds - 0.5:
                changes += 1
                await running.update(document(backend, changes), until=lambda: True)
                if victim is None and elapsed > seconds / 2:
                    victim, own = await kill_a_worker(running, proc)
                await asyncio.sleep(PAUSE_SECONDS)
            output = (await asyncio.wait_for(load.communicate(), seconds + 30))[0].decode()
            await running.live()  # the last change, in the survivor and in the replacement
            assert not coming.done(), coming.exception()
        finally:
            coming.cancel()
            with suppress(asyncio.CancelledError):
                await coming
            if load.returncode is None:
                load.kill()
                await load.wait()
        workers = proc.children(running.process.pid)

    result = {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", output.partition("RESULT")[2])}
    tell(
        seconds=seconds,
        requests=result["requests"],
        changes=changes,
        connections_of_the_dead_worker=len(own),
        broken=result["read"] + result["write"],
        longest_request=f"{result['longest'] / 1e3:.0f} ms",
        newcomers=newcomers.answered,
        newcomers_lost=len(newcomers.lost),
        longest_newcomer=f"{newcomers.longest * 1e3:.0f} ms",
    )
    assert (result["connect"], result["timeout"], result["status"]) == (0, 0, 0)
    assert result["read"] + result["write"] <= len(own)
    assert set(newcomers.lost) <= own
    assert len(workers) == WORKERS
    assert victim not in workers
    assert result["requests"] > 0
    assert newcomers.answered > 0
