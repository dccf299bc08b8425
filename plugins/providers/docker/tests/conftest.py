"""An engine of our own: answers as recorded from Docker 20.10, over a real unix socket, or TCP."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from pointsman.testing import FakeContext, build, eventually


def network(address: str = "", six: str = "") -> dict[str, Any]:
    return {"IPAddress": address, "GlobalIPv6Address": six, "Gateway": "", "IPPrefixLen": 24}


def inspected(name: str = "web", labels: Mapping[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    """The answer to `GET /containers/{id}/json`, of a container with port 80 at 172.17.0.2."""
    networks = changes.get("networks", {"bridge": network("172.17.0.2")})
    state: dict[str, Any] = {"Status": "running", "Running": changes.get("running", True)}
    if "health" in changes:
        state["Health"] = {"Status": changes["health"]}
    return {
        "Id": changes.get("id", name * 3),
        "Name": f"/{name}",
        "Config": {"Labels": labels and dict(labels)},
        "State": state,
        "HostConfig": {"NetworkMode": changes.get("mode", "default")},
        "NetworkSettings": {"Networks": networks, "Ports": changes.get("ports", {"80/tcp": None})},
    }


class EngineInWords:
    """What it has, and what it was asked for. `answers` are in place of the usual ones, by path."""

    def __init__(self) -> None:
        self.containers: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, Any] = {}
        self.headers = {"Api-Version": "1.41", "Server": "Docker/20.10.24 (linux)"}
        self.asked: list[str] = []
        self.authorizations: set[str | None] = set()
        self.listeners: list[web.StreamResponse] = []
        self.ended = asyncio.Event()
        self.up = "Up 2 minutes"
        self.tells_health = True

    def has(self, *documents: dict[str, Any]) -> None:
        self.containers = {each["Id"]: each for each in documents}

    async def tell(self, action: str, key: str = "webwebweb") -> None:
        """An event, without a line end."""
        event = {"status": action, "id": key, "Type": "container", "Action": action, "Actor": {"ID": key}}
        for each in self.listeners:
            await each.write(json.dumps(event).encode())

    async def answer(self, request: web.Request) -> web.StreamResponse:
        _, _, path = request.path.rpartition("/v1.41")
        self.asked.append(f"{request.method} {request.raw_path}")
        self.authorizations.add(request.headers.get("Authorization"))
        instead = self.answers.get(path)
        if instead is not None:
            return await instead(request) if callable(instead) else instead
        if path == "/_ping":
            return web.Response(text="OK", headers=self.headers)
        if path == "/events":
            return await self.events(request)
        if path == "/containers/json":
            return web.json_response([self._listed(each) for each in self.containers.values()])
        found = self.containers.get(path.split("/")[2]) if path.startswith("/containers/") else None
        return web.json_response(found or {"message": "No such container"}, status=200 if found else 404)

    async def events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        self.listeners.append(response)
        with suppress(ConnectionError):
            await self.ended.wait()
        self.listeners.remove(response)
        return response

    def inspections(self) -> int:
        return sum(each.startswith("GET /v1.41/containers/") and "/json?" not in each for each in self.asked)

    def _listed(self, document: Mapping[str, Any]) -> dict[str, Any]:
        state, health = document["State"], document["State"].get("Health", {}).get("Status")
        status = self.up if state["Running"] else "Exited (0) 5 seconds ago"
        return {
            "Id": document["Id"],
            "Names": [document["Name"]],
            "Labels": document["Config"]["Labels"],
            "State": state["Status"],
            "Status": f"{status} ({health})" if health and self.tells_health else status,
            "NetworkSettings": {"Networks": document["NetworkSettings"]["Networks"]},
        }


class Published:
    """What a provider published."""

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.problems: Sequence[Any] = ()

    def __call__(self, document: Any, problems: Sequence[Any] = ()) -> None:
        self.documents.append(document)
        self.problems = problems

    def servers(self, service: str = "web") -> Any:
        """The URLs of a service that was published last; None if there is no such service."""
        found = self.documents[-1]["http"]["services"].get(service)
        return found and [server["url"] for server in found["loadBalancer"]["servers"]]

    def rule(self, router: str = "web") -> Any:
        return self.documents[-1]["http"]["routers"].get(router, {}).get("rule")

    def said(self) -> str:
        return "\n".join(map(str, self.problems))


@asynccontextmanager
async def serving(engine: EngineInWords, site: Any):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", engine.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await site(runner).start()
    try:
        yield engine
    finally:
        engine.ended.set()
        await runner.cleanup()


@pytest.fixture
async def engine(tmp_path):
    """Listens at `engine.socket`."""
    async with serving(EngineInWords(), lambda runner: web.UnixSite(runner, str(tmp_path / "engine"))) as running:
        running.socket = tmp_path / "engine"
        yield running


@asynccontextmanager
async def providing(cls: Any, socket: Path | str, **options: Any):
    """What a provider publishes that runs; `published.failed()` gives what it raised."""
    endpoint = socket if isinstance(socket, str) else f"unix://{socket}"
    provider, published = build(cls, {"endpoint": endpoint, **options}, FakeContext(cls.name)), Published()
    running = asyncio.create_task(provider.provide(published))

    async def failed() -> str:
        await eventually(running.done, "the provider ends")
        return str(running.exception())

    published.failed, published.provider = failed, provider
    try:
        await eventually(lambda: published.documents or running.done(), "it published something")
        yield published
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await asyncio.wait_for(running, 2)


@pytest.fixture
def docker():
    """Builders for the tests beside it."""
    return SimpleNamespace(network=network, inspected=inspected, providing=providing, serving=serving, words=EngineInWords)
