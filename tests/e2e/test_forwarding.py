"""What of a request and an answer goes on, over connections that are kept (routing.md section 6.3, 6.5, 6.8)."""

import asyncio

import pytest
import pytest_asyncio

from pointsman.testing import BODY, CLOSE, PIPE, answer, chunked, connect, eventually

from .stage import head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

REPEATABLE = ["GET", "HEAD", "OPTIONS", "TRACE"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(lambda urls: routed({"all": "PathPrefix(`/`)"}, urls), servers=["a"]) as stage:
        yield stage


@pytest.fixture(autouse=True)
def fresh(stage):
    stage.reset()


@pytest.mark.spec("R-10")
async def test_hop_by_hop_headers_stay_behind(stage):
    seen = await stage.seen(
        head(
            "GET / HTTP/1.1",
            "Host: a.test",
            "Connection: X-Foo",
            "X-Foo: 1",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "Proxy-Authorization: Basic eA==",
            "TE: trailers, deflate",
            "X-Bar: 1",
        )
    )

    assert sorted(name for name, _ in seen.headers if not name.startswith(b"X-Forwarded")) == [
        b"Host",
        b"Te",
        b"X-Bar",
        b"X-Real-Ip",
    ]
    assert seen.get("te") == "trailers"


@pytest.mark.spec("R-66")
@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        *((head(f"{method} /x HTTP/1.1", "Host: a.test"), 200) for method in REPEATABLE),
        (head("POST /x HTTP/1.1", "Host: a.test", "Idempotency-Key: 1", "Content-Length: 0"), 200),
        (head("POST /x HTTP/1.1", "Host: a.test", "X-Idempotency-Key: 1"), 200),
        (head("POST /x HTTP/1.1", "Host: a.test", "Content-Length: 0"), 502),
        (head("DELETE /x HTTP/1.1", "Host: a.test"), 502),
        (head("PUT /x HTTP/1.1", "Host: a.test", "Content-Length: 2", body=b"hi"), 502),
        (head("GET /x HTTP/1.1", "Host: a.test", "Content-Length: 2", body=b"hi"), 502),
        (head("POST /x HTTP/1.1", "Host: a.test", "Idempotency-Key: 1", "Content-Length: 2", body=b"hi"), 502),
    ],
    ids=lambda value: value.split(b"\r\n\r\n")[0].replace(b"\r\n", b" ").decode()[:70] if isinstance(value, bytes) else "",
)
async def test_a_request_on_a_kept_connection_that_turns_out_dead_is_repeated_if_it_may_be(stage, request_head, status):
    """The server closes when the second request reaches it: the gateway cannot have known."""
    async with stage.connect() as client:
        stage["a"].answers(answer(200, {}, b"first"), [CLOSE], answer(200, {}, b"again"))
        assert (await client.get("/first")).body == b"first"
        got = await client.ask(request_head)

    assert got.status == status
    assert len(stage["a"].requests) == (3 if status == 200 else 2)


@pytest.mark.spec("R-71")
async def test_trailers_arrive_announced_or_not(stage):
    stage["a"].answers(chunked([b"body"], {"Trailer": "X-T"}, {"X-T": "1", "X-U": "2"}))

    answered = await stage.get("/")

    assert answered.body == b"body"
    assert sorted(answered.trailers) == [(b"X-T", b"1"), (b"X-U", b"2")]


async def test_request_trailers_arrive_too(stage):
    request = head("POST / HTTP/1.1", "Host: a.test", "Trailer: X-T", "Transfer-Encoding: chunked")
    seen = await stage.seen(request + b"2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n")

    assert (seen.body, seen.trailers) == (b"hi", [(b"X-T", b"1")])


@pytest.mark.spec("R-72")
async def test_every_piece_of_a_stream_arrives_when_it_is_sent(stage):
    gates = [asyncio.Event() for _ in range(5)]
    stage["a"].answers(chunked([part for gate in gates for part in (b"piece", gate)]))

    async with stage.connect() as client:
        await client.send(head("GET / HTTP/1.1", "Host: a.test"))
        assert (await client.head()).get("transfer-encoding") == "chunked"
        for gate in gates:
            assert await client.until(b"piece\r\n") == b"5\r\npiece\r\n"
            gate.set()
        assert await client.until(b"0\r\n\r\n")


@pytest.mark.spec("R-72")
async def test_pieces_of_a_body_of_known_length_travel_together_but_do_not_wait_for_its_end(stage):
    gate = asyncio.Event()
    stage["a"].answers([b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", b"a", b"b", b"c", gate, b"def"])

    async with stage.connect() as client:
        await client.send(head("GET / HTTP/1.1", "Host: a.test"))
        await client.head()
        assert await client.exactly(3) == b"abc"
        gate.set()
        assert await client.exactly(3) == b"def"


@pytest.mark.spec("R-73")
async def test_an_answer_that_breaks_off_breaks_off_for_the_client(stage):
    stage["a"].answers([b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", CLOSE])

    async with stage.connect() as client:
        await client.send(head("GET / HTTP/1.1", "Host: a.test"))
        assert (await client.head()).status == 200
        assert await client.rest() == b"hello"


@pytest.mark.spec("R-69")
async def test_interim_answers_arrive_before_the_answer(stage):
    stage["a"].answers([b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n", *answer(200, {}, b"ok")])

    answered = await stage.get("/")

    assert [(hint.status, hint.get("link")) for hint in answered.interim] == [(103, "</a.css>")]
    assert (answered.status, answered.body, answered.get("link")) == (200, b"ok", None)


EXPECTING = head("POST / HTTP/1.1", "Host: a.test", "Expect: 100-continue", "Content-Length: 5")


@pytest.mark.spec("R-70")
async def test_a_client_that_expects_leave_gets_the_servers(stage):
    stage["a"].answers([b"HTTP/1.1 100 Continue\r\n\r\n", BODY, *answer(200, {}, b"ok")])

    async with stage.connect() as client:
        await client.send(EXPECTING)
        assert (await client.head()).status == 100
        await client.send(b"hello")
        assert (await client.message()).status == 200
    assert (stage["a"].last.get("expect"), stage["a"].last.body) == ("100-continue", b"hello")


@pytest.mark.spec("R-70")
async def test_a_refusal_reaches_a_client_that_has_not_sent_its_body(stage):
    stage["a"].answers([*answer(417, {}, b"no"), CLOSE, BODY])

    answered = await stage.ask(EXPECTING)

    assert (answered.status, answered.body, answered.interim) == (417, b"no", [])


@pytest.mark.spec("R-70")
async def test_an_expectation_of_something_else_is_refused_here(stage):
    answered = await stage.ask(EXPECTING.replace(b"100-continue", b"foo"))

    assert answered.status == 417
    assert stage["a"].requests == []


@pytest.mark.spec("R-7")
async def test_a_client_that_leaves_takes_its_request_with_it(stage):
    stage["a"].answers([PIPE])
    async with connect(stage.gateway.port()) as client:
        await client.send(head("GET /left HTTP/1.1", "Host: a.test"))
        await stage["a"].received(1)
        open_before = stage["a"].open

    await eventually(lambda: stage["a"].open < open_before, "the connection to the server is closed")
