"""retry over real sockets: which requests reach which servers, and with what (middlewares.md §3.22)."""

import time

import pytest
import pytest_asyncio

from pointsman.testing import BODY, RESET, answer, eventually, upgrade

from .stage import balancer, head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIDDLEWARES = {
    "again": {"attempts": 3},
    "unavailable": {"attempts": 3, "status": ["500-504"]},
    "all": {"attempts": 3, "status": ["502", "503"], "retryNonIdempotentMethod": True, "maxRequestBodyBytes": 200_000},
    "slowly": {"attempts": 4, "initialInterval": "200ms"},
    "briefly": {"attempts": 4, "initialInterval": "200ms", "timeout": "300ms"},
    "patiently": {"attempts": 3, "initialInterval": "1h"},
    "nothing": {"attempts": 3, "disableRetryOnNetworkError": True},
}


def dynamic(urls):
    closed = urls["closed"]
    services = {
        "dead": balancer(closed),
        "half": balancer(closed, urls["a"]),
        "pair": balancer(urls["a"], urls["b"]),
        "capped": balancer(urls["a"], urls["b"], retryBudget={"percent": 0, "minRetriesPerSecond": 0}),
        "none": balancer(),
        "fresh": balancer(urls["fresh"]),
    }
    routers = {
        f"{name}-{service}": {"rule": f"Host(`{name}.{service}.test`)", "middlewares": [name], "service": service}
        for name in MIDDLEWARES
        for service in ("a", *services)
    }
    routers["prefixed"] = {
        "rule": "Host(`prefixed.test`)",
        "middlewares": ["unavailable", "prefix", "few"],
        "service": "pair",
    }
    document = routed(routers, urls, **services)
    document["http"]["middlewares"] = {name: {"retry": options} for name, options in MIDDLEWARES.items()}
    document["http"]["middlewares"] |= {
        "prefix": {"addPrefix": {"prefix": "/p"}},
        "few": {"headers": {"customRequestHeaders": {"X-In": "1"}}},
    }
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house():
    async with staged(dynamic, None, ["a", "b", "fresh"]) as stage:
        yield stage


@pytest.fixture
def stage(house):
    house.reset()
    return house


def post(host, body=b"hello"):
    return head("POST / HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", body=body)


@pytest.mark.spec("M-6")
async def test_a_dead_server_is_passed_over(stage):
    for _ in range(6):
        assert (await stage.get("/", "again.half.test")).body == b"a"
        assert (await stage.ask(post("again.half.test"))).body == b"a"
    assert {message.body for message in stage["a"].requests if message.start.startswith(b"POST")} == {b"hello"}


@pytest.mark.spec("M-7")
async def test_a_reset_after_the_request_is_not_repeated(stage):
    stage["fresh"].answers([RESET])  # nobody else asks it, so there is no kept-alive connection
    assert (await stage.get("/", "again.fresh.test")).status == 502
    assert len(stage["fresh"].requests) == 1


async def test_a_reset_is_repeated_where_502_is_listed(stage):
    stage["a"].answers([RESET], answer(200, {}, b"a"))
    assert (await stage.get("/", "unavailable.a.test")).status == 200


@pytest.mark.spec("M-8")
async def test_a_status_is_repeated_for_methods_that_may_be(stage):
    stage["a"].answers(answer(503), answer(503), answer(200, {}, b"a"))
    assert (await stage.get("/", "unavailable.a.test")).status == 200
    assert len(stage["a"].requests) == 3

    stage["a"].answers(answer(503, {"X-Own": "1"}, b"no"))
    found = await stage.ask(post("unavailable.a.test"))
    assert (found.status, found.body, found.get("x-own")) == (503, b"no", "1")
    assert len(stage["a"].requests) == 4


async def test_answers_that_were_given_up_leave_no_header_and_no_connection(stage):
    for server in (stage["a"], stage["b"]):
        server.answers(
            answer(503, {"X-Lost": "1", "Set-Cookie": "lost=1"}, b"x" * 100_000), answer(200, {"X-Own": "1"}, b"good")
        )
    found = await stage.get("/", "unavailable.pair.test")
    # the other server answers the second try with its first script, so the third is the first server's again
    assert (found.status, found.body, found.get("x-own")) == (200, b"good", "1")
    assert (found.get("x-lost"), found.get("set-cookie")) == (None, None)
    assert (len(stage["a"].requests), len(stage["b"].requests)) in {(1, 2), (2, 1)}


async def test_an_answer_that_never_ends_is_let_go_of_when_it_is_given_up(stage):
    stage["a"].answers(
        [b"HTTP/1.1 503 Unavailable\r\nContent-Length: 100000\r\n\r\nhalf", 0.02, b"x"], answer(200, {}, b"a")
    )
    assert (await stage.get("/", "unavailable.a.test")).body == b"a"
    await eventually(lambda: stage["a"].open <= 1, "the connection is closed")


async def test_a_second_server_is_asked_before_the_same_again(stage):
    stage["a"].answers(answer(503))
    for _ in range(6):
        assert (await stage.get("/", "unavailable.pair.test")).body == b"b"


async def test_a_body_that_is_still_coming_reaches_the_next_server_whole(stage):
    stage["a"].answers([*answer(503), BODY], [BODY, *answer(200, {}, b"a")])
    async with stage.connect() as client:
        await client.send(head("POST / HTTP/1.1", "Host: all.a.test", "Transfer-Encoding: chunked") + b"5\r\nfirst\r\n")
        await stage["a"].received(2)
        await client.send(b"6\r\n, last\r\n0\r\n\r\n")
        assert (await client.message()).body == b"a"
    assert stage["a"].last.body == b"first, last"
    assert stage["a"].last.get("transfer-encoding") == "chunked"


@pytest.mark.parametrize(("size", "status", "count"), [(200_000, 200, 2), (200_001, 503, 1)])
async def test_a_body_is_sent_again_up_to_the_limit(stage, size, status, count):
    stage["a"].answers(answer(503), answer(200, {}, b"a"))
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)
    found = await stage.ask(head("POST / HTTP/1.1", "Host: all.a.test", "Transfer-Encoding: chunked", body=body))
    assert (found.status, len(stage["a"].requests)) == (status, count)
    assert all(message.body == b"x" * size for message in stage["a"].requests)


async def test_what_comes_after_it_is_done_anew(stage):
    stage["a"].answers(answer(503), answer(200, {}, b"a"))
    stage["b"].answers(answer(503), answer(200, {}, b"b"))
    assert (await stage.get("/x", "prefixed.test")).status == 200
    seen = stage["a"].requests + stage["b"].requests
    assert [(message.target, message.get_all("x-in")) for message in seen] == [(b"/p/x", ["1"])] * 3


async def test_no_available_server_is_no_network_error(stage):
    begun = time.monotonic()
    assert (await stage.get("/", "patiently.none.test")).status == 503
    assert time.monotonic() - begun < 5


async def test_a_retry_budget_ends_it(stage):
    stage["a"].answers(answer(503))
    stage["b"].answers(answer(503))
    assert (await stage.get("/", "unavailable.capped.test")).status == 503
    assert len(stage["a"].requests) + len(stage["b"].requests) == 1


@pytest.mark.spec("M-101")
async def test_tries_are_spread_and_the_timeout_ends_them(stage):
    begun = time.monotonic()
    assert (await stage.get("/", "slowly.dead.test")).status == 502
    whole = time.monotonic() - begun
    begun = time.monotonic()
    assert (await stage.get("/", "briefly.dead.test")).status == 502
    assert 0.35 < whole < 3
    assert time.monotonic() - begun < min(whole, 0.3 + 1)


@pytest.mark.spec("M-102")
async def test_one_that_could_never_do_anything_closes_its_routers(stage):
    assert (await stage.get("/", "nothing.a.test")).status == 404
    assert "requires at least HTTP status codes or retry on TCP" in stage.gateway.log()


async def test_a_client_that_leaves_while_it_waits_ends_it(stage):
    async with stage.connect() as client:
        await client.send(head("GET / HTTP/1.1", "Host: patiently.dead.test"))
    assert (await stage.get("/", "again.a.test")).status == 200


async def test_early_hints_reach_the_client_where_the_answer_will_be_kept(stage):
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    for host, seen in [("again.a.test", 1), ("unavailable.a.test", 0)]:
        stage["a"].answers([hint, *answer(200, {}, b"a")])
        async with stage.connect() as client:
            await client.send(head("GET / HTTP/1.1", f"Host: {host}"))
            if seen:
                assert (await client.head()).status == 103
            assert (await client.message()).status == 200


async def test_an_upgrade_goes_through(stage):
    stage["a"].answers(answer(503), upgrade("echo"))
    async with stage.connect() as client:
        await client.send(head("GET / HTTP/1.1", "Host: unavailable.a.test", "Connection: Upgrade", "Upgrade: echo"))
        assert (await client.head()).status == 101
        await client.send(b"hello")
        assert await client.exactly(5) == b"hello"
