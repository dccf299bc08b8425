"""How many a limit lets in when clients press against it: over two workers, and over two gateways that share a Redis.

POINTSMAN_LONG_STORIES=1 presses for ten seconds, and is strict.
"""

import asyncio
import os
import time
from contextlib import AsyncExitStack

import pytest
import trustme

from pointsman.testing import answer, connect, eventually, gateway, upstream

from .redis_servers import Redis, certificates, needs_redis

LONG = os.environ.get("POINTSMAN_LONG_STORIES") == "1"
SECONDS, TOLERANCE = (10.0, 0.02) if LONG else (2.5, 0.05)
CONNECTIONS = 8
RATE, BURST = 100, 20


def document(url, **config):
    limit = {"average": RATE, "burst": BURST, **config}
    minute = {**config, "average": 1, "period": "1m"}
    services = {"a": {"loadBalancer": {"servers": [{"url": url}]}}}
    routers = {name: {"rule": f"Host(`{name}.test`)", "middlewares": [name], "service": "a"} for name in ("limit", "minute")}
    middlewares = {"limit": {"rateLimit": limit}, "minute": {"rateLimit": minute}}
    return {"http": {"routers": routers, "middlewares": middlewares, "services": services}}


async def pressed(ports):
    """What clients get that ask again and again, as a share of what the limit says."""
    found = {200: 0, 429: 0}
    end = time.monotonic() + SECONDS

    async def client(port):
        async with connect(port) as connection:
            while time.monotonic() < end:
                status = (await connection.get("/", "limit.test")).status
                found[status] += 1
                if status == 429:
                    await asyncio.sleep(0.002)

    begun = time.monotonic()
    await asyncio.gather(*(client(ports[number % len(ports)]) for number in range(CONNECTIONS)))
    seconds = time.monotonic() - begun
    expected = RATE * seconds + BURST
    print(f"let in {found[200]} of {expected:.0f} in {seconds:.2f} s; {found[429]} refused")
    assert found[429] > found[200], "or they did not press hard enough"
    return found[200] / expected


async def test_two_workers_let_in_what_the_limit_says():
    async with upstream() as server:
        server.answers(answer(200))
        async with gateway(document(server.url), workers=2) as running:
            assert await pressed([running.port()]) == pytest.approx(1, abs=TOLERANCE)


@needs_redis
@pytest.mark.real("redis-server")
@pytest.mark.timeout(90)
@pytest.mark.spec("M-73")
async def test_two_gateways_with_one_redis_let_in_what_the_limit_says(tmp_path):
    redis = Redis(tmp_path / "redis").start()
    try:
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(upstream())
            server.answers(answer(200))
            shared = document(server.url, redis={"endpoints": [redis.endpoint]})
            told = {"log": {"level": "WARN"}}
            gateways = [await stack.enter_async_context(gateway(shared, told)) for _ in range(2)]
            assert await pressed([each.port() for each in gateways]) == pytest.approx(1, abs=TOLERANCE)
            assert redis.ask("EXISTS", "rate:limit@file:127.0.0.1") == b":1\r\n"

            async def ask(number):
                async with connect(gateways[number].port()) as client:
                    return await client.get("/", "minute.test")

            assert [(await ask(number)).status for number in (0, 1)] == [200, 429]
            redis.kill()
            failed = await ask(0)
            assert (failed.status, failed.body) == (500, b"Could not insert/update bucket\n")
            redis.start()

            async def lets_in():
                return (await ask(0)).status == 200

            await eventually(lets_in, "Redis is found again, empty")
            await eventually(lambda: "answers again" in gateways[0].log())
            assert gateways[0].log().count("cannot be used") == 1
    finally:
        redis.kill()


@needs_redis
@pytest.mark.real("redis-server")
async def test_a_renewed_certificate_reaches_redis_without_a_restart(tmp_path):
    def write(authority):
        """What the gateway shows, and whom it trusts."""
        leaf = authority.issue_cert("gateway.test")
        leaf.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
        leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    old, new = trustme.CA(), trustme.CA()
    redis = Redis(tmp_path / "redis", tls=certificates(tmp_path / "old", old))
    write(old)
    tls = {key: str(tmp_path / f"{key}.pem") for key in ("ca", "cert", "key")}
    own = {"endpoints": [redis.endpoint], "tls": tls}
    async with upstream(answer(200)) as server, gateway(document(server.url, redis=own, burst=1000), workers=2) as running:

        async def statuses():
            found = set()
            for _ in range(16):
                async with connect(running.port()) as client:
                    found.add((await client.get("/", "minute.test")).status)
            return found

        try:
            redis.start()
            await eventually(lambda: heard(statuses, {200}))
            options = certificates(tmp_path / "new", new)
            redis.ask("CONFIG", "SET", *(part.removeprefix("--") for part in options))
            redis.ask("CLIENT", "KILL", "TYPE", "normal")
            await eventually(lambda: heard(statuses, {500}))
            write(new)
            await eventually(lambda: heard(statuses, {200}))
        finally:
            redis.kill()


async def heard(statuses, expected):
    return await statuses() == expected
