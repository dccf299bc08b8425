"""Clients that keep their connection and say nothing cost little, and are answered when they speak again."""

import asyncio
import resource
import socket
from contextlib import ExitStack

import pytest

from pointsman.testing import gateway

REQUEST = b"GET /small HTTP/1.1\r\nHost: a.example\r\nUser-Agent: story\r\nAccept: */*\r\n\r\n"
MOST_KIBIBYTES = 64
"""Per connection; generous. What was measured is told."""


@pytest.fixture
def count(long_stories):
    wanted = 10_000 if long_stories else 2_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted + 500:
        pytest.skip(f"only {hard} files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 500), hard))
    yield wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def talk(connection):
    connection.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b"hello world\n"):
        more = connection.recv(4096)
        assert more, f"the connection ended after {answer!r}"
        answer += more
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.timeout(180)
async def test_thousands_of_idle_connections_cost_little_and_stay_of_use(backend, proc, tell, count):
    routers = {"all": {"rule": "PathPrefix(`/`)", "service": "backend"}}
    services = {"backend": {"loadBalancer": {"servers": [{"url": backend}]}}}
    async with gateway({"http": {"routers": routers, "services": services}}) as running:
        pid = running.process.pid

        def stay():
            with ExitStack() as stack:
                before = proc.resident(pid)
                connections = []
                for _ in range(count):
                    address = ("127.0.0.1", running.port())
                    connections.append(stack.enter_context(socket.create_connection(address, timeout=20)))
                    talk(connections[-1])
                held = proc.resident(pid)
                for connection in connections:
                    talk(connection)
                return before, held

        before, held = await asyncio.to_thread(stay)

    each = (held - before) * 1024 / count
    tell(connections=count, before=f"{before:.1f} MiB", held=f"{held:.1f} MiB", each=f"{each:.1f} KiB")
    assert each < MOST_KIBIBYTES
