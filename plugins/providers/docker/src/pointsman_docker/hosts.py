"""Where the machine is on whose network containers in mode `host` are (providers.md §5.1)."""

import asyncio
import socket
import threading
import time
from contextlib import suppress
from typing import Final

LOCAL: Final = "127.0.0.1"
_NAMES: Final = ("host.docker.internal", "host.containers.internal")
_SECONDS: Final = 2.0
_GOOD_SECONDS: Final = 60.0


class Host:
    """The machine as the engine's own names for it have it, else this one. What was found is good for a minute."""

    def __init__(self) -> None:
        self._address, self._until = "", 0.0

    async def address(self) -> str:
        if time.monotonic() >= self._until:
            found = await asyncio.gather(*(_looked_up(name) for name in _NAMES))
            self._address = next(filter(None, found), LOCAL)
            self._until = time.monotonic() + _GOOD_SECONDS
        return self._address


async def _looked_up(name: str) -> str:
    """The address of a name, an IPv4 one if it has any; "" if nobody knows it within 2 s.

    In a thread of its own, not an executor's: those hold up the end of a process whose name server is silent.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[str] = loop.create_future()

    def tell(address: str) -> None:
        if not found.done():
            found.set_result(address)

    def look_up() -> None:
        address = _first(name)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, address)

    threading.Thread(target=look_up, name="docker provider's name lookup", daemon=True).start()
    with suppress(TimeoutError):
        return await asyncio.wait_for(found, _SECONDS)
    return ""


def _first(name: str) -> str:
    try:
        infos = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ""
    infos.sort(key=lambda info: info[0] != socket.AF_INET)
    return str(infos[0][4][0]) if infos else ""
