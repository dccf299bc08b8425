"""Much through a pipe between plain sockets: the kernel moves it, and nothing is lost, doubled or left open."""

import asyncio
import os
import random
import socket
from typing import Any

import pytest

from pointsman.deadlines import Deadlines
from pointsman.net import splice
from pointsman.net.pipe import PipeEnd
from pointsman.testing import eventually

pytestmark = pytest.mark.skipif(not hasattr(os, "splice"), reason="splice(2) is Linux's")
SIZE = 12 << 20


class Rig:
    """Two connections, `near` and `far`, joined by a pipe in the middle."""

    async def __aenter__(self) -> "Rig":
        loop = asyncio.get_running_loop()
        deadlines = Deadlines()
        self.ends: list[PipeEnd] = []
        self.peers: list[socket.socket] = []
        for _ in range(2):
            ours, theirs = _connected()
            theirs.setblocking(False)
            _, end = await loop.create_connection(lambda: PipeEnd(deadlines), sock=ours)
            self.ends.append(end)
            self.peers.append(theirs)
        near, far = self.ends
        far.open(near)
        near.open(far)
        return self

    async def __aexit__(self, *error: Any) -> None:
        for end in self.ends:
            end.transport.abort()
        for peer in self.peers:
            peer.close()
        await asyncio.sleep(0.01)

    async def send(self, which: int, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.peers[which], data)

    async def receive(self, which: int, pause: bool = False) -> bytes:
        """Until the end."""
        received = bytearray()
        while data := await asyncio.get_running_loop().sock_recv(self.peers[which], random.choice((1000, 1 << 20))):
            received += data
            if pause and random.random() < 0.05:
                await asyncio.sleep(0.005)
        return bytes(received)


def _connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        one = socket.create_connection(listening.getsockname())
        other, _ = listening.accept()
    one.setblocking(False)
    return one, other


@pytest.mark.parametrize("slow", [False, True])
async def test_much_in_both_directions_arrives_whole_and_each_ends_by_itself(slow: bool) -> None:
    said = [random.Random(place).randbytes(SIZE) for place in (0, 1)]
    spliced = set()

    async def say(which: int) -> None:
        for start in range(0, SIZE, 1 << 20):
            await rig.send(which, said[which][start : start + (1 << 20)])
            spliced.update(place for place, end in enumerate(rig.ends) if end._splice is not None)
        rig.peers[which].shutdown(socket.SHUT_WR)

    async with Rig() as rig:
        saying = asyncio.gather(say(0), say(1))
        heard = await asyncio.gather(rig.receive(0, slow), rig.receive(1, slow))
        await saying

    assert heard[0] == said[1]
    assert heard[1] == said[0]
    assert spliced == {0, 1}
    assert splice._count == 0


async def test_small_pieces_are_not_worth_it() -> None:
    async with Rig() as rig:
        for _ in range(200):
            await rig.send(0, b"hello")
            assert await asyncio.get_running_loop().sock_recv(rig.peers[1], 100) == b"hello"
            assert rig.ends[0]._splice is None


async def test_who_leaves_in_the_middle_leaves_nothing_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    async with Rig() as rig:
        sending = asyncio.ensure_future(rig.send(0, bytes(SIZE * 4)))
        for _ in range(200):
            if rig.ends[0]._splice is not None:
                break
            await asyncio.get_running_loop().sock_recv(rig.peers[1], 1 << 18)
        assert rig.ends[0]._splice is not None
        rig.peers[1].close()
        with pytest.raises(OSError):  # noqa: PT012  # the sender learns of it, sooner or later
            await sending
            while True:
                await rig.send(0, b"x")
                await asyncio.sleep(0.01)
    await eventually(lambda: len(os.listdir("/proc/self/fd")) == before)
    assert splice._count == 0


async def test_where_no_more_can_be_had_it_goes_on_as_before(monkeypatch: Any) -> None:
    monkeypatch.setattr(splice, "MAX_SPLICES", 0)
    async with Rig() as rig:
        sending = asyncio.ensure_future(rig.send(0, bytes(SIZE)))
        received = 0
        while received < SIZE:
            received += len(await asyncio.get_running_loop().sock_recv(rig.peers[1], 1 << 20))
        await sending
        assert rig.ends[0]._splice is None
