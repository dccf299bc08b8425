"""Lines to a receiver that never answers: over UDP, or a unix socket of either kind.

Theory of operation. A name is looked up beside the loop, and anew when what was found is old. A socket is kept as long as it
works; when it does not, the line at hand is sent once more over another one, to the next address of the name. When all have
been tried the rest is given up; an error of a socket that is older than this push may have passed, and does not count. Lines
leave in small bursts, since nobody tells a sender of UDP that it is too fast.
"""

import asyncio
import errno
import os
import re
import socket
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from attrs import frozen

from pointsman.dialect.collectors import Undelivered
from pointsman.net.names import Names

SEND_SECONDS: Final = 5.0
"""What all lines of one push may take."""
BURST: Final = 64
PAUSE_SECONDS: Final = 0.001
MAX_BYTES: Final = 65_507
"""Of a datagram of UDP."""
_UDP: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<name>[^\s:\[\]/|]*)):(?P<port>[0-9]{1,5})", re.ASCII)
_UNIX: Final = re.compile(r"(unix|unixgram|unixstream)://(.+)", re.DOTALL)
_MAX_PATH: Final = 107

Kind = Literal["udp", "unix", "unixgram", "unixstream"]


@frozen
class Receiver:
    """Where lines go."""

    kind: Kind
    host: str
    """A path, for unix sockets."""
    port: int = 0

    @classmethod
    def of(cls, address: str, *, unix: bool = False) -> "Receiver":
        """From `host:port`, and if `unix` from `unix://`, `unixgram://` or `unixstream://` and a path. ValueError else."""
        found = _UNIX.fullmatch(address) if unix else None
        if found is not None:
            if len(found[2].encode()) > _MAX_PATH or "\0" in found[2]:
                raise ValueError(f"a path of a socket has {_MAX_PATH} bytes at most")
            return cls(found[1], found[2])  # type: ignore[arg-type]
        udp = _UDP.fullmatch(address)
        if udp is None or not 0 < int(udp["port"]) < 65_536:
            hint = ", or unix:///path" if unix else ""
            raise ValueError(f"{address!a} is no address; write it as host:port or [::1]:port{hint}")
        return cls("udp", udp["six"] or udp["name"] or "localhost", int(udp["port"]))

    def __str__(self) -> str:
        if self.kind != "udp":
            return f"{self.kind}://{self.host}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Datagrams:
    """Sends to one receiver."""

    def __init__(self, receiver: Receiver, most_bytes: int = 0, names: Names | None = None) -> None:
        """With `most_bytes` as many lines as there is room for travel together, else each alone."""
        self._receiver = receiver
        self._most = most_bytes
        self._names = names
        self._socket: socket.socket | None = None
        self._to = ""
        self._turn = 0
        self._tries = 0
        self._framed = False

    async def send(self, lines: Iterable[bytes]) -> None:
        """Send them. Undelivered if some cannot be."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._begin()
                for number, packet in enumerate(packed(lines, self._most), 1):
                    await self._deliver(packet)
                    if not number % BURST:
                        await asyncio.sleep(PAUSE_SECONDS)
                self._look_back()
        except TimeoutError:
            self.close()
            raise Undelivered(f"{self._receiver} took nothing for {SEND_SECONDS:g} s") from None
        except OSError as error:
            self.close()
            raise Undelivered(f"{self._receiver} cannot be reached: {error.strerror or error}") from None

    def close(self) -> None:
        found, self._socket = self._socket, None
        if found is not None:
            found.close()

    async def _begin(self) -> None:
        """How often it may be tried; and an address that the name does not have any more is left."""
        self._tries = 1
        if self._receiver.kind == "udp":
            found = await self._addresses()
            self._tries = len(found)
            if self._to not in found:
                self.close()
        if self._socket is not None:
            self._tries += 1

    async def _deliver(self, packet: bytes) -> None:
        while True:
            try:
                await self._once(packet)
                return
            except OSError:
                self.close()
                self._turn += 1
                self._tries -= 1
                if self._tries <= 0:
                    raise

    def _look_back(self) -> None:
        """OSError if somebody has said meanwhile that what was sent last cannot arrive."""
        number = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if self._socket is not None else 0
        if number:
            raise OSError(number, os.strerror(number))

    async def _once(self, packet: bytes) -> None:
        opened = self._socket
        if opened is None:
            opened = self._socket = await self._open()
        if self._framed:
            packet = len(packet).to_bytes(4, "little") + packet
        loop = asyncio.get_running_loop()
        try:
            sent = opened.send(packet)
        except BlockingIOError:
            sent = 0
        if sent < len(packet):
            await loop.sock_sendall(opened, packet[sent:])

    async def _open(self) -> socket.socket:
        kind, path = self._receiver.kind, self._receiver.host
        if kind == "udp":
            found = await self._addresses()
            self._to = found[self._turn % len(found)]
            family = socket.AF_INET6 if ":" in self._to else socket.AF_INET
            return await _connected(family, socket.SOCK_DGRAM, (self._to, self._receiver.port))
        if kind != "unixstream":
            try:
                self._framed = False
                return await _connected(socket.AF_UNIX, socket.SOCK_DGRAM, path)
            except OSError as error:
                if kind == "unixgram" or error.errno != errno.EPROTOTYPE:  # it may be a stream
                    raise
        self._framed = True
        return await _connected(socket.AF_UNIX, socket.SOCK_STREAM, path)

    async def _addresses(self) -> list[str]:
        """IPv4 first, for that is where most of them listen; in one order as long as nothing changes."""
        if self._names is None:
            self._names = Names()
        found = await self._names.addresses(self._receiver.host)
        return sorted(found, key=lambda address: (":" in address, address))


async def _connected(family: int, kind: int, address: str | tuple[str, int]) -> socket.socket:
    opened = socket.socket(family, kind)
    try:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, address)
    except BaseException:
        opened.close()
        raise
    return opened


def packed(lines: Iterable[bytes], most_bytes: int) -> Iterator[bytes]:
    """Lines as they travel together. One that is longer than that goes alone."""
    waiting = b""
    for line in lines:
        if waiting and len(waiting) + len(line) > most_bytes:
            yield waiting
            waiting = b""
        waiting += line
    if waiting:
        yield waiting
