"""Starting, staying and stopping, as an operator sees it (operations.md section 1, 2.1, 2.9)."""

import asyncio
import signal
import subprocess
import time
from contextlib import AsyncExitStack

import pytest

from pointsman.testing import Gateway, answer, connect, eventually, gateway, refusing
from pointsman.testing.gateways import COMMAND

from .stage import balancer, closed, head, routed, staged

GET = head("GET / HTTP/1.1", "Host: a.test")
ROUTES = {"any": "Host(`a.test`)"}


def run(*arguments):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=30)


def life(**settings):
    return {"entryPoints": {"web": {"transport": {"lifeCycle": settings}}}}


@pytest.mark.spec("O-43")
async def test_the_last_request_that_a_connection_may_make_says_so():
    static = {"entryPoints": {"web": {"transport": {"keepAliveMaxRequests": 2}}}}
    async with staged(lambda urls: routed(ROUTES, urls), static, ["a"]) as stage, stage.connect() as client:
        assert (await client.ask(GET)).get("connection") is None
        assert (await client.ask(GET)).get("connection") == "close"
        assert await closed(client)


async def test_a_connection_that_has_lived_long_enough_is_closed_after_its_next_answer():
    static = {"entryPoints": {"web": {"transport": {"keepAliveMaxTime": "300ms"}}}}
    async with staged(lambda urls: routed(ROUTES, urls), static, ["a"]) as stage, stage.connect() as client:
        assert (await client.ask(GET)).get("connection") is None

        async def says_goodbye():
            return (await client.ask(GET)).get("connection") == "close"

        await eventually(says_goodbye, "the last answer says so")
        assert await closed(client)


@pytest.mark.spec("O-44")
async def test_a_client_that_does_not_get_on_is_shut_out():
    static = {
        "entryPoints": {"web": {"transport": {"respondingTimeouts": {"readTimeout": "500ms", "idleTimeout": "500ms"}}}}
    }
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(staged(lambda urls: routed(ROUTES, urls), static, ["a"]))
        silent, halfway, idle, stuck = [await stack.enter_async_context(stage.connect()) for _ in range(4)]
        begun = time.monotonic()
        await halfway.send(GET[:20])
        assert (await idle.ask(GET)).status == 200
        await stuck.send(head("POST / HTTP/1.1", "Host: a.test", "Content-Length: 5", body=b"he"))

        assert (await stuck.message()).status == 408, "Traefik says 499, which is nobody's (operations.md section 2.1)"
        assert await closed(stuck)
        assert await closed(silent)
        assert await closed(halfway)
        assert await closed(idle)
        assert 0.4 < time.monotonic() - begun < 10


@pytest.mark.spec("O-45")
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_stop_lets_requests_in_flight_end(workers):
    async with staged(lambda urls: routed(ROUTES, urls), life(graceTimeOut="10s"), ["a"], workers=workers) as stage:
        gate = asyncio.Event()
        stage["a"].answers([gate, *answer(200, {}, b"late")])
        async with stage.connect() as busy, stage.connect() as idle:
            assert (await idle.get("/", "nobody.test")).status == 404
            await busy.send(GET)
            await stage["a"].received(1)
            stage.gateway.process.send_signal(signal.SIGTERM)

            assert await closed(idle)
            await eventually(lambda: _refuses(stage.gateway), "new connections are refused")
            gate.set()
            answered = await busy.message()
            assert (answered.status, answered.body, answered.get("connection")) == (200, b"late", "close")
        assert await stage.gateway.exited() == 0


async def _refuses(running: Gateway):
    try:
        async with connect(running.port()):
            return False
    except ConnectionRefusedError:
        return True


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("settings", [{}, {"proxyProtocol": {"insecure": True}}], ids=["plain", "behind a balancer"])
async def test_who_never_sent_a_byte_does_not_hold_a_stop(workers, settings):
    static = {"entryPoints": {"web": {**settings, **life(graceTimeOut="60s")["entryPoints"]["web"]}}}
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(staged(lambda urls: routed(ROUTES, urls), static, ["a"], workers=workers))
        silent = [await stack.enter_async_context(stage.connect()) for _ in range(5)]
        assert (await stage.get("/", "a.test")).status == 200
        begun = time.monotonic()
        stage.gateway.process.send_signal(signal.SIGTERM)
        for client in silent:
            assert await closed(client)
        assert await stage.gateway.exited() == 0
        assert time.monotonic() - begun < 15


@pytest.mark.spec("O-46")
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_stop_cuts_what_outlasts_the_grace_period(workers):
    async with staged(lambda urls: routed(ROUTES, urls), life(graceTimeOut="500ms"), ["a"], workers=workers) as stage:
        stage["a"].answers([asyncio.Event()])
        async with stage.connect() as client:
            await client.send(GET)
            await stage["a"].received(1)
            begun = time.monotonic()
            stage.gateway.process.send_signal(signal.SIGTERM)

            assert await closed(client)
            assert await stage.gateway.exited() == 0
            assert 0.4 < time.monotonic() - begun < 8


@pytest.mark.spec("O-47", "O-48", "O-26")
async def test_a_stop_first_tells_whoever_pings_and_goes_on_serving():
    static = {
        "ping": {"terminatingStatusCode": 204},
        "entryPoints": {
            name: {"transport": {"lifeCycle": {"requestAcceptGraceTimeout": "2s"}}} for name in ("web", "traefik")
        },
    }
    async with staged(lambda urls: routed(ROUTES, urls), static, ["a"]) as stage:
        config = f"--configFile={stage.gateway.folder / 'static.yml'}"
        well = await asyncio.to_thread(run, "healthcheck", config)
        assert (well.returncode, well.stdout) == (0, f"OK: {stage.gateway.url('traefik')}/ping\n")

        stage.gateway.process.send_signal(signal.SIGTERM)

        async def leaving():
            return (await stage.get("/ping", "any", "traefik")).status == 204

        await eventually(leaving, "ping says that it is leaving")
        assert (await stage.get("/", "a.test")).body == b"a"
        ill = await asyncio.to_thread(run, "healthcheck", config)
        assert ill.returncode == 1
        assert await stage.gateway.exited() == 0


async def test_ping_says_nothing_good_before_the_providers_have_spoken():
    may_answer = asyncio.Event()
    document = b'{"http": {"routers": {"late": {"rule": "Host(`late.test`)", "service": "noop@internal"}}}}'

    async def answers(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await may_answer.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(document))
        writer.write(document)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answers, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        static = {
            "ping": {"awaitProviders": "60s"},
            "providers": {"http": {"endpoint": f"http://127.0.0.1:{port}/", "pollTimeout": "30s"}},
        }
        async with staged(lambda urls: routed(ROUTES, urls), static, ["a"]) as stage:
            early = await stage.get("/ping", "any", "traefik")
            assert (early.status, early.body) == (503, b"Service Unavailable")
            assert (await stage.get("/", "a.test")).body == b"a"
            may_answer.set()

            async def is_well():
                return (await stage.get("/ping", "any", "traefik")).status == 200

            await eventually(is_well, "all providers have spoken")
            assert (await stage.get("/", "late.test")).status == 418


@pytest.mark.spec("O-26")
async def test_a_gateway_that_does_not_run_or_has_no_ping_is_not_well(tmp_path):
    static = tmp_path / "static.yml"
    with refusing() as port:
        for text in (f'ping: {{}}\nentryPoints: {{traefik: {{address: "127.0.0.1:{port}"}}}}', "log: {level: INFO}"):
            static.write_text(text)
            ill = await asyncio.to_thread(run, "healthcheck", f"--configFile={static}")
            assert (ill.returncode, ill.stdout[:4]) == (1, "Bad:")


@pytest.mark.spec("O-47")
async def test_ping_says_503_while_stopping_unless_told_otherwise():
    static = {"ping": {}, "entryPoints": {"traefik": {"transport": {"lifeCycle": {"requestAcceptGraceTimeout": "1s"}}}}}
    async with gateway({}, static) as running, connect(running.port("traefik")) as client:
        assert ((answered := await client.get("/ping")).status, answered.body) == (200, b"OK")
        running.process.send_signal(signal.SIGTERM)

        async def leaving():
            return (await client.get("/ping")).status == 503

        await eventually(leaving, "ping says 503")
        assert await running.exited() == 0


@pytest.mark.spec("O-20")
async def test_a_port_that_is_taken_ends_the_start_and_is_named():
    with refusing() as port:
        address = f"127.0.0.1:{port}"
        ended = await asyncio.to_thread(
            run, "--entryPoints.web.address=127.0.0.1:0", f"--entryPoints.other.address={address}"
        )

    assert ended.returncode == 1
    assert "other" in ended.stderr
    assert address in ended.stderr


@pytest.mark.spec("O-21")
@pytest.mark.parametrize("address", ["127.0.0.1:1/sctp", "abc"])
async def test_an_address_that_is_none_ends_the_start(address):
    ended = await asyncio.to_thread(run, f"--entryPoints.web.address={address}")

    assert ended.returncode == 1
    assert address.rpartition("/")[2] in ended.stderr


@pytest.mark.spec("O-24")
async def test_an_unknown_log_level_does_not_end_the_start():
    async with staged(lambda urls: routed(ROUTES, urls), {"log": {"level": "chatty"}}, ["a"], workers=2) as stage:
        assert (await stage.get("/", "a.test")).status == 200
        assert len([line for line in stage.gateway.log().splitlines() if "chatty" in line]) == 1


@pytest.mark.spec("O-25")
async def test_the_version_has_five_lines_and_an_unknown_command_gets_help():
    version = await asyncio.to_thread(run, "version")
    assert version.returncode == 0
    assert len(version.stdout.splitlines()) == 5

    unknown = await asyncio.to_thread(run, "frobnicate")
    assert unknown.returncode == 1
    assert "Usage:" in unknown.stdout
    assert "command not found: frobnicate" in unknown.stderr


@pytest.mark.spec("O-49")
async def test_two_processes_may_share_a_port():
    async with staged(
        lambda urls: {"http": {"services": {"a": balancer(urls["a"])}}},
        {"entryPoints": {"web": {"reusePort": True}, "traefik": {}}},
        ["a"],
    ) as stage:
        static = {"entryPoints": {"web": {"reusePort": True, "address": f"127.0.0.1:{stage.gateway.port()}"}}}
        async with gateway({}, static) as second:
            assert second.port() == stage.gateway.port()
            assert stage.gateway.process.poll() is None
