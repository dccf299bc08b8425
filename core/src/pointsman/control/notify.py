"""What a service manager is told of this process: that it is ready, that it stops, that it is alive (sd_notify(3)).

Best effort: a manager that cannot be told never disturbs the gateway.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Final

log = logging.getLogger("pointsman.control")

_VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
TELL_SECONDS: Final = 0.2
"""How long a manager that is slow to read may hold us up: a READY=1 that is lost would cost more."""
MAX_WATCHDOG_USEC: Final = 10**15


class Supervisor:
    """Whoever started this process; nobody if there is no `address`.

    `watchdog_seconds` is the longest silence that it bears, None if it does not care.
    """

    def __init__(self, address: str = "", watchdog_seconds: float | None = None) -> None:
        self.watchdog_seconds = watchdog_seconds if address else None
        self._address = address.replace("@", "\0", 1) if address.startswith("@") else address
        self._failed = False

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> "Supervisor":
        """The one that the environment names. The variables are removed: they are about this process alone."""
        address, interval, pid = (environment.pop(variable, "") for variable in _VARIABLES)
        if address and address[0] not in "/@":
            log.warning("NOTIFY_SOCKET is '%s', which is neither a path nor begins with @; nobody is notified", address)
            address = ""
        minded = pid in ("", str(os.getpid())) and interval.isascii() and interval.isdigit()
        usec = int(interval[:16]) if minded else 0
        return cls(address, usec / 1e6 if 0 < usec <= MAX_WATCHDOG_USEC else None)

    def tell(self, state: str) -> None:
        """Send a state, such as `READY=1`."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(TELL_SECONDS)
                sender.sendto(state.encode(), self._address)
            self._failed = False
        except OSError as error:
            if not self._failed:  # said once, for a watchdog would repeat it
                log.warning("the service manager cannot be told %s: %s", state, error.strerror or error)
            self._failed = True

    async def reassure(self, is_well: Callable[[], Awaitable[bool]]) -> None:
        """Say `WATCHDOG=1` every half interval for as long as all is well; runs until cancelled."""
        if self.watchdog_seconds is None:
            return
        period, well = self.watchdog_seconds / 2, True
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            before, well = well, await is_well()
            if well:
                self.tell("WATCHDOG=1")
            elif before:
                log.error("the gateway is not well; the service manager's watchdog is not told otherwise")
            due = max(due + period, loop.time())
            await asyncio.sleep(due - loop.time())
