"""Thousands of clients of a name service over UDP: every answer is right, and what they leave behind is gone soon.

A datagram may be lost, as any may, and is asked for again as resolvers do; how many were is told. What must hold: no client
ever gets another's answer, or one of another question; all get theirs in the end; a client port keeps its session; a worker
has no more sockets than there are clients, and as many as before when the time of a session is over.
"""

import asyncio
import os
import resource
import struct
import time

import pytest

from pointsman.testing import eventually, gateway

WORKERS = 2
QUESTIONS = 4
AT_ONCE = 64
PATIENCE_SECONDS = 1.0
TRIES = 5
SESSION_SECONDS = 2


class Names(asyncio.DatagramProtocol):
    """Answers a question with itself, and the port it came from: the gateway's socket for that client."""

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, address):
        self._transport.sendto(struct.pack(">H", address[1]) + data[::-1], address)


class Resolver(asyncio.DatagramProtocol):
    """A client port: one question at a time."""

    def __init__(self):
        self.wrong = []
        self.sessions = set()
        self.repeated = 0
        self._question = b""
        self._answered = None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        port, answer = struct.unpack(">H", data[:2])[0], data[2:][::-1]
        if answer != self._question:
            if answer[:8] != self._question[:8]:  # a late answer to an earlier question of ours is none of these
                self.wrong.append(answer)
            return
        self.sessions.add(port)
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)

    def error_received(self, error):
        self.wrong.append(error)

    async def ask(self, name, number):
        """Until it is answered. TimeoutError if it never is."""
        self._question = struct.pack(">QI", name, number) + os.urandom(40)
        for _ in range(TRIES):
            self._answered = asyncio.get_running_loop().create_future()
            self.transport.sendto(self._question)
            try:
                return await asyncio.wait_for(self._answered, PATIENCE_SECONDS)
            except TimeoutError:
                self.repeated += 1
        raise TimeoutError(f"question {number} of {name}")


@pytest.fixture
def count(long_stories):
    wanted = 6_000 if long_stories else 2_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * wanted + 1_000  # a worker keeps half of its files for other things
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"only {hard} files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def files(pids):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


@pytest.mark.timeout(120)
async def test_thousands_of_client_ports_get_their_own_answers_and_leave_nothing_behind(proc, tell, count):
    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(Names, local_addr=("127.0.0.1", 0))
    address = f"127.0.0.1:{server.get_extra_info('sockname')[1]}"
    services = {"names": {"loadBalancer": {"servers": [{"address": address}]}}}
    document = {"udp": {"routers": {"names": {"entryPoints": ["dns"], "service": "names"}}, "services": services}}
    points = {"dns": {"address": "127.0.0.1:0/udp", "udp": {"timeout": f"{SESSION_SECONDS}s"}}}
    resolvers = []
    try:
        async with gateway(document, {"entryPoints": points}, workers=WORKERS) as running:
            workers = proc.children(running.process.pid)
            before, room = files(workers), asyncio.Semaphore(AT_ONCE)

            async def resolve(name):
                async with room:
                    _, resolver = await loop.create_datagram_endpoint(
                        Resolver, remote_addr=("127.0.0.1", running.port("dns"))
                    )
                    resolvers.append(resolver)
                    for number in range(QUESTIONS):
                        await resolver.ask(name, number)

            begun = time.monotonic()
            await asyncio.gather(*(resolve(name) for name in range(count)))
            took = time.monotonic() - begun
            held, each = files(workers) - before, [len(os.listdir(f"/proc/{pid}/fd")) for pid in workers]
            await eventually(lambda: files(workers) <= before, "the sessions are over")
            gone = time.monotonic() - begun - took
            await resolve(count)  # and the next one is served
    finally:
        server.close()
        for resolver in resolvers:
            resolver.transport.close()
        await asyncio.sleep(0)

    repeated = sum(resolver.repeated for resolver in resolvers)
    tell(
        clients=count,
        answers=count * QUESTIONS,
        repeated=repeated,
        seconds=f"{took:.1f}",
        sockets_held=held,
        of_each_worker=each,
        gone_after=f"{gone:.1f} s",
    )
    assert not [wrong for resolver in resolvers for wrong in resolver.wrong]
    assert held <= count
    assert repeated <= count * QUESTIONS / 100
    assert all(len(resolver.sessions) == 1 for resolver in resolvers if not resolver.repeated)
