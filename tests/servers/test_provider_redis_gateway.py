"""A gateway whose routes are in a real Redis: they come, change, go, and stay while it is away (providers.md §4)."""

import ssl

import pytest

from pointsman.testing import connect, eventually

from .redis_servers import Redis, needs_redis
from .stores import URL, keys, said, says, shops

pytestmark = [needs_redis, pytest.mark.real("redis-server"), pytest.mark.timeout(90)]
LOUD = {"log": {"level": "INFO"}}


@pytest.fixture
def redis(tmp_path):
    server = Redis(tmp_path / "redis", password="correct horse")
    yield server
    server.kill()


def static(redis):
    return {**LOUD, "providers": {"redis": {"endpoints": [redis.endpoint], "password": redis.password}}}


def put(redis, pairs):
    redis.ask("MSET", *(part for key, value in pairs.items() for part in (f"traefik/{key}", value)))


@pytest.mark.spec("P-66", "P-69")
async def test_redis_comes_late_changes_breaks_dies_comes_back_empty_and_is_emptied(redis, start_gateway):
    async with shops() as (one, two):
        running = await start_gateway(keys_as_document("file", one.url), static(redis))
        assert await said(running, "file.test") == b"one"
        assert await said(running, "a.test") == 404
        await eventually(lambda: f"connecting to {redis.endpoint}" in running.log())
        redis.start()
        put(redis, keys("a", one.url))
        await says(running, "a.test", b"one")

        seconds = []
        for shop, body in ((two, b"two"), (one, b"one"), (two, b"two")):
            put(redis, {URL.format("a"): shop.url})
            seconds.append(await says(running, "a.test", body))
        assert min(seconds) < 1.0

        put(redis, {"http/routers/a/nope": "1", URL.format("a"): one.url})
        await eventually(lambda: "nope" in running.log())
        assert await said(running, "a.test") == b"two"
        redis.ask("DEL", "traefik/http/routers/a/nope")
        await says(running, "a.test", b"one")

        before = running.log().count("trying again in")
        redis.kill()
        await eventually(lambda: running.log().count("trying again in") > before, "an attempt has failed")
        assert await said(running, "a.test") == b"one"
        redis.start()  # without the keys, and without notifications
        await says(running, "a.test", 404)
        put(redis, keys("a", two.url))
        await says(running, "a.test", b"two")
        put(redis, {URL.format("a"): one.url})
        await says(running, "a.test", b"one")

        redis.ask("DEL", *(f"traefik/{key}" for key in keys("a", "")))
        await says(running, "a.test", 404)
        assert await said(running, "file.test") == b"one"
        assert "Traceback" not in running.log()
        assert redis.password not in running.log()


@pytest.mark.spec("P-68", "P-70")
async def test_services_of_services_middlewares_and_tls(redis, start_gateway):
    async with shops() as (one, two):
        redis.start()
        put(redis, keys("one", one.url) | keys("two", two.url) | keys("tls", one.url) | keys("w", ""))
        put(redis, {f"http/services/w/weighted/services/{place}/name": name for place, name in enumerate(("one", "two"))})
        put(redis, {"http/services/w/weighted/services/1/weight": "3", "http/routers/w/middlewares/0": "mark"})
        put(redis, {"http/middlewares/mark/headers/customresponseheaders/X-Mark": "yes", "http/routers/tls/tls": ""})
        running = await start_gateway({}, static(redis))

        async def weighted():
            async with connect(running.port()) as client:
                answers = [await client.get("/", "w.test") for _ in range(8)]
            assert {each.get("x-mark") for each in answers} == {"yes"}
            return sorted(each.body for each in answers) == [b"one"] * 2 + [b"two"] * 6

        await eventually(weighted)
        assert await said(running, "tls.test") == b"one"
        put(redis, {"http/routers/tls/tls": "true"})
        await says(running, "tls.test", 404)
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        async with connect(running.port(), tls=trusting, server_name="tls.test") as client:
            assert (await client.get("/", "tls.test")).body == b"one"


def keys_as_document(name, url):
    router = {"rule": f"Host(`{name}.test`)", "entryPoints": ["web"], "service": name}
    return {"http": {"routers": {name: router}, "services": {name: {"loadBalancer": {"servers": [{"url": url}]}}}}}
