"""Services of every kind through a real gateway: who answers, who gets a copy, what the client is told (routing.md §5)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from pointsman.testing import Message, Upstream, answer, connect, echo, eventually, refusing, upgrade
from pointsman.testing import upstream as an_upstream

PROBE = {"path": "/hz", "interval": "50ms", "timeout": "1s"}


@pytest.fixture
async def abc() -> AsyncIterator[list[Upstream]]:
    """Three servers that say who they are and send back what they got."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(an_upstream(echo(200, {"X-From": name}))) for name in "abc"]
        yield servers


def balancer(*servers: Upstream | str, **more: Any) -> dict[str, Any]:
    urls = [server if isinstance(server, str) else server.url for server in servers]
    return {"loadBalancer": {"servers": [{"url": url} for url in urls], **more}}


def document(**services: Any) -> dict[str, Any]:
    """A router for each service: the host `name.example` reaches the service `name`."""
    routers = {name: {"rule": f"Host(`{name}.example`)", "service": name} for name in services}
    return {"http": {"routers": routers, "services": services}}


def probed(status: Callable[[], int], name: str) -> Callable[[Message], Any]:
    """A server whose probes are answered as `status` says, and all else by its name."""
    return lambda request: answer(status()) if request.target == b"/hz" else answer(200, {"X-From": name})


async def post(port: int, host: str, body: bytes, path: str = "/") -> Message:
    async with connect(port) as client:
        head = f"POST {path} HTTP/1.1\r\nHost: {host}.example\r\nContent-Length: {len(body)}\r\n\r\n"
        return await client.ask(head.encode() + body)


async def froms(port: int, host: str, times: int, **headers: str) -> Counter[str]:
    """Who answers, how often; a status where nobody says so."""
    async with connect(port) as client:
        answers = [await client.get("/", f"{host}.example", **headers) for _ in range(times)]
    return Counter(message.get("x-from") or str(message.status) for message in answers)


def bodies(server: Upstream) -> list[bytes]:
    return [request.body for request in server.requests]


@pytest.mark.spec("R-41", "R-42", "R-43", "R-44")
async def test_a_cookie_keeps_a_client_with_its_server(abc: list[Upstream], reuse_gateway: Any):
    running = await reuse_gateway(document(st=balancer(*abc, sticky={"cookie": {}})))
    async with connect(running.port()) as client:

        async def ask(cookie: str) -> tuple[str | None, str | None]:
            message = await client.get("/", "st.example", cookie=cookie)
            assert f"cookie: {cookie}".encode() in message.body.lower()
            return message.get("x-from"), message.get("set-cookie")

        first = await client.get("/", "st.example")
        name, given = first.get("x-from"), first.get("set-cookie")
        assert given is not None
        assert given.startswith("_da847=")
        assert given.endswith("; Path=/")
        url = abc["abc".index(name or "")].url
        assert [await ask(given.partition(";")[0]) for _ in range(4)] == [(name, None)] * 4
        assert [await ask(f"x=1; _da847={url}") for _ in range(2)] == [(name, given)] * 2
        bogus = [await ask("_da847=bogus") for _ in range(3)]
    assert {name for name, _ in bogus} == {"a", "b", "c"}
    assert all(given is not None for _, given in bogus)


@pytest.mark.spec("R-45", "R-46")
async def test_the_cookie_has_the_attributes_it_was_given(abc: list[Upstream], reuse_gateway: Any):
    full = {"name": "a b=c", "secure": True, "httpOnly": True, "sameSite": "Strict", "maxAge": 42}
    running = await reuse_gateway(
        document(
            full=balancer(abc[0], sticky={"cookie": {**full, "path": "/x", "domain": "ex.test"}}),
            bare=balancer(abc[0], sticky={"cookie": {"name": "n", "maxAge": -1, "path": "", "sameSite": "bogus"}}),
        )
    )
    async with connect(running.port()) as client:
        full_line = (await client.get("/", "full.example")).get("set-cookie") or ""
        bare_line = (await client.get("/", "bare.example")).get("set-cookie") or ""
    name, _, attributes = full_line.partition("; ")
    assert name.startswith("a_b_c=")
    assert attributes == "Path=/x; Domain=ex.test; Max-Age=42; HttpOnly; Secure; SameSite=Strict"
    assert bare_line.startswith("n=")
    assert bare_line.endswith("; Max-Age=0")


@pytest.mark.spec("R-47")
async def test_a_client_of_a_server_that_went_down_gets_another_and_a_new_cookie(abc: list[Upstream], reuse_gateway: Any):
    statuses = {"a": 200, "b": 200}
    for server, name in zip(abc, "ab", strict=False):
        server.answers(probed(lambda name=name: statuses[name], name))
    running = await reuse_gateway(document(st=balancer(*abc[:2], sticky={"cookie": {"name": "n"}}, healthCheck=PROBE)))
    async with connect(running.port()) as client:
        cookie = f"n={abc[0].url}"
        assert (await client.get("/", "st.example", cookie=cookie)).get("x-from") == "a"
        statuses["a"] = 503

        async def moved() -> bool:
            message = await client.get("/", "st.example", cookie=cookie)
            return message.get("x-from") == "b" and (message.get("set-cookie") or "").startswith("n=")

        await eventually(moved, "the client gets the other server")


async def test_a_server_that_does_not_answer_gets_no_cookie(reuse_gateway: Any):
    with refusing() as port:
        running = await reuse_gateway(document(st=balancer(f"http://127.0.0.1:{port}", sticky={"cookie": {}})))
        async with connect(running.port()) as client:
            message = await client.get("/", "st.example")
    assert (message.status, message.get("set-cookie")) == (502, None)


async def test_each_level_has_its_own_cookie_and_the_outer_stands_first(abc: list[Upstream], reuse_gateway: Any):
    abc[0].answers(answer(200, {"Set-Cookie": "own=1"}))
    services = {
        "inner": balancer(abc[0], sticky={"cookie": {"name": "i"}}),
        "outer": {"weighted": {"services": [{"name": "inner"}], "sticky": {"cookie": {"name": "o"}}}},
    }
    running = await reuse_gateway(document(**services))
    async with connect(running.port()) as client:
        first = await client.get("/", "outer.example")
        cookies = [cookie.partition(";")[0] for cookie in first.get_all("set-cookie")]
        again = await client.get("/", "outer.example", cookie="; ".join(cookies[:2]))
    assert [cookie.partition("=")[0] for cookie in cookies] == ["o", "i", "own"]
    assert again.get_all("set-cookie") == ["own=1"]


@pytest.mark.spec("R-38")
async def test_weighted_children_share_by_weight_and_rendezvous_keeps_a_client(abc: list[Upstream], reuse_gateway: Any):
    children = [{"name": "one", "weight": 3}, {"name": "two", "weight": 1}, {"name": "three", "weight": 0}]
    services: dict[str, Any] = dict(zip(("one", "two", "three"), map(balancer, abc), strict=True))
    services["w"] = {"weighted": {"services": children}}
    services["h"] = {"highestRandomWeight": {"services": children}}
    services["none"] = {"weighted": {"services": children[2:]}}
    running = await reuse_gateway(document(**services))
    assert await froms(running.port(), "w", 24) == {"a": 18, "b": 6}
    assert len(await froms(running.port(), "h", 12)) == 1
    assert await froms(running.port(), "none", 1) == {"503": 1}


async def test_every_strategy_is_there_once_its_package_is_installed(abc: list[Upstream], reuse_gateway: Any):
    slow, quick, _ = abc
    slow.answers([0.05, *answer(200, {"X-From": "slow"})])
    services = {name: balancer(slow, quick, strategy=name) for name in ("wrr", "hrw", "p2c", "leasttime", "leastconn")}
    services["unknown"] = balancer(slow, strategy="Wrr")
    running = await reuse_gateway(document(**services))
    assert await froms(running.port(), "leasttime", 8) == {"slow": 1, "b": 7}
    assert await froms(running.port(), "wrr", 8) == {"slow": 4, "b": 4}
    assert await froms(running.port(), "leastconn", 8) == {"slow": 4, "b": 4}
    assert len(await froms(running.port(), "hrw", 4)) == 1
    assert (await froms(running.port(), "p2c", 4)).total() == 4
    assert await froms(running.port(), "unknown", 1) == {"404": 1}


@pytest.mark.spec("R-52")
async def test_a_child_that_is_down_is_skipped_only_with_health_check(abc: list[Upstream], reuse_gateway: Any):
    abc[0].answers(probed(lambda: 503, "a"))
    abc[1].answers(probed(lambda: 200, "b"))
    children = [{"name": "one"}, {"name": "two"}]
    services = {
        "one": balancer(abc[0], healthCheck=PROBE),
        "two": balancer(abc[1], healthCheck=PROBE),
        "watching": {"weighted": {"services": children, "healthCheck": {}}},
        "blind": {"weighted": {"services": children}},
    }
    running = await reuse_gateway(document(**services))

    async def down() -> bool:
        return await froms(running.port(), "one", 1) == {"503": 1}

    await eventually(down, "the first child is down")
    assert await froms(running.port(), "watching", 6) == {"b": 6}
    assert await froms(running.port(), "blind", 6) == {"b": 3, "503": 3}


@pytest.mark.spec("R-53")
async def test_health_that_nobody_can_tell_closes_the_service(abc: list[Upstream], reuse_gateway: Any):
    services = {
        "one": balancer(abc[0]),
        "w": {"weighted": {"services": [{"name": "one"}], "healthCheck": {}}},
    }
    running = await reuse_gateway(document(**services))
    assert await froms(running.port(), "w", 1) == {"404": 1}
    assert await froms(running.port(), "one", 1) == {"a": 1}
    assert "healthCheck not enabled in config for this loadBalancer service" in running.log()


@pytest.mark.spec("R-55")
async def test_mirrors_get_their_shares_and_the_client_one_answer(abc: list[Upstream], reuse_gateway: Any):
    a, b, c = abc
    mirrors = [{"name": "three", "percent": 100}, {"name": "two", "percent": 50}, {"name": "two"}]
    services: dict[str, Any] = dict(zip(("one", "two", "three"), map(balancer, abc), strict=True))
    services["mir"] = {"mirroring": {"service": "one", "mirrors": mirrors}}
    running = await reuse_gateway(document(**services))
    for number in range(10):
        message = await post(running.port(), "mir", b"body %d" % number, f"/{number}?q={number}")
        assert message.get("x-from") == "a"
    await c.received(10)
    await b.received(5)
    assert bodies(a) == sorted(bodies(c)) == [b"body %d" % number for number in range(10)]
    assert sorted(bodies(b)) == [b"body %d" % number for number in range(0, 10, 2)]
    copy = next(request for request in c.requests if request.target == b"/3?q=3")
    original = next(request for request in a.requests if request.target == b"/3?q=3")
    assert sorted(copy.headers) == sorted(original.headers)


@pytest.mark.spec("R-56")
async def test_only_bodies_that_are_small_enough_are_mirrored(abc: list[Upstream], reuse_gateway: Any):
    a, b, c = abc
    services: dict[str, Any] = dict(zip(("one", "two", "three"), map(balancer, abc), strict=True))
    services["small"] = {"mirroring": {"service": "one", "mirrors": [{"name": "two", "percent": 100}], "maxBodySize": 3}}
    services["none"] = {"mirroring": {"service": "one", "mirrors": [{"name": "three", "percent": 100}], "mirrorBody": False}}
    running = await reuse_gateway(document(**services))
    big = b"x" * 3_000_000
    for body in (b"abcd", big, b"abc"):
        assert (await post(running.port(), "small", body)).get("x-from") == "a"
    async with connect(running.port()) as client:
        head = b"POST / HTTP/1.1\r\nHost: small.example\r\nTransfer-Encoding: chunked\r\n\r\n"
        await client.send(head, b"2\r\nab\r\n", b"2\r\ncd\r\n", b"0\r\n\r\n")
        assert (await client.message()).get("x-from") == "a"
        await client.send(head, b"2\r\nef\r\n", b"1\r\ng\r\n", b"0\r\n\r\n")
        assert (await client.message()).get("x-from") == "a"
    await b.received(2)
    assert bodies(a) == [b"abcd", big, b"abc", b"abcd", b"efg"]
    assert bodies(b) == [b"abc", b"efg"]

    assert (await post(running.port(), "none", big)).get("x-from") == "a"
    await c.received(1)
    assert bodies(a)[-1] == big
    assert (c.last.body, c.last.get("content-length")) == (b"", "0")


async def test_a_mirror_that_hangs_or_is_gone_holds_nobody_up(abc: list[Upstream], reuse_gateway: Any):
    abc[1].answers([asyncio.Event()])
    with refusing() as port:
        mirrors = [{"name": "gone", "percent": 100}, {"name": "hangs", "percent": 100}]
        services = {
            "one": balancer(abc[0]),
            "hangs": balancer(abc[1]),
            "gone": balancer(f"http://127.0.0.1:{port}"),
            "mir": {"mirroring": {"service": "one", "mirrors": mirrors}},
        }
        running = await reuse_gateway(document(**services))
        assert await froms(running.port(), "mir", 5) == {"a": 5}
        await abc[1].received(5)
        assert await froms(running.port(), "mir", 5) == {"a": 5}


def by_path(statuses: Mapping[bytes, int], name: str) -> Callable[[Message], Any]:
    return lambda request: answer(statuses.get(request.target, 200), {"X-From": name, "X-Main": "1"}, request.body)


@pytest.mark.spec("R-57", "R-58")
async def test_a_listed_status_sends_the_same_request_to_the_fallback(abc: list[Upstream], reuse_gateway: Any):
    a, b, _ = abc
    a.answers(by_path({b"/404": 404, b"/504": 504, b"/503": 503}, "a"))
    errors = {"status": ["500-503", "404"]}
    with refusing() as port:
        services = {
            "one": balancer(a),
            "two": balancer(b),
            "gone": balancer(f"http://127.0.0.1:{port}"),
            "empty": balancer(),
            "fo": {"failover": {"service": "one", "fallback": "two", "errors": errors}},
            "small": {"failover": {"service": "one", "fallback": "two", "errors": {**errors, "maxRequestBodyBytes": 4}}},
            "dead": {"failover": {"service": "gone", "fallback": "two", "errors": errors}},
            "none": {"failover": {"service": "empty", "fallback": "two", "errors": errors}},
        }
        services["empty"]["loadBalancer"]["servers"] = []
        running = await reuse_gateway(document(**services))

        for path, status, name in [("/404", 200, "b"), ("/503", 200, "b"), ("/504", 504, "a"), ("/", 200, "a")]:
            message = await post(running.port(), "fo", b"abc", path)
            assert (message.status, message.get("x-from")) == (status, name)
            assert message.get("x-main") == ("1" if name == "a" else None)
            assert message.body.endswith(b"abc")
        assert await froms(running.port(), "dead", 2) == {"b": 2}
        assert await froms(running.port(), "none", 2) == {"b": 2}

        assert (await post(running.port(), "small", b"abcd", "/404")).get("x-from") == "b"
        seen = len(a.requests)
        refused = await post(running.port(), "small", b"abcde")
        assert (refused.status, refused.body, len(a.requests)) == (413, b"Request body too large\n", seen)
        assert refused.get("content-type") == "text/plain; charset=utf-8"


async def test_the_first_services_interim_answers_are_dropped_while_statuses_are_watched(
    abc: list[Upstream], reuse_gateway: Any
):
    abc[0].answers([b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", *answer(200, {"X-From": "a"})])
    services = {
        "one": balancer(abc[0]),
        "two": balancer(abc[1]),
        "fo": {"failover": {"service": "one", "fallback": "two", "errors": {"status": ["500"]}}},
    }
    running = await reuse_gateway(document(**services))
    async with connect(running.port()) as client:
        plain = await client.get("/", "one.example")
        watched = await client.get("/", "fo.example")
    assert len(plain.interim) == 1
    assert (watched.interim, watched.get("x-from")) == ([], "a")


@pytest.mark.spec("R-59")
async def test_the_fallback_answers_while_the_first_service_is_down(abc: list[Upstream], reuse_gateway: Any):
    statuses = {"a": 503, "b": 200}
    for server, name in zip(abc, "ab", strict=False):
        server.answers(probed(lambda name=name: statuses[name], name))
    services = {
        "one": balancer(abc[0], healthCheck=PROBE),
        "two": balancer(abc[1], healthCheck=PROBE),
        "fo": {"failover": {"service": "one", "fallback": "two", "healthCheck": {}}},
    }
    running = await reuse_gateway(document(**services))

    async def answered_by(name: str) -> None:
        async def asked() -> bool:
            return await froms(running.port(), "fo", 1) == {name: 1}

        await eventually(asked, f"{name} answers")

    await answered_by("b")
    statuses["b"] = 503
    await answered_by("503")
    async with connect(running.port()) as client:
        message = await client.get("/", "fo.example")
    assert message.body == b"Service Unavailable\n"
    assert message.get("x-content-type-options") == "nosniff"
    statuses["a"] = 200
    await answered_by("a")


async def test_a_child_service_keeps_its_own_middlewares(abc: list[Upstream], reuse_gateway: Any):
    config = document(
        one={**balancer(abc[0]), "middlewares": ["mark"]},
        w={"weighted": {"services": [{"name": "one"}]}},
    )
    config["http"]["middlewares"] = {"mark": {"headers": {"customRequestHeaders": {"X-Svc": "one"}}}}
    running = await reuse_gateway(config)
    await froms(running.port(), "w", 1)
    assert abc[0].last.get_all("x-svc") == ["one"]


async def test_a_large_body_reaches_mirror_and_fallback_whole(abc: list[Upstream], reuse_gateway: Any):
    a, b, c = abc
    a.answers(by_path({b"/404": 404}, "a"))
    services = {
        "one": balancer(a),
        "two": balancer(b),
        "three": balancer(c),
        "mir": {"mirroring": {"service": "fo", "mirrors": [{"name": "three", "percent": 100}]}},
        "fo": {"failover": {"service": "one", "fallback": "two", "errors": {"status": ["404"]}}},
    }
    running = await reuse_gateway(document(**services))
    body = bytes(range(256)) * 20_000
    assert (await post(running.port(), "mir", body, "/404")).get("x-from") == "b"
    async with connect(running.port()) as client:
        await client.send(b"POST /404 HTTP/1.1\r\nHost: mir.example\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in range(0, len(body), 100_000):
            piece = body[start : start + 100_000]
            await client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        await client.send(b"0\r\nX-T: 1\r\n\r\n")
        assert (await client.message()).get("x-from") == "b"
    await c.received(2)
    for server in abc:
        assert [request.body == body for request in server.requests] == [True, True]
        assert [request.get("transfer-encoding") for request in server.requests] == [None, "chunked"]
        assert server.last.trailers == [(b"X-T", b"1")]


@pytest.mark.parametrize("kind", ["mir", "fo", "w"])
async def test_an_upgrade_passes_through_services_of_services(abc: list[Upstream], reuse_gateway: Any, kind: str):
    abc[0].answers(upgrade("websocket"))
    services = {
        "one": balancer(abc[0], sticky={"cookie": {}}),
        "two": balancer(abc[1]),
        "mir": {"mirroring": {"service": "one", "mirrors": [{"name": "two", "percent": 100}]}},
        "fo": {"failover": {"service": "one", "fallback": "two", "errors": {"status": ["500-599"]}}},
        "w": {"weighted": {"services": [{"name": "one"}], "sticky": {"cookie": {"name": "w"}}}},
    }
    running = await reuse_gateway(document(**services))
    async with connect(running.port()) as client:
        head = f"GET / HTTP/1.1\r\nHost: {kind}.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        await client.send(head.encode())
        switched = await client.head()
        assert switched.status == 101
        assert (switched.get("set-cookie") or "").startswith("w=" if kind == "w" else "_")
        await client.send(b"ping")
        assert await client.exactly(4) == b"ping"
    await eventually(lambda: abc[0].open == 0, "the server's end is closed, too")
    assert abc[1].requests == []
