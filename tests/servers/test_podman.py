"""Containers of Podman, whose API is Docker's but for details: lists do not tell of health, for one."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pointsman.testing import FakeContext, build, eventually
from pointsman_docker import Docker

from .docker_servers import Podman, needs_podman, own_network

pytestmark = [needs_podman, pytest.mark.real("podman"), pytest.mark.timeout(90)]


@pytest.fixture
def engine():
    """In a folder with a short name: it wants one below 50 characters."""
    with own_network(), TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as folder:
        running = Podman(Path(folder) / "engine")
        try:
            yield running.start()
        finally:
            running.close()


@pytest.mark.spec("P-29", "P-47")
async def test_containers_of_podman_come_and_go(engine):
    await engine.load()
    published = []
    config = {"endpoint": f"unix://{engine.socket}", "allowEmptyServices": True}
    docker = build(Docker, config, FakeContext("docker"))
    running = asyncio.create_task(docker.provide(lambda document, problems: published.append((document, problems))))

    def servers():
        services = published[-1][0]["http"]["services"] if published else {}
        return {name: [each["url"] for each in found["loadBalancer"]["servers"]] for name, found in services.items()}

    try:
        await eventually(lambda: published or running.done())
        await engine.run("web", {"traefik.http.services.web.loadbalancer.server.scheme": "https"})
        check = {"Test": ["CMD", "/bin/test", "-e", "/tmp/well"], "Interval": 10**9, "Timeout": 10**9, "Retries": 100}
        await engine.run("unwell", health=check)
        found = await engine.ask("GET", "/containers/web/json")
        address = found["NetworkSettings"]["Networks"]["podman"]["IPAddress"]
        await eventually(lambda: servers() == {"web": [f"https://{address}:80"], "unwell": []})
        await engine.ask("POST", "/containers/web/kill")
        await eventually(lambda: servers() == {"unwell": []})
        assert published[-1][1] == []
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
