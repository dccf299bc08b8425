"""A gateway whose Docker is away or misconfigured serves what it knows besides, and says what is wrong."""

import asyncio

import pytest
from aiohttp import web

from pointsman.testing import answer, connect, eventually, gateway

FILE = {"rule": "Host(`file.test`)", "service": "file"}


def document(upstream):
    services = {"file": {"loadBalancer": {"servers": [{"url": upstream.url}]}}}
    return {"http": {"routers": {"file": FILE}, "services": services}}


async def status(running, host):
    async with connect(running.port()) as client:
        return (await client.get("/", host)).status


@pytest.mark.spec("P-28")
async def test_a_template_that_cannot_be_read_disables_docker_alone(upstream, start_gateway):
    upstream.answers(answer(200))
    docker = {"defaultRule": "Host(`{{ nope .Name }}`)"}
    running = await start_gateway(document(upstream), {"providers": {"docker": docker}})

    assert await status(running, "file.test") == 200
    assert "providers.docker.defaultRule" in running.log()
    assert "the function 'nope' is not known" in running.log()


async def test_an_engine_that_is_away_at_the_start_is_found_later(upstream, tmp_path):
    upstream.answers(answer(200))
    socket = tmp_path / "engine"
    options = {"providers": {"docker": {"endpoint": f"unix://{socket}"}}}
    host, _, port = upstream.url.removeprefix("http://").partition(":")
    inspected = {
        "Id": "a1",
        "Name": "/web",
        "State": {"Running": True},
        "NetworkSettings": {"Networks": {"n": {"IPAddress": host}}, "Ports": {f"{port}/tcp": None}},
    }
    quiet = asyncio.Event()

    async def engine(request):
        if request.path.endswith("/events"):
            response = web.StreamResponse()
            await response.prepare(request)
            await quiet.wait()
            return response
        if request.path.endswith("/containers/json"):
            return web.json_response([{"Id": "a1"}])
        return web.json_response(inspected, headers={"Api-Version": "1.41"})

    async with gateway(document(upstream), options) as running:
        await eventually(lambda: "cannot be reached: No such file or directory; trying again in" in running.log())
        assert await status(running, "file.test") == 200
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", engine)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.UnixSite(runner, str(socket)).start()

            async def found():
                return await status(running, "web") == 200

            await eventually(found)
            assert "Traceback" not in running.log()
        finally:
            quiet.set()
            await runner.cleanup()
