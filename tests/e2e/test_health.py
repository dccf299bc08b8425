"""Servers come and go, and the gateway notices: active and passive health checks (routing.md §5.4, §5.5)."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from pointsman.testing import Gateway, Message, Upstream, answer, connect, eventually, refusing, upstream
from pointsman.testing import gateway as any_gateway

from .kept import Kept

PROBE = {"path": "/hz", "interval": "100ms", "timeout": "1s"}
A, B = (200, b"a"), (200, b"b")
NOBODY, BAD = (503, b"no available server\n"), (502, b"Bad Gateway")


def document(*urls: str, router: str = "r", **balancer: Any) -> dict[str, Any]:
    service = {"loadBalancer": {"servers": [{"url": url} for url in urls], **balancer}}
    return {"http": {"routers": {router: {"rule": "PathPrefix(`/`)", "service": "s"}}, "services": {"s": service}}}


def alive(name: str, probe: int = 200) -> Any:
    """Answers its name, and a probe with this status."""
    return lambda request: answer(probe) if is_probe(request) else answer(body=name.encode())


STATIC = {"log": {"level": "INFO"}}
SHARED = Kept(STATIC)


@pytest.fixture(scope="module", autouse=True)
def kept() -> Iterator[None]:
    yield
    SHARED.end()


def gateway(dynamic: dict[str, Any], workers: int = 1) -> AbstractAsyncContextManager[Gateway]:
    """One worker is as good for one test as for another."""
    return SHARED.gateway(dynamic) if workers == 1 else any_gateway(dynamic, STATIC, workers=workers)


def is_probe(request: Message) -> bool:
    return request.target.startswith(b"/hz")


def served(server: Upstream) -> int:
    """Requests that were no probes."""
    return sum(not is_probe(request) for request in server.requests)


def probes(server: Upstream) -> list[Message]:
    return [request for request in server.requests if is_probe(request)]


async def asked(running: Gateway) -> tuple[int, bytes]:
    async with connect(running.port()) as client:
        got = await client.get("/", "a.test", connection="close")
        return got.status, got.body


async def answers(running: Gateway, count: int) -> Counter[tuple[int, bytes]]:
    """What so many requests get, each on a connection of its own."""
    return Counter([await asked(running) for _ in range(count)])


async def becomes(running: Gateway, *expected: tuple[int, bytes], count: int = 4) -> None:
    """Wait until so many requests in a row get these answers, each at least once, and no others."""

    async def so() -> bool:
        return set(await answers(running, count)) == set(expected)

    await eventually(so, f"the answers are {expected}")


async def logged(running: Gateway, text: str, times: int = 1) -> None:
    await eventually(lambda: running.log().count(text) >= times, f"{text!r} in the log")
    assert running.log().count(text) == times


@pytest.mark.spec("R-48")
async def test_a_server_that_fails_its_probe_is_left_out_until_one_succeeds() -> None:
    check = {**PROBE, "interval": "2s", "unhealthyInterval": "100ms"}
    async with (
        upstream(alive("a")) as a,
        upstream(alive("b")) as b,
        gateway(document(a.url, b.url, healthCheck=check)) as running,
    ):
        assert await answers(running, 4) == {A: 2, B: 2}
        assert not probes(a), "the first probe comes one interval after the configuration"
        b.answers(alive("b", probe=503))
        await becomes(running, A)
        a.answers(alive("a", probe=503))
        await becomes(running, NOBODY)
        b.answers(alive("b"))
        await becomes(running, B)
        a.answers(alive("a"))
        await becomes(running, A, B)
        await logged(running, f"server {b.url} is DOWN: status 503, which is not in 200-399")
        await logged(running, f"server {b.url} is UP")


async def test_a_server_that_is_not_there_is_left_out_until_it_is() -> None:
    async with (
        upstream(alive("a")) as a,
        upstream(alive("b")) as b,
        gateway(document(a.url, b.url, healthCheck=PROBE)) as running,
    ):
        port = b.port
        await b.aclose()
        await becomes(running, A)
        await b.start(port=port)
        await becomes(running, A, B)


async def test_a_server_that_hangs_does_not_hold_up_the_probes_of_others() -> None:
    never = asyncio.Event()
    async with (
        upstream([never]) as hanging,
        upstream(alive("a")) as a,
        gateway(document(hanging.url, a.url, healthCheck={**PROBE, "timeout": "1h"})),
    ):
        await hanging.received(1)
        await a.received(len(a.requests) + 5)
        assert len(hanging.requests) == 1
        never.set()


@pytest.mark.spec("R-49")
async def test_the_hostname_names_the_host_and_a_host_among_the_headers_does_not() -> None:
    named = {**PROBE, "hostname": "hc.host", "method": "POST", "headers": {"Host": "zzz", "X-Probe": "1"}}
    async with upstream() as a, upstream() as b:
        config = document(a.url, healthCheck=named)
        plain = document(b.url, healthCheck={**PROBE, "headers": {"hOST": "zzz"}})
        config["http"]["services"]["t"] = plain["http"]["services"]["s"]
        async with gateway(config):
            await a.received(1)
            await b.received(1)
            assert a.last.get_all("host") == ["hc.host"]
            assert a.last.get("x-probe") == "1"
            assert a.last.method == b"POST"
            assert b.last.get_all("host") == [b.url.removeprefix("http://")]
            assert b.last.method == b"GET"


@pytest.mark.spec("R-50")
@pytest.mark.parametrize(("follow", "left"), [(True, (NOBODY,)), (False, (A,))])
async def test_of_a_redirect_to_an_error_only_who_follows_it_learns(follow: bool, left: tuple[Any, ...]) -> None:
    def redirecting(request: Message) -> Any:
        if not is_probe(request):
            return answer(body=b"a")
        return answer(500) if request.target == b"/hz/deep" else answer(302, {"Location": "/hz/deep"})

    async with (
        upstream(redirecting) as a,
        gateway(document(a.url, healthCheck={**PROBE, "followRedirects": follow})) as running,
    ):
        await a.received(3)
        await becomes(running, *left)
        assert any(request.target == b"/hz/deep" for request in a.requests) is follow


@pytest.mark.spec("R-51")
async def test_a_status_asked_for_is_the_only_healthy_one() -> None:
    async with (
        upstream(alive("a", probe=201)) as a,
        upstream(alive("b", probe=204)) as b,
        gateway(document(a.url, b.url, healthCheck={**PROBE, "status": 204})) as running,
    ):
        await becomes(running, B)
        await logged(running, f"server {a.url} is DOWN: status 201, which is not 204")


@pytest.mark.spec("R-51")
async def test_a_path_that_is_an_absolute_url_makes_every_probe_fail() -> None:
    async with (
        upstream(alive("a")) as a,
        upstream(alive("b")) as evil,
        gateway(document(a.url, healthCheck={**PROBE, "path": f"{evil.url}/hz"})) as running,
    ):
        await becomes(running, NOBODY)
        await logged(running, "is an absolute URL; write it relative to the server's, such as /health")
        assert not evil.requests


async def test_the_path_is_relative_to_the_servers_url() -> None:
    async with upstream() as a, upstream() as b:
        config = document(f"{a.url}/base", healthCheck={**PROBE, "path": "hz?deep=1"})
        config["http"]["services"]["t"] = document(b.url, healthCheck={"interval": "100ms"})["http"]["services"]["s"]
        async with gateway(config):
            await a.received(1)
            await b.received(1)
            assert a.last.target == b"/hz?deep=1"
            assert b.last.target == b"/"


@pytest.mark.spec("R-47")
async def test_a_sticky_client_whose_server_goes_down_gets_another_and_a_new_cookie() -> None:
    config = {"sticky": {"cookie": {"name": "lb"}}, "healthCheck": PROBE}
    async with (
        upstream(alive("a")) as a,
        upstream(alive("b")) as b,
        gateway(document(a.url, b.url, **config)) as running,
        connect(running.port()) as client,
    ):
        first = await client.get("/", "a.test")
        cookie = (first.get("set-cookie") or "").partition(";")[0]
        again = await client.get("/", "a.test", cookie=cookie)
        assert again.body == first.body
        assert again.get("set-cookie") is None
        theirs, other = (a, b"b") if first.body == b"a" else (b, b"a")
        theirs.answers(alive("gone", probe=500))
        await logged(running, f"server {theirs.url} is DOWN: status 500, which is not in 200-399")
        moved = await client.get("/", "a.test", cookie=cookie)
        assert moved.body == other
        assert (moved.get("set-cookie") or "").startswith("lb=")
        assert not (moved.get("set-cookie") or "").startswith(cookie)


@pytest.mark.spec("R-108")
async def test_a_server_known_to_be_down_stays_down_through_every_reload() -> None:
    check = {**PROBE, "interval": "1s", "unhealthyInterval": "1h"}
    async with (
        upstream(alive("a")) as a,
        upstream(alive("b", probe=503)) as b,
        upstream(alive("c")) as c,
        gateway(document(a.url, b.url, healthCheck=check)) as running,
    ):
        await becomes(running, A)
        before = served(b)

        await running.update(document(a.url, b.url, router="another", healthCheck=check))
        assert await answers(running, 10) == {A: 10}, "the service is the same"

        await running.update(document(a.url, b.url, c.url, healthCheck=check))
        assert await answers(running, 10) == {A: 5, (200, b"c"): 5}, "the service is new, and its check is the same"

        await running.update(document(a.url, b.url))
        await becomes(running, A, B)
        assert served(b) > before, "without a check nobody is down"


def pids(running: Gateway) -> set[int]:
    pid = running.process.pid
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


@pytest.mark.spec("R-48", "R-108")
async def test_all_workers_know_at_once_and_so_does_the_replacement_of_one_that_dies() -> None:
    check = {**PROBE, "interval": "1s", "unhealthyInterval": "1h"}
    async with (
        upstream(alive("a")) as a,
        upstream(alive("b", probe=503)) as b,
        gateway(document(a.url, b.url, healthCheck=check), workers=2) as running,
    ):
        await becomes(running, A, count=16)
        await logged(running, f"server {b.url} is DOWN: status 503, which is not in 200-399")
        assert len(probes(b)) == 1, "two workers, and one probe"
        before = served(b)
        for round_ in range(2):
            victims = pids(running)
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
            assert await answers(running, 16) == {A: 16}
            await eventually(lambda gone=victims: pids_without(running, gone), "both are replaced")
            await running.update(document(a.url, b.url, router=f"r{round_}", healthCheck=check))
            assert await answers(running, 16) == {A: 16}
        assert served(b) == before


def pids_without(running: Gateway, victims: set[int]) -> bool:
    return len(pids(running) - victims) == 2


@pytest.mark.spec("R-54")
async def test_two_failures_in_a_row_put_a_server_out_for_the_window_and_then_it_is_tried_again() -> None:
    passive = {"failureWindow": "2s", "maxFailedAttempts": 2}
    now = asyncio.get_running_loop().time
    with refusing() as port:
        dead = f"http://127.0.0.1:{port}"
        async with upstream(alive("a")) as a, gateway(document(a.url, dead, passiveHealthCheck=passive)) as running:

            async def two_failures(failures: int = 0) -> float:
                """Ask until it is out. A moment before that."""
                while failures < 2:
                    moment = now()
                    failures += await asked(running) == BAD
                return moment

            out = await two_failures()
            while True:
                got = await asked(running)
                if now() > out + 2.0:
                    break
                assert got == A
            again = await two_failures(got == BAD)
            assert again > out + 2.0
            assert running.log().count(f"server {dead} is not used until 2 s have passed: 2 failed in a row") == 2
            assert running.log().count(f"server {dead} is used again") == 1


async def test_each_worker_judges_for_itself() -> None:
    passive = {"failureWindow": "1h", "maxFailedAttempts": 2}
    with refusing() as port:
        dead = f"http://127.0.0.1:{port}"
        config = document(dead, passiveHealthCheck=passive)
        async with gateway(config, workers=2) as running:
            got: Counter[tuple[int, bytes]] = Counter()
            while running.log().count(f"server {dead} is not used") < 2:
                got[await asked(running)] += 1
            assert got[BAD] == 4
            assert await answers(running, 8) == {NOBODY: 8}


async def test_answers_of_500_and_more_put_a_server_out_and_any_other_clears_the_count() -> None:
    passive = {"failureWindow": "1h", "maxFailedAttempts": 3}
    failing = answer(503, body=b"busy")
    async with (
        upstream(alive("a")) as a,
        upstream(failing, failing, answer(404), failing, failing, failing, answer()) as b,
        gateway(document(a.url, b.url, passiveHealthCheck=passive)) as running,
    ):
        got = await answers(running, 40)
        assert got == {A: 34, (503, b"busy"): 5, (404, b""): 1}
        assert len(b.requests) == 6


async def test_with_an_active_check_only_a_probe_brings_a_server_back() -> None:
    config = {"healthCheck": {**PROBE, "interval": "700ms"}, "passiveHealthCheck": {"failureWindow": "10ms"}}
    broken = [True]

    def partly(request: Message) -> Any:
        return answer(200 if is_probe(request) or not broken[0] else 500, body=b"b")

    async with upstream(alive("a")) as a, upstream(partly) as b, gateway(document(a.url, b.url, **config)) as running:
        await becomes(running, A)
        await logged(running, f"server {b.url} is not used until a probe succeeds: 1 failed in a row")
        broken[0] = False
        await becomes(running, A, B)
        assert "is DOWN" not in running.log()


async def test_thresholds_let_a_server_fail_now_and_then() -> None:
    check = {**PROBE, "unhealthyThreshold": 3, "healthyThreshold": 2}
    probes_of_b = iter([503, 503, 200, 503, 503, 503, 200, 503])

    def sometimes(request: Message) -> Any:
        return answer(next(probes_of_b, 200)) if is_probe(request) else answer(body=b"b")

    async with (
        upstream(alive("a")) as a,
        upstream(sometimes) as b,
        gateway(document(a.url, b.url, healthCheck=check)) as running,
    ):
        await logged(running, f"server {b.url} is DOWN: status 503, which is not in 200-399")
        assert len(probes(b)) >= 6
        await logged(running, f"server {b.url} is UP")
        assert len(probes(b)) >= 10
        await becomes(running, A, B)


async def test_a_server_that_fails_is_ejected_and_returns_and_is_warmed_up() -> None:
    config = {
        "strategy": "leastconn",
        "slowStart": "1h",
        "outlierDetection": {"consecutive5xxErrors": 3, "baseEjectionTime": "300ms", "maxEjectionPercent": 50},
    }
    async with (
        upstream(alive("a")) as a,
        upstream(answer(500, body=b"b"), answer(500), answer(502), alive("b")) as b,
        any_gateway(document(a.url, b.url, **config), STATIC) as running,  # servers that come later are all warmed up
    ):
        got: Counter[tuple[int, bytes]] = Counter()
        while f"server {b.url} is ejected for 0.3 s: 3 failed in a row" not in running.log():
            got += await answers(running, 1)
        await logged(running, f"server {b.url} is not ejected any more")
        before = served(b)
        await answers(running, 100)
        assert 0 < served(b) - before < 20, "a tenth of its share to begin with"
        assert got[500, b"b"] == got[500, b""] == got[502, b""] == 1


async def test_of_servers_that_all_fail_the_last_is_not_ejected() -> None:
    config = {"outlierDetection": {"consecutive5xxErrors": 1, "maxEjectionPercent": 100, "baseEjectionTime": "1h"}}
    async with (
        upstream(answer(500, body=b"a")) as a,
        upstream(answer(500, body=b"b")) as b,
        gateway(document(a.url, b.url, **config)) as running,
    ):
        got = await answers(running, 10)
        assert sorted(got.values()) == [1, 9]
        assert NOBODY not in got
        assert running.log().count("is ejected for 3600 s: 1 failed in a row") == 1
