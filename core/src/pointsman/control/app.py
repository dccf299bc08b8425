"""What the control side answers itself: `ping@internal` and its kin, an aiohttp application on a private unix socket.

Workers reach it as they reach any server, so routers and middlewares apply to it, and every worker gives the same answer.
"""

import tempfile
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

from pointsman.config.static import Ping


class ControlApp:
    """The application and the socket it listens on."""

    def __init__(self, ping: Ping | None) -> None:
        self._ping = ping
        self.stopping = False
        self._folder = tempfile.TemporaryDirectory(prefix="pointsman-")
        self.path = str(Path(self._folder.name) / "control.sock")
        application = web.Application()
        application.on_response_prepare.append(_unadorned)
        application.router.add_route("*", "/{path:.*}", self._answer_ping)
        self._runner = web.AppRunner(application, access_log=None)

    async def _answer_ping(self, request: web.Request) -> web.Response:
        """200 `OK`, or the configured status while stopping (operations.md §6.1)."""
        if not self.stopping or self._ping is None:
            return web.Response(body=b"OK")
        status = self._ping.terminating_status_code
        try:
            word = HTTPStatus(status).phrase
        except ValueError:
            word = str(status)
        return web.Response(status=status, body=b"" if status in (204, 304) else word.encode())

    async def start(self) -> None:
        await self._runner.setup()
        await web.UnixSite(self._runner, self.path).start()

    async def aclose(self) -> None:
        await self._runner.cleanup()
        self._folder.cleanup()


async def _unadorned(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Nobody need know what answers here, and ping says no type (operations.md §6.1)."""
    response.headers.pop("Server", None)
    if response.content_type == "application/octet-stream":
        response.headers.pop("Content-Type", None)
