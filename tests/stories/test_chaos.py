"""Five servers die, stall and restart at random under steady load; clients see nothing of it.

The bounds. A server that has gone is told from the others by the next active probe, which begins at most one interval later
and takes its timeout at most; from then on no request may begin at it until it is back. `retry` asks other servers. `tries`
(telling/), which stands after it, tells of every try when it began and at which server, a stalled server which requests
reached it; both by the same monotonic clock as the test's own, so that nothing is guessed. Of 10 000 requests fewer than one
may fail. POINTSMAN_CHAOS_SEED repeats the choice of trouble, though not its moments.
"""

import asyncio
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from attrs import Factory, define, field

from pointsman.testing import eventually, gateway

SERVERS, CLIENTS, WORKERS = 5, 64, 2
CLIENT_SECONDS = 0.08
"""A client asks so often: all together 800 times a second."""
INTERVAL, PROBE_SECONDS, SLACK = 0.5, 1.0, 0.5
KNOWN = INTERVAL + PROBE_SECONDS + SLACK
"""So long after it went, a server's state is known to every worker; the slack is for a machine that is busy."""
STEADY_SECONDS = INTERVAL + SLACK
"""How long a server that is back is left in peace, so that its first probe finds it."""
HERE = Path(__file__).parent


@define
class Outage:
    """A server is of no use, from one moment of the monotonic clock to another."""

    kind: str
    begun: float
    ended: float = float("inf")

    def known(self, moment: float) -> bool:
        """Whether everybody must have known at that moment."""
        return self.begun + KNOWN < moment < self.ended


@define
class Server:
    """moody.py on a port that is ours while it is dead, too."""

    port: int
    told: Path
    process: subprocess.Popen[bytes]
    outages: list[Outage] = Factory(list)
    busy: bool = field(default=False)

    @classmethod
    def start(cls, stack, told):
        kept = stack.enter_context(socket.socket())
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
        server = cls(port, told, cls.spawn(port, told))
        stack.callback(lambda: (server.process.kill(), server.process.wait()))
        return server

    @staticmethod
    def spawn(port, told):
        with told.open("ab") as output:
            command = [sys.executable, str(HERE / "moody.py"), str(port)]
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def serves(self):
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    async def suffer(self, kind, seconds):
        """One outage, and the time until everybody knows that it is over."""
        self.outages.append(Outage(kind, time.monotonic()))
        with_signal = {"kill": signal.SIGKILL, "reset": signal.SIGTERM, "restart": signal.SIGTERM, "stall": signal.SIGUSR1}
        self.process.send_signal(with_signal[kind])
        if kind != "restart":
            await asyncio.sleep(seconds)
        if kind != "stall":
            await asyncio.to_thread(self.process.wait, 5)
        self.outages[-1].ended = time.monotonic()
        if kind == "stall":
            self.process.send_signal(signal.SIGUSR2)
        else:
            self.process = self.spawn(self.port, self.told)
            await eventually(self.serves, "the server is back")
        await asyncio.sleep(STEADY_SECONDS)

    def requests_while_stalled(self):
        """When each came that was no probe."""
        lines = (line.split() for line in self.told.read_text().splitlines())
        return [float(moment) for moment, target in lines if target != "/hz"]


async def harass(servers, chance, first):
    """Trouble for one server after the other, long enough at first; two of these leave three of five in peace."""
    kind, seconds = first, KNOWN + 1
    while True:
        server = chance.choice([server for server in servers if not server.busy])
        server.busy = True
        await server.suffer(kind, seconds)
        server.busy = False
        kind, seconds = chance.choice(("kill", "reset", "restart", "stall", "stall")), chance.uniform(0.5, 5)


@define
class Seen:
    """What all clients saw together."""

    answered: int = 0
    failures: list[str] = Factory(list)
    longest: float = 0.0
    tries: list[tuple[float, str]] = Factory(list)

    def take(self, head, body):
        tried = re.search(rb"(?i)\r\nx-tries: (.*?)\r\n", head)
        if tried is not None:
            for each in tried[1].decode().split(", "):
                moment, url = each.split(" ")
                self.tries.append((float(moment), url))
        if head.startswith(b"HTTP/1.1 200 ") and body == b"ok\n":
            self.answered += 1
        else:
            self.failures.append(f"{head!r} {body!r}")


async def keep_asking(port, seen, until):
    """One client, on one connection as long as that holds."""
    writer = None
    try:
        while (begun := time.monotonic()) < until:
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET /work HTTP/1.1\r\nHost: a.example\r\n\r\n")
                async with asyncio.timeout(20):
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
                    seen.take(head, await reader.readexactly(int(length[1])) if length else b"")
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                seen.failures.append(repr(error))
                if writer is not None:
                    writer.close()
                writer = None
            took = time.monotonic() - begun
            seen.longest = max(seen.longest, took)
            await asyncio.sleep(max(0.0, CLIENT_SECONDS - took))
    finally:
        if writer is not None:
            writer.close()


def document(servers):
    balancer = {
        "servers": [{"url": server.url} for server in servers],
        "healthCheck": {"path": "/hz", "interval": f"{INTERVAL}s", "timeout": f"{PROBE_SECONDS}s"},
        "passiveHealthCheck": {"failureWindow": "5s", "maxFailedAttempts": 2},
        "serversTransport": "impatient",
    }
    return {
        "http": {
            "routers": {"all": {"rule": "PathPrefix(`/`)", "service": "five", "middlewares": ["again", "told"]}},
            "middlewares": {"again": {"retry": {"attempts": 4, "status": ["502", "504"]}}, "told": {"tries": {}}},
            "services": {"five": {"loadBalancer": balancer}},
            "serversTransports": {"impatient": {"forwardingTimeouts": {"responseHeaderTimeout": "500ms"}}},
        }
    }


@pytest.fixture
def command(tmp_path):
    """The gateway, with `tries` as an installed package."""
    about = tmp_path / "site" / "pointsman_tries-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: pointsman-tries\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[pointsman]\ntries = pointsman_tries\n")
    path = os.pathsep.join((str(about.parent), str(HERE / "telling")))
    return (shutil.which("env") or "env", f"PYTHONPATH={path}", sys.executable, "-m", "pointsman")


@pytest.mark.timeout(240)
async def test_servers_die_stall_and_restart_and_clients_do_not_notice(command, tell, long_stories, tmp_path):
    seconds = 120 if long_stories else 15
    seed = int(os.environ.get("POINTSMAN_CHAOS_SEED", random.randrange(10_000)))
    chance, seen = random.Random(seed), Seen()
    with ExitStack() as stack:
        servers = [Server.start(stack, tmp_path / f"server-{number}") for number in range(SERVERS)]
        for server in servers:
            await eventually(server.serves, "the server begins")
        async with gateway(document(servers), {"log": {"level": "INFO"}}, workers=WORKERS, command=command) as running:
            until = time.monotonic() + seconds
            clients = [asyncio.create_task(keep_asking(running.port(), seen, until)) for _ in range(CLIENTS)]
            trouble = [asyncio.create_task(harass(servers, chance, first)) for first in ("kill", "stall")]
            await asyncio.gather(*clients)
            for task in trouble:
                task.cancel()
            done = await asyncio.gather(*trouble, return_exceptions=True)
            (tmp_path / "gateway.log").write_text(running.log())

    outages = {server.url: server.outages for server in servers}
    known = [(moment, url) for moment, url in seen.tries for outage in outages.get(url, ()) if outage.known(moment)]
    late = [
        moment
        for server in servers
        for moment in server.requests_while_stalled()
        if any(outage.known(moment) for outage in server.outages)
    ]
    kinds = [outage.kind for each in outages.values() for outage in each]
    asked = seen.answered + len(seen.failures)
    tell(
        seed=seed,
        seconds=seconds,
        requests=asked,
        failed=len(seen.failures),
        tried_again=len(seen.tries) - asked,
        longest=f"{seen.longest * 1e3:.0f} ms",
        **{kind: kinds.count(kind) for kind in sorted(set(kinds))},
        tries_at_servers_known_dead=len(known),
    )
    assert all(isinstance(error, asyncio.CancelledError) for error in done), done
    assert len(seen.failures) * 10_000 < asked, seen.failures[:5]
    assert not known, known[:5]
    assert not late
    assert len(seen.tries) > asked, "nothing was ever tried again, so nothing was shown"
    assert any(outage.ended - outage.begun > KNOWN for each in outages.values() for outage in each)
