"""Under a service manager: passed sockets, signs of life, and workers that hang (operations.md section 1.10, 2.10)."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from pointsman.testing import Gateway, connect, eventually, refusing, upstream

from .stage import balancer
from .test_processes import children_of

ROUTES = {"any": {"rule": "PathPrefix(`/`)", "service": "a"}}


def dynamic(url):
    return {"http": {"routers": ROUTES, "services": {"a": balancer(url)}}}


START = """
import os, sys
count = int(sys.argv[1])
for number, descriptor in enumerate(sys.argv[2 : 2 + count]):
    os.dup2(int(descriptor), 3 + number, inheritable=True)
os.environ["LISTEN_PID"] = os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execv(sys.argv[2 + count], sys.argv[2 + count :])
"""
"""What a service manager does between fork and exec."""


class Managed(Gateway):
    """A gateway started as a service manager would: sockets from descriptor 3 on, its own process id in the environment."""

    def __init__(self, *arguments, passed=(), variables=None, **options):
        super().__init__(*arguments, **options)
        self._passed = passed
        self._variables = variables or {}

    def spawn(self):
        names, descriptors = [name for name, _ in self._passed], []
        with ExitStack() as stack:
            for number, (_, each) in enumerate(self._passed):  # from 60 on, where nothing is in the way
                descriptors.append(os.dup2(each.fileno(), 60 + number))
                stack.callback(os.close, 60 + number)
            log = stack.enter_context((self.folder / "gateway.log").open("ab"))
            listen = {"LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)} if names else {}
            self._process = subprocess.Popen(
                [sys.executable, "-c", START, str(len(names)), *map(str, descriptors), *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=descriptors,
                env={**os.environ, **listen, **self._variables},
            )


@pytest.fixture
def ear():
    """Where a service manager would listen; an abstract name."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("")
        listening.setblocking(False)
        yield listening


def heard(ear):
    states = []
    try:
        while True:
            states.append(ear.recv(100).decode())
    except BlockingIOError:
        return states


@pytest.mark.spec("O-50")
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_passed_socket_is_used_in_place_of_the_address(workers):
    async with upstream() as server:
        with socket.create_server(("127.0.0.1", 0)) as web, socket.create_server(("127.0.0.1", 0)) as lost:
            points = {"log": {"level": "WARN"}, "entryPoints": {"web": {"address": "192.0.2.1:1"}, "other": {}}}
            running = Managed(dynamic(server.url), points, workers=workers, passed=[("web", web), ("lost", lost)])
            try:
                await running.start()
                running._ports["web"] = web.getsockname()[1]
                statuses = [await status_of(running.port("web")) for _ in range(10)]
                assert statuses == [200] * 10
                assert await status_of(running.port("other")) == 200
                log = running.log()
                assert log.count("entryPoints.other: the service manager passed no TCP socket of this name") == 1
                assert "entryPoints.web: " not in log
                assert log.count("passed as 'lost' is no entry point's") == 1
                assert await running.stop() == 0
                with socket.create_connection(web.getsockname()):
                    pass  # whoever comes while nobody runs waits for the next one to be started
            finally:
                await running.stop()
                running.remove()


@pytest.mark.parametrize("workers", [1, 2])
async def test_all_datagrams_of_a_passed_socket_meet_one_session(workers):
    with ExitStack() as stack:
        dns, backend, client = (stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(3))
        for each in (dns, backend):
            each.bind(("127.0.0.1", 0))
        sessions = set()
        server = {"loadBalancer": {"servers": [{"address": f"127.0.0.1:{backend.getsockname()[1]}"}]}}
        document = {"udp": {"routers": {"r": {"service": "s"}}, "services": {"s": server}}}
        life = {"lifeCycle": {"graceTimeOut": "100ms"}}
        points = {"entryPoints": {"web": {}, "dns": {"address": "192.0.2.1:1/udp", "transport": life}}}
        running = Managed(document, points, workers=workers, passed=[("dns", dns)])
        try:
            await running.start()
            client.settimeout(10)
            backend.settimeout(10)
            for number in range(20):
                client.sendto(b"%d" % number, dns.getsockname())
                data, gateway = await asyncio.to_thread(backend.recvfrom, 2048)
                assert data == b"%d" % number
                sessions.add(gateway)
                backend.sendto(b"answer", gateway)
                assert await asyncio.to_thread(client.recv, 2048) == b"answer"
            assert len(sessions) == 1
        finally:
            await running.stop()
            running.remove()


async def status_of(port):
    async with connect(port) as client:
        return (await client.get("/", "a.test", connection="close")).status


async def test_a_passed_socket_that_does_not_listen_ends_the_start():
    with socket.socket() as web:
        web.bind(("127.0.0.1", 0))
        running = Managed({}, passed=[("web", web)])
        try:
            running.spawn()
            assert await running.exited() == 1
            assert "'web', is not a listening socket" in running.log()
        finally:
            running.remove()


@pytest.mark.spec("O-51")
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_service_manager_is_told_that_all_is_ready_alive_and_stopping(ear, workers):
    async with upstream() as server:
        name = "@" + ear.getsockname()[1:].decode()
        variables = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000000"}
        static = {"ping": {}, "entryPoints": {"web": {}}}
        running = Managed(dynamic(server.url), static, workers=workers, variables=variables)
        try:
            running.spawn()
            states = []

            def beaten():
                new = heard(ear)
                states.extend((state, time.monotonic()) for state in new)
                return len(states) >= 6

            await eventually(beaten, "five signs of life")
            assert [state for state, _ in states] == ["READY=1"] + ["WATCHDOG=1"] * 5
            assert await status_of(running.port()) == 200, "ready is said when the first configuration is live"
            assert 1.5 < states[5][1] - states[1][1] < 8, "four half intervals, however busy this machine is"
            assert await running.stop() == 0
            assert [state for state in heard(ear) if state != "WATCHDOG=1"] == ["STOPPING=1"]
        finally:
            await running.stop()
            running.remove()


async def test_the_watchdog_hears_nothing_of_a_gateway_that_does_not_answer(ear):
    name = "@" + ear.getsockname()[1:].decode()
    running = Managed({}, {"ping": {}}, workers=2, variables={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "400000"})
    try:
        await running.start()
        await eventually(lambda: "WATCHDOG=1" in heard(ear), "a sign of life")
        workers = children_of(running.process.pid)
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        heard(ear)
        await eventually(lambda: "the self check fails" in running.log(), "it is noticed")
        assert len(heard(ear)) <= 1, "what was under way; in these seconds it would have been more than twenty"
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
        await eventually(lambda: "WATCHDOG=1" in heard(ear), "a sign of life again")
    finally:
        await running.stop()
        running.remove()


async def test_the_watchdog_takes_a_gateway_that_awaits_providers_for_well(ear):
    name = "@" + ear.getsockname()[1:].decode()
    with refusing() as port:
        static = {
            "ping": {"awaitProviders": "1h"},
            "providers": {"http": {"endpoint": f"http://127.0.0.1:{port}/"}},
        }
        running = Managed({}, static, variables={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "400000"})
        try:
            await running.start()
            heard(ear)
            await eventually(lambda: "WATCHDOG=1" in heard(ear), "a sign of life")
            async with connect(running.port("traefik")) as client:
                assert (await client.get("/ping")).status == 503
        finally:
            await running.stop()
            running.remove()
