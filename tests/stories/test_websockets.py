"""Thousands of WebSockets go on talking while the gateway, or one of its workers, is stopped or dies.

What must hold. The gateway is asked to stop: every socket is answered until the grace time is over, and only then closed;
who comes anew is refused. One of two workers is asked to stop: the same for its sockets, and those of the other worker never
notice. One of two workers is killed: exactly its sockets are lost, each once. In the last two cases newcomers are answered:
they may wait in the socket of the worker that leaves until another takes it over, but none is refused or lost.
"""

import asyncio
import os
import random
import resource
import signal
import struct
import time

import pytest

from pointsman.testing import connect, eventually, gateway

WORKERS = 2
GRACE_SECONDS = 4
ANSWER_SECONDS = 2.0
"""The longest that an answer may take; generous, for the machine may be busy. What was measured is told."""
AT_ONCE = 100
NEWCOMERS = 12


@pytest.fixture
def count(long_stories):
    """How many; both ends of each are files of the gateway's."""
    wanted = 2_000 if long_stories else 600
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * wanted + 500
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"only {hard} files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Talker(asyncio.Protocol):
    """A client that sends a number, awaits it, rests, and sends the next one."""

    rest = 0.25

    def __init__(self, crowd):
        self.crowd = crowd
        self.ready = asyncio.get_running_loop().create_future()
        self.number = 0
        self.answered = 0
        self.sent = 0.0
        self.ended = None
        """When the connection was lost."""
        self._held = b""

    def connection_made(self, transport):
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]
        transport.write(
            b"GET /socket HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )

    def data_received(self, data):
        self._held += data
        if not self.ready.done():
            head, end, rest = self._held.partition(b"\r\n\r\n")
            if end:
                assert head.startswith(b"HTTP/1.1 101 "), head
                assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
                self._held = rest
                self.ready.set_result(None)
            return
        while len(self._held) >= 10:
            frame, self._held = self._held[:10], self._held[10:]
            assert frame == b"\x82\x08" + struct.pack(">Q", self.number), (frame, self.number)
            self.crowd.longest = max(self.crowd.longest, time.monotonic() - self.sent)
            self.answered = self.number
            if self.crowd.talking:
                asyncio.get_running_loop().call_later(self.rest * random.uniform(0.5, 1.5), self.say)

    def say(self):
        if self.ended is None and self.crowd.talking:
            self.number += 1
            mask = os.urandom(4)
            payload = bytes(byte ^ mask[index % 4] for index, byte in enumerate(struct.pack(">Q", self.number)))
            self.sent = time.monotonic()
            self.transport.write(b"\x82\x88" + mask + payload)

    def connection_lost(self, error):
        self.ended = time.monotonic()
        if not self.ready.done():
            self.ready.set_exception(error or ConnectionError("closed before the upgrade"))

    @property
    def overdue(self):
        return self.number > self.answered and time.monotonic() - self.sent > ANSWER_SECONDS


class Crowd:
    """Many talkers."""

    def __init__(self):
        self.talkers = []
        self.talking = True
        self.longest = 0.0

    async def gather(self, port, count):
        loop = asyncio.get_running_loop()
        room = asyncio.Semaphore(AT_ONCE)

        async def one():
            async with room:
                _, talker = await loop.create_connection(lambda: Talker(self), "127.0.0.1", port)
                await asyncio.wait_for(talker.ready, 20)
            self.talkers.append(talker)
            talker.say()

        await asyncio.gather(*(one() for _ in range(count)))

    def open(self):
        return [talker for talker in self.talkers if talker.ended is None]

    async def all_answer(self, talkers):
        """Each of them is answered once more, after this moment."""
        numbers = {talker: talker.answered for talker in talkers}

        def answered():
            assert not [talker.port for talker in numbers if talker.ended is not None], "a socket was lost"
            return all(talker.answered > number + 1 for talker, number in numbers.items())

        await eventually(answered, "every socket is answered")

    def leave(self):
        self.talking = False
        for talker in self.talkers:
            talker.transport.abort()


def document(url):
    services = {"sockets": {"loadBalancer": {"servers": [{"url": url}]}}}
    return {"http": {"routers": {"all": {"rule": "PathPrefix(`/`)", "service": "sockets"}}, "services": services}}


def static(grace=GRACE_SECONDS):
    return {"entryPoints": {"web": {"transport": {"lifeCycle": {"graceTimeOut": f"{grace}s"}}}}, "log": {"level": "INFO"}}


async def a_newcomer_is_answered(port):
    """How long that took, in seconds."""
    newcomer, begun = Crowd(), time.monotonic()
    try:
        await newcomer.gather(port, 1)
        await newcomer.all_answer(newcomer.talkers)
        return time.monotonic() - begun
    finally:
        newcomer.leave()


@pytest.mark.timeout(120)
async def test_every_socket_is_answered_until_the_grace_time_of_a_stop_is_over(sockets, tell, count):
    async with gateway(document(sockets), static(), workers=WORKERS) as running:
        crowd = Crowd()
        try:
            await crowd.gather(running.port(), count)
            await crowd.all_answer(crowd.talkers)

            begun = time.monotonic()
            running.process.send_signal(signal.SIGTERM)
            await eventually(lambda: refused(running.port()), "newcomers are refused")
            await crowd.all_answer(crowd.talkers)
            while time.monotonic() < begun + GRACE_SECONDS - 0.5:
                assert len(crowd.open()) == count
                assert not [talker.port for talker in crowd.talkers if talker.overdue]
                await asyncio.sleep(0.1)

            status = await running.exited()
            stopped = time.monotonic() - begun
            await eventually(lambda: not crowd.open(), "every socket is closed")
        finally:
            crowd.leave()

    answers = sum(talker.answered for talker in crowd.talkers)
    first = min(talker.ended for talker in crowd.talkers) - begun
    tell(
        sockets=count, answers=answers, longest=f"{crowd.longest:.2f} s", first_end=f"{first:.2f} s", stop=f"{stopped:.2f} s"
    )
    assert status == 0
    assert first >= GRACE_SECONDS - 0.5


async def refused(port):
    try:
        async with connect(port):
            return False
    except ConnectionRefusedError:
        return True


@pytest.mark.timeout(120)
async def test_a_worker_that_stops_answers_its_sockets_until_its_grace_time_is_over(sockets, proc, tell, count):
    async with gateway(document(sockets), static(), workers=WORKERS) as running:
        crowd = Crowd()
        try:
            await crowd.gather(running.port(), count)
            await crowd.all_answer(crowd.talkers)
            leaving = proc.children(running.process.pid)[0]
            own = proc.clients(leaving, running.port())

            begun = time.monotonic()
            os.kill(leaving, signal.SIGTERM)
            newcomers = [asyncio.create_task(a_newcomer_is_answered(running.port())) for _ in range(NEWCOMERS)]
            while time.monotonic() < begun + GRACE_SECONDS - 0.5:
                assert len(crowd.open()) == count
                assert not [talker.port for talker in crowd.talkers if talker.overdue]
                await asyncio.sleep(0.1)
            await eventually(lambda: len(crowd.open()) == count - len(own), "the sockets of the worker end")
            await crowd.all_answer(crowd.open())
            waited = max(await asyncio.gather(*newcomers))
            lost = {talker.port for talker in crowd.talkers if talker.ended is not None}
        finally:
            crowd.leave()

    tell(sockets=count, of_the_worker=len(own), longest=f"{crowd.longest:.2f} s", longest_newcomer=f"{waited:.2f} s")
    assert 0 < len(own) < count
    assert lost == own


@pytest.mark.timeout(120)
async def test_a_worker_that_dies_takes_only_its_own_sockets_along(sockets, proc, tell, count):
    async with gateway(document(sockets), static(grace=1), workers=WORKERS) as running:
        crowd = Crowd()
        try:
            await crowd.gather(running.port(), count)
            await crowd.all_answer(crowd.talkers)
            victim = proc.children(running.process.pid)[0]
            own = proc.clients(victim, running.port())
            os.kill(victim, signal.SIGKILL)
            await eventually(lambda: len(crowd.open()) <= count - len(own), "its sockets end")
            await crowd.all_answer(crowd.open())
            lost = {talker.port for talker in crowd.talkers if talker.ended is not None}
            for _ in range(8):
                await a_newcomer_is_answered(running.port())
            await eventually(lambda: len(proc.children(running.process.pid)) == WORKERS, "the worker is replaced")
        finally:
            crowd.leave()

    tell(sockets=count, lost=len(lost), of_the_dead_worker=len(own), longest=f"{crowd.longest:.2f} s")
    assert 0 < len(own) < count
    assert lost == own
