"""A server that speaks the part of Nomad's HTTP API that pointsman-nomad asks for, over a real socket.

No package brings Nomad itself, so this follows its documentation of `/v1/services`, `/v1/service/:name`, `/v1/jobs`,
`/v1/job/:id` and `/v1/event/stream`: what is answered, in which words, with which statuses. As Nomad does, it sends the head
of a stream of events only with the first event or heartbeat, and first of all the events that it still knows. `test_nomad`
has Traefik read it, too, by Nomad's own client.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from pointsman.testing import free_port


class NomadServer:
    """Give it services, jobs and a token; `asked` are the paths and parameters of all questions."""

    def __init__(self) -> None:
        self.port = free_port()
        self.token = ""
        self.registrations: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.events: list[dict[str, Any]] = []
        self.heartbeat_seconds = 30.0
        self.streams = 0
        """How many listen now."""
        self._more = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def register(self, name: str, port: int, *tags: str, address: str = "127.0.0.1", namespace: str = "default") -> str:
        """An instance; its id."""
        identity = f"_nomad-task-{len(self.events)}-group-api-{name}-{port}"
        self.registrations[identity] = {
            "Address": address,
            "AllocID": "177160af-26f6-619f-9c9f-5e46d1104395",
            "Datacenter": "dc1",
            "ID": identity,
            "JobID": "shop",
            "Namespace": namespace,
            "NodeID": "7406e90b-de16-d118-80fe-60d0f2730cb3",
            "Port": port,
            "ServiceName": name,
            "Tags": list(tags),
        }
        self._tell("ServiceRegistration", self.registrations[identity])
        return identity

    def deregister(self, identity: str) -> None:
        self._tell("ServiceDeregistration", self.registrations.pop(identity))

    def _tell(self, kind: str, service: dict[str, Any]) -> None:
        event = {
            "Topic": "Service",
            "Type": kind,
            "Key": service["ID"],
            "Namespace": service["Namespace"],
            "FilterKeys": [service["JobID"], service["ServiceName"]],
            "Index": len(self.events) + 1,
            "Payload": {"Service": service},
        }
        self.events.append(event)
        self._more.set()
        self._more = asyncio.Event()

    async def start(self) -> None:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/v1/services", self._services)
        app.router.add_get("/v1/service/{name}", self._service)
        app.router.add_get("/v1/jobs", self._jobs)
        app.router.add_get("/v1/job/{id}", self._job)
        app.router.add_get("/v1/event/stream", self._stream)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()

    async def aclose(self) -> None:
        """Stop, and drop every stream. `start` goes on with what it knew."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _guard(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append((request.path.removeprefix("/v1/"), dict(request.query)))
        if self.token and request.headers.get("X-Nomad-Token") != self.token:
            return web.Response(status=403, text="Permission denied")
        answer: web.StreamResponse = await handler(request)
        return answer

    def _seen(self, request: web.Request) -> list[dict[str, Any]]:
        namespace = request.query.get("namespace", "default")
        return [each for each in self.registrations.values() if each["Namespace"] == namespace]

    async def _services(self, request: web.Request) -> web.Response:
        tags: dict[str, list[str]] = {}
        for each in self._seen(request):
            known = tags.setdefault(each["ServiceName"], [])
            known += [tag for tag in each["Tags"] if tag not in known]
        stubs = [{"ServiceName": name, "Tags": known} for name, known in sorted(tags.items())]
        return web.json_response(
            [{"Namespace": request.query.get("namespace", "default"), "Services": stubs}] if stubs else []
        )

    async def _service(self, request: web.Request) -> web.Response:
        found = [each for each in self._seen(request) if each["ServiceName"] == request.match_info["name"]]
        if "filter" in request.query:
            tag = json.loads(request.query["filter"].removeprefix("Tags contains "))
            found = [each for each in found if tag in each["Tags"]]
        return web.json_response(found)

    async def _jobs(self, request: web.Request) -> web.Response:
        return web.json_response([{"ID": each, "Name": each} for each in self.jobs])

    async def _job(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        return web.Response(status=404, text="job not found") if job is None else web.json_response(job)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        assert request.query["topic"] == "Service:*"
        stream, told = web.StreamResponse(headers={"Content-Type": "application/json"}), int(request.query["index"])
        self.streams += 1
        try:
            while True:
                more = self._more
                if told < len(self.events):
                    line = {"Index": len(self.events), "Events": self.events[told:]}
                    told = len(self.events)
                else:
                    try:
                        await asyncio.wait_for(more.wait(), self.heartbeat_seconds)
                        continue
                    except TimeoutError:
                        line = {}
                if not stream.prepared:
                    await stream.prepare(request)
                await stream.write(json.dumps(line).encode() + b"\n")
        finally:
            self.streams -= 1


def a_job(
    name: str, *services: dict[str, Any], count: int = 0, scaling: bool = True, namespace: str = "default"
) -> dict[str, Any]:
    """As `/v1/job/:id` gives it: one group with one task, which has the services."""
    task = {"Name": "task", "Services": [{"Provider": "nomad", **service} for service in services]}
    group = {"Name": "group", "Count": count, "Scaling": {"Enabled": scaling}, "Services": None, "Tasks": [task]}
    return {"ID": name, "Name": name, "Namespace": namespace, "TaskGroups": [group]}


@asynccontextmanager
async def nomad_server() -> AsyncIterator[NomadServer]:
    server = NomadServer()
    await server.start()
    try:
        yield server
    finally:
        await server.aclose()
