"""What the control side answers itself, `api@internal`, `ping@internal` and their kin, on a private unix socket.

Workers reach it as they reach any server, so routers and middlewares apply to it, and every worker gives the same answer.
They write the service's name before the path (`/ping@internal/ping`), where no client has a say.
"""

import logging
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from aiohttp import web
from multidict import CIMultiDictProxy

from pointsman.api import InternalRequest, InternalResponse
from pointsman.config.static import Ping

log = logging.getLogger("pointsman.control")

AT: Final = "@internal"
MAX_HEAD_BYTES: Final = 1 << 20
"""Entry points have limits of their own, which are no higher unless somebody says so."""
MAX_BODY_BYTES: Final = 4 << 20
BACKLOG: Final = 4096
"""Connections that may wait to be accepted; a unix socket refuses more at once."""


@runtime_checkable
class Answers(Protocol):
    """An internal service, as far as the application needs it. With `takes_bodies` it gets those of requests."""

    async def answer(self, request: InternalRequest) -> InternalResponse: ...


class ControlApp:
    """The application and the socket it listens on."""

    def __init__(self, services: Mapping[str, Answers]) -> None:
        """`services` by name, without `@internal`."""
        self._services = services
        self._folder = tempfile.TemporaryDirectory(prefix="pointsman-")
        self.path = str(Path(self._folder.name) / "control.sock")
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.on_response_prepare.append(_unadorned)
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            auto_decompress=False,
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
        )

    async def _answer(self, request: web.Request) -> web.Response:
        name, _, target = request.raw_path[1:].partition(AT)
        service = self._services.get(name)
        if service is None:  # of a worker that knows another configuration
            return web.Response(status=404)
        path = target.partition("?")[0]
        query = {key: request.query.getall(key) for key in request.query}
        body = b""
        if getattr(service, "takes_bodies", False):
            try:
                body = await request.read()
            except web.HTTPRequestEntityTooLarge:
                text = f"a body may have {MAX_BODY_BYTES} bytes\n"
                return web.Response(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text=text)
            except OSError:  # the client is gone, and nobody reads the answer
                return web.Response(status=HTTPStatus.BAD_REQUEST)
        try:
            answer = await service.answer(InternalRequest(request.method, path, query, _joined(request.headers), body))
        except Exception:  # a plugin may fail in any way
            log.exception("%s%s failed", name, AT)
            return web.Response(status=500)
        headers = dict(answer.headers)
        if not answer.content_type:
            return _Untyped(status=answer.status, body=answer.body, headers=headers)
        headers["Content-Type"] = answer.content_type
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    async def start(self) -> None:
        await self._runner.setup()
        await web.UnixSite(self._runner, self.path, backlog=BACKLOG).start()

    async def aclose(self) -> None:
        await self._runner.cleanup()
        self._folder.cleanup()


class PingService:
    """`ping@internal`."""

    def __init__(self, ping: Ping, clock: Callable[[], float] = time.monotonic) -> None:
        self._ping = ping
        self._clock = clock
        self._patient_until = clock() + ping.await_providers
        self._awaits = ping.await_providers > 0
        self.stopping = False
        self.awaited: Callable[[], Sequence[str]] = list
        """The providers of which no configuration is in force yet."""

    @property
    def awaits_providers(self) -> bool:
        """Whether one of them may still say what a request would need. Once not, never again."""
        if self._awaits:
            names = self.awaited()
            self._awaits = bool(names) and self._clock() < self._patient_until
            if names and not self._awaits:
                seconds = self._ping.await_providers
                log.warning(
                    "ping answers 200 from now on, though after %g s nothing is known of: %s", seconds, ", ".join(names)
                )
        return self._awaits

    async def answer(self, request: InternalRequest) -> InternalResponse:
        """200 `OK`, 503 while providers are awaited, or the configured status while stopping (operations.md §6.1)."""
        if not self.stopping and not self.awaits_providers:
            return InternalResponse(body=b"OK", content_type="")
        status = self._ping.terminating_status_code if self.stopping else 503
        try:
            word = HTTPStatus(status).phrase
        except ValueError:
            word = str(status)
        return InternalResponse(status, b"" if status in (204, 304) else word.encode(), content_type="")


def _joined(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers.items():
        name = name.lower()
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


class _Untyped(web.Response):
    """One that says nothing of its content's type."""


async def _unadorned(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Nobody need know what answers here."""
    response.headers.pop("Server", None)
    if isinstance(response, _Untyped):
        response.headers.pop("Content-Type", None)
