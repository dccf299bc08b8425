"""A gateway whose routes are in a real ZooKeeper: they come, change, go, and stay while it is away (providers.md §4)."""

import pytest

from pointsman.testing import eventually

from .stores import URL, keys, said, says, shops
from .zookeeper_servers import Writer, ZooKeeper, needs_zookeeper

pytestmark = [needs_zookeeper, pytest.mark.real("java"), pytest.mark.timeout(90)]


@pytest.fixture
def server(tmp_path):
    server = ZooKeeper(tmp_path / "zookeeper")
    yield server
    server.kill()


def below(pairs):
    return {f"/traefik/{key}": value for key, value in pairs.items()}


@pytest.mark.spec("P-67", "P-69")
async def test_zookeeper_comes_late_changes_breaks_loses_the_session_and_is_emptied(server, start_gateway):
    async with shops() as (one, two):
        static = {"log": {"level": "INFO"}, "providers": {"zooKeeper": {"endpoints": [server.endpoint]}}}
        running = await start_gateway({}, static)
        assert await said(running, "a.test") == 404
        server.start()
        writer = Writer(server)
        try:
            writer.put(below(keys("a", one.url)))
            await says(running, "a.test", b"one")

            seconds = []
            for shop, body in ((two, b"two"), (one, b"one"), (two, b"two")):
                writer.put(below({URL.format("a"): shop.url}))
                seconds.append(await says(running, "a.test", body))
            assert min(seconds) < 1.0

            writer.put(below({"http/routers/a/nope": "1"}))
            writer.put(below({URL.format("a"): one.url}))
            await eventually(lambda: "nope" in running.log())
            assert await said(running, "a.test") == b"two"
            writer.delete("/traefik/http/routers/a/nope")
            await says(running, "a.test", b"one")

            server.kill()
            await eventually(lambda: f"provider zookeeper: the connection to {server.endpoint} is lost" in running.log())
            assert await said(running, "a.test") == b"one"
            server.start()
        finally:
            writer.close()
        writer = Writer(server)
        try:
            writer.put(below({URL.format("a"): two.url}))
            await says(running, "a.test", b"two")
            writer.delete("/traefik/http/routers/a")
            await says(running, "a.test", 404)
            writer.put(below(keys("a", one.url)))
            await says(running, "a.test", b"one")
            writer.delete("/traefik")
            await says(running, "a.test", 404)
        finally:
            writer.close()
        assert "Traceback" not in running.log()
        assert await running.stop() == 0
