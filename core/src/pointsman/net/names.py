"""Names of servers to addresses, without blocking the loop, and connections to whichever of them answers first.

Theory of operation. Whoever asks first for a name has it looked up; who asks meanwhile waits for the same lookup. What was
found is used for `ttl` seconds. After that it is still used, for ten times as long, while one lookup renews it; what is
older yet is used only if that takes too long or fails for a reason that will pass (RFC 8767). That a name cannot be resolved
is remembered for a moment. Nothing is looked up that nobody asks for.

getaddrinfo blocks and cannot be stopped, so every lookup has a thread of its own (not an executor's, which would hold up the
end of the process). AT_ONCE of them run at a time, but one that takes long does not count any more: names whose name server
is silent do not delay others. All threads together are limited, too, and names that took long the last time get only half.
"""

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

P = TypeVar("P", bound=asyncio.BaseProtocol)

TTL_SECONDS: Final = 30.0
STALE_TTLS: Final = 10
OLD_ANSWER_SECONDS: Final = 2.0
FAILED_SECONDS: Final = 1.0
SLOW_SECONDS: Final = 1.0
AT_ONCE: Final = 16
MAX_THREADS: Final = 256
MAX_NAMES: Final = 16_384
MAX_ADDRESSES: Final = 16
NEXT_SECONDS: Final = 0.25
"""How long an address may take to answer before the next is tried beside it (RFC 8305 section 5)."""
_NO_SUCH_NAME: Final = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


class _Name:
    """What is known of one name."""

    __slots__ = ("addresses", "due", "error", "good_until", "host", "lookup", "slow", "timer", "turn")

    def __init__(self, host: str) -> None:
        self.host = host
        self.addresses: tuple[str, ...] = ()
        self.error: tuple[int, str] = (socket.EAI_AGAIN, "not looked up yet")
        self.due = self.good_until = 0.0
        """When to look it up again, and until when what was found is used meanwhile."""
        self.lookup: asyncio.Future[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        """Goes off when its lookup has taken long."""
        self.slow = False
        self.turn = 0

    def in_turn(self) -> tuple[str, ...]:
        """Its addresses in the order to try them: each of the preferred family comes first once, then the other family."""
        addresses = self.addresses
        if len(addresses) < 2:
            return addresses
        six = ":" in addresses[0]
        preferred = [address for address in addresses if (":" in address) == six]
        place = self.turn = (self.turn + 1) % len(preferred)
        others = [address for address in addresses if (":" in address) != six]
        return (preferred[place], *others, *preferred[place + 1 :], *preferred[:place])


class Names:
    """The names that one event loop deals with. `resolve` gives a name's addresses, best first, or OSError; it may block."""

    def __init__(self, ttl: float = TTL_SECONDS, resolve: Callable[[str], Sequence[str]] | None = None) -> None:
        self._ttl = ttl
        self._resolve = resolve or look_up
        self._names: dict[str, _Name] = {}
        self._waiting: deque[_Name] = deque()
        self._waiting_slow: deque[_Name] = deque()
        self._running = 0
        self._threads = 0

    async def addresses(self, host: str) -> tuple[str, ...]:
        """Where this host is, in the order to try; at least one address. OSError if nobody knows."""
        if is_address(host):
            return (host,)
        name = self._name(host)
        now = asyncio.get_running_loop().time()
        if now >= name.due and name.lookup is None:
            self._look_up(name)
        if name.lookup is not None and (not name.addresses or now >= name.good_until):
            await asyncio.wait([name.lookup], timeout=OLD_ANSWER_SECONDS if name.addresses else None)
        if not name.addresses:
            raise socket.gaierror(*name.error)
        return name.in_turn()

    def known(self, host: str) -> tuple[str, ...]:
        """What can be said of a name without waiting, best first; it is renewed meanwhile if it is due."""
        name = self._names.get(host)
        if name is None:
            return ()
        now = asyncio.get_running_loop().time()
        if now >= name.due and name.lookup is None:
            self._look_up(name)
        return name.in_turn() if now < name.good_until else ()

    async def connect(self, make: Callable[[], P], host: str, port: int) -> tuple[asyncio.Transport, P]:
        """As `loop.create_connection`. OSError if the host cannot be found, or no address of it be connected to."""
        loop = asyncio.get_running_loop()
        addresses = await self.addresses(host)
        if len(addresses) == 1:
            return await loop.create_connection(make, addresses[0], port)
        opened = await _first_to_answer(loop, addresses, port)
        try:
            return await loop.create_connection(make, sock=opened)
        except BaseException:
            opened.close()
            raise

    def _name(self, host: str) -> _Name:
        name = self._names.get(host)
        if name is None:
            if len(self._names) >= MAX_NAMES:
                oldest = next((other for other in self._names.values() if other.lookup is None), None)
                if oldest is None:
                    raise socket.gaierror(socket.EAI_AGAIN, "too many names are being looked up")
                del self._names[oldest.host]
            name = self._names[host] = _Name(host)
        return name

    # lookups

    def _look_up(self, name: _Name) -> None:
        name.lookup = asyncio.get_running_loop().create_future()
        (self._waiting_slow if name.slow else self._waiting).append(name)
        self._next()

    def _next(self) -> None:
        """Begin as many lookups as there may be."""
        loop = asyncio.get_running_loop()
        while self._running < AT_ONCE:
            if self._waiting and self._threads < MAX_THREADS:
                name = self._waiting.popleft()
            elif self._waiting_slow and self._threads < MAX_THREADS // 2:
                name = self._waiting_slow.popleft()
            else:
                return
            self._running += 1
            self._threads += 1
            name.timer = loop.call_later(SLOW_SECONDS, self._takes_long, name)
            try:
                threading.Thread(
                    target=self._in_thread, args=(loop, name), name=f"lookup of {name.host}", daemon=True
                ).start()
            except RuntimeError as error:  # the system has no more threads
                loop.call_soon(self._found, name, (), (socket.EAI_AGAIN, str(error)))

    def _in_thread(self, loop: asyncio.AbstractEventLoop, name: _Name) -> None:
        addresses: tuple[str, ...] = ()
        error = (socket.EAI_NONAME, "it has no address")
        try:
            addresses = tuple(dict.fromkeys(self._resolve(name.host)))[:MAX_ADDRESSES]
        except socket.gaierror as failure:
            error = (failure.errno or socket.EAI_AGAIN, failure.strerror or str(failure))
        except UnicodeError:  # not every text can be asked for
            error = (socket.EAI_NONAME, "it is no name")
        except Exception as failure:
            error = (socket.EAI_AGAIN, str(failure))
        with suppress(RuntimeError):  # the loop has gone
            loop.call_soon_threadsafe(self._found, name, addresses, error)

    def _takes_long(self, name: _Name) -> None:
        name.timer = None
        name.slow = True
        self._running -= 1
        self._next()

    def _found(self, name: _Name, addresses: tuple[str, ...], error: tuple[int, str]) -> None:
        self._threads -= 1
        if name.timer is not None:
            name.timer.cancel()
            name.timer = None
            name.slow = False
            self._running -= 1
        now = asyncio.get_running_loop().time()
        if addresses:
            name.addresses = addresses
            name.due = now + self._ttl
            name.good_until = name.due + self._ttl * STALE_TTLS
        else:
            name.error = error
            name.due = now + FAILED_SECONDS
            if error[0] in _NO_SUCH_NAME:
                name.addresses = ()
        lookup, name.lookup = name.lookup, None
        if lookup is not None and not lookup.done():
            lookup.set_result(None)
        self._next()

    def __repr__(self) -> str:
        return f"<Names {len(self._names)} known, {self._threads} being looked up>"


def look_up(host: str) -> list[str]:
    """As the system does. Blocks; OSError if there is no such name, or nobody to ask."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


def is_address(host: str) -> bool:
    """Whether it is written as an IP address, so that there is nothing to look up."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0] if family == socket.AF_INET6 else host)
        except (OSError, ValueError):
            continue
        return True
    return False


async def _first_to_answer(loop: asyncio.AbstractEventLoop, addresses: Sequence[str], port: int) -> socket.socket:
    """A connected socket. The next address is tried when one fails, or takes its time. OSError if none answers."""
    left = deque(addresses)
    tries: set[asyncio.Task[socket.socket]] = set()
    waiting = tries
    chosen: socket.socket | None = None
    failure: BaseException | None = None
    try:
        while left or waiting:
            if left:
                attempt = loop.create_task(_open(loop, left.popleft(), port))
                tries.add(attempt)
                waiting = {*waiting, attempt}
            done, waiting = await asyncio.wait(
                waiting, timeout=NEXT_SECONDS if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            for attempt in done:
                failure = attempt.exception()
                if failure is None:
                    chosen = attempt.result()
                    return chosen
    finally:
        for attempt in tries:
            _give_up(attempt, chosen)
    assert failure is not None
    raise failure


def _give_up(attempt: "asyncio.Task[socket.socket]", chosen: socket.socket | None) -> None:
    if not attempt.done():
        attempt.cancel()
    elif not attempt.cancelled() and attempt.exception() is None and attempt.result() is not chosen:
        attempt.result().close()


async def _open(loop: asyncio.AbstractEventLoop, address: str, port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setblocking(False)
        target: Any = (address, port)
        await loop.sock_connect(opened, target)
    except BaseException:
        opened.close()
        raise
    return opened
