"""buffering between real clients and servers: sizes, slowness, files, and requests sent again (middlewares.md §3.3)."""

import asyncio
import hashlib
import os
import tempfile
from pathlib import Path

import pytest
import pytest_asyncio

from pointsman.testing import CLOSE, answer, chunked, eventually, upgrade

from .stage import balancer, head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

BUFFERINGS = {
    "small": {"maxRequestBodyBytes": 10},
    "answers": {"maxResponseBodyBytes": 1000},
    "filed": {"memRequestBodyBytes": 1000, "memResponseBodyBytes": 1000},
    "again": {"retryExpression": "ResponseCode() >= 500 && Attempts() <= 2", "memRequestBodyBytes": 1000},
    "network": {"retryExpression": "IsNetworkError() && Attempts() < 2"},
    "broken": {"retryExpression": "Attempts() < 1.5"},
}


def dynamic(urls):
    rules = {name: {"rule": f"Host(`{name}.test`)", "middlewares": [name]} for name in BUFFERINGS}
    rules["network"]["service"] = "two"
    document = routed(rules, urls, two=balancer(urls["closed"], urls["a"]))
    document["http"]["middlewares"] = {name: {"buffering": options} for name, options in BUFFERINGS.items()}
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(dynamic, {"log": {"level": "INFO"}}, ["a"]) as stage:
        yield stage


def post(host, body=b"", *lines, method="POST"):
    return head(f"{method} / HTTP/1.1", f"Host: {host}.test", f"Content-Length: {len(body)}", *lines, body=body)


def in_chunks(host, *chunks, trailers=()):
    lines = head("POST / HTTP/1.1", f"Host: {host}.test", "Transfer-Encoding: chunked")
    return lines + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n" + head(*trailers)


@pytest.mark.spec("M-28")
async def test_a_request_body_above_the_limit_is_refused_and_one_of_just_the_limit_is_sent_whole(stage):
    stage.reset()
    for request in (post("small", b"0" * 11), in_chunks("small", b"0" * 6, b"0" * 5)):
        refused = await stage.ask(request)
        assert (refused.status, refused.body) == (413, b"Request Entity Too Large")
        assert refused.get("content-type") is None
    assert stage["a"].requests == []

    for request in (post("small", b"0" * 10), in_chunks("small", b"0" * 5, b"0" * 5)):
        seen = await stage.seen(request)
        assert (seen.get("content-length"), seen.get("transfer-encoding"), seen.body) == ("10", None, b"0" * 10)


async def test_a_client_that_says_how_much_it_has_is_refused_without_being_asked_for_it(stage):
    async with stage.connect() as client:
        await client.send(head("POST / HTTP/1.1", "Host: small.test", "Content-Length: 11", "Expect: 100-continue"))
        assert (await client.message()).interim == []


@pytest.mark.spec("M-99")
async def test_an_answer_comes_when_the_server_has_said_all_of_it(stage):
    go_on = asyncio.Event()
    stage.reset()
    stage["a"].answers(chunked([b"one ", go_on, b"two"]))
    async with stage.connect() as client:
        await client.send(head("GET / HTTP/1.1", "Host: answers.test"))
        await stage["a"].received(1)
        coming = asyncio.ensure_future(client.head())
        done, _ = await asyncio.wait([coming], timeout=0.15)  # nothing, for as long as anybody cares to look
        assert not done
        go_on.set()
        assert (await coming).get("content-length") == "7"
        assert await client.exactly(7) == b"one two"

    for script in (answer(200, {}, b"0" * 1001), chunked([b"0" * 500, b"0" * 501])):
        stage["a"].answers(script)
        refused = await stage.get("/", "answers.test")
        assert (refused.status, refused.body) == (500, b"Internal Server Error")
    stage["a"].answers(chunked([b"0" * 500, b"0" * 500]))
    assert (await stage.get("/", "answers.test")).status == 200


@pytest.mark.spec("M-100")
async def test_a_request_goes_again_with_its_body_while_the_expression_holds(stage):
    stage.reset()
    stage["a"].answers(answer(500))
    for body in (b"small", b"large" * 1000):
        stage["a"].requests.clear()
        assert (await stage.ask(post("again", body, method="PUT"))).status == 500
        assert [request.body for request in stage["a"].requests] == [body] * 3

    assert (await stage.get("/", "broken.test")).status == 404
    assert "http.middlewares.broken@file.buffering.retryExpression: Attempts() at column 1 is" in stage.gateway.log()


async def test_a_request_goes_to_another_server_where_one_cannot_be_reached(stage):
    stage.reset()
    assert [(await stage.get("/", "network.test")).status for _ in range(4)] == [200] * 4
    assert [(await stage.ask(post("network", b"abc"))).status for _ in range(4)] == [200] * 4
    assert {request.body for request in stage["a"].requests} == {b"", b"abc"}


async def test_an_answer_that_breaks_off_is_a_502_and_not_half_an_answer(stage):
    stage["a"].answers([b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", CLOSE])
    assert (await stage.get("/", "answers.test")).status == 502


async def test_what_is_long_goes_through_a_file_unchanged_and_leaves_none_open(stage):
    sent, received = os.urandom(3_000_000), os.urandom(3_000_000)
    stage.reset()
    stage["a"].answers(answer(200, {}, received))
    found = await stage.ask(post("filed", sent))

    assert hashlib.sha256(stage["a"].last.body).digest() == hashlib.sha256(sent).digest()
    assert hashlib.sha256(found.body).digest() == hashlib.sha256(received).digest()
    await eventually(lambda: not temporary_files(stage.gateway.process.pid), "no file is left open")


def temporary_files(pid):
    """What of it is open and has no name any more."""
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    return [link for link in links if link.endswith("(deleted)") and link.startswith(tempfile.gettempdir())]


async def test_a_client_that_leaves_while_it_sends_leaves_no_file_behind(stage):
    async with stage.connect() as client:
        await client.send(head("POST / HTTP/1.1", "Host: filed.test", "Content-Length: 9000000"), os.urandom(2_000_000))
        await eventually(lambda: temporary_files(stage.gateway.process.pid), "the body goes to a file")
        client.reset()
    await eventually(lambda: not temporary_files(stage.gateway.process.pid), "no file is left open")


async def test_a_server_is_asked_when_a_slow_client_has_sent_all(stage):
    stage.reset()
    async with stage.connect() as client:
        await client.send(head("POST / HTTP/1.1", "Host: small.test", "Content-Length: 4"), b"ab")
        assert (await stage.get("/", "small.test")).status == 200
        assert len(stage["a"].requests) == 1, "the other one has not come yet"
        await client.send(b"cd")
        assert (await client.message()).status == 200
    assert stage["a"].last.body == b"abcd"


async def test_trailers_stay_and_interim_answers_do_not(stage):
    stage["a"].answers([b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", *chunked([b"x"], trailers={"X-Sum": "7"})])
    found = await stage.ask(in_chunks("small", b"abc", trailers=["X-Own: 1"]))

    assert (found.interim, found.trailers) == ([], [(b"X-Sum", b"7")])
    assert [(name.lower(), value) for name, value in stage["a"].last.trailers] == [(b"x-own", b"1")]


async def test_an_upgrade_passes(stage):
    stage["a"].answers(upgrade())
    async with stage.connect() as client:
        await client.send(head("GET / HTTP/1.1", "Host: small.test", "Connection: Upgrade", "Upgrade: echo"))
        assert (await client.head()).status == 101
        await client.send(b"hello, is anybody there?")
        assert await client.exactly(24) == b"hello, is anybody there?"
