"""Probes of servers of every kind, as one."""

from pointsman.control.checks import AnyCheck, TcpCheck
from pointsman.control.probe import HttpProbe
from pointsman.control.tcp_probe import probe_tcp


class Probes:
    """Probes servers of every kind."""

    def __init__(self) -> None:
        self._http = HttpProbe()

    async def start(self) -> None:
        await self._http.start()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def __call__(self, check: AnyCheck, url: str) -> None:
        """Return if the server is healthy; Failed if it is not."""
        if isinstance(check, TcpCheck):
            await probe_tcp(check, url)
        else:
            await self._http(check, url)
