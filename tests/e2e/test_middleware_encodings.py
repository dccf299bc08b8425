"""Answers encoded on their way, and typed by their first bytes, over real sockets (middlewares.md §3.6, §3.7)."""

import asyncio
import gzip
import json
import os
import zlib

import brotli
import pytest
import pytest_asyncio
import zstandard

from pointsman.testing import CLOSE, answer, chunked, eventually, upgrade

from .stage import head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = {"Content-Type": "text/plain"}
EVENTS = {"Content-Type": "text/event-stream"}
KINDS = {
    "small": {"compress": True},
    "no-events": {"compress": {"excludedContentTypes": ["text/event-stream"]}},
    "pages": {"compress": {"includedContentTypes": ["text/html"]}},
    "typed": {"contentType": {}},
    "deflate": {"compress": {"encodings": ["deflate"]}},
    "both": {"compress": {"includedContentTypes": ["a/b"], "excludedContentTypes": ["c/d"]}},
}
DECODED = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda content: zstandard.ZstdDecompressor().decompressobj().decompress(content),
}
DECODERS = {
    "gzip": lambda: zlib.decompressobj(31).decompress,
    "br": lambda: brotli.Decompressor().process,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
}


def dynamic(urls):
    lists = {**{name: [name] for name in KINDS}, "plain": [], "typed-small": ["typed", "small"]}
    rules = {name: {"rule": f"Host(`{name}.test`)", "middlewares": middlewares} for name, middlewares in lists.items()}
    document = routed(rules, urls)
    document["http"]["middlewares"] = KINDS
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(dynamic, servers=["a"]) as stage:
        yield stage


async def asked(stage, script, accept="gzip, br, zstd", host="small"):
    stage["a"].answers(script)
    return await stage.get("/", f"{host}.test", **({"Accept-Encoding": accept} if accept is not None else {}))


async def a_chunk(client):
    """The next chunk of a chunked body."""
    size = int((await client.until(b"\r\n")).strip(), 16)
    return (await client.exactly(size + 2))[:-2]


@pytest.mark.spec("M-9", "M-10")
@pytest.mark.parametrize(("accept", "name"), [("gzip, br, zstd", "gzip"), ("gzip;q=0.5, br;q=0.8", "br"), ("zstd", "zstd")])
async def test_the_client_gets_what_it_likes_best(stage, accept, name):
    found = await asked(stage, answer(200, TEXT, b"x" * 2000), accept)

    assert (found.get("content-encoding"), found.get_all("vary")) == (name, ["Accept-Encoding"])
    assert DECODED[name](found.body) == b"x" * 2000
    assert found.get("content-length") == str(len(found.body))


@pytest.mark.spec("M-79")
async def test_what_is_encoded_is_untouched(stage):
    body = gzip.compress(b"x" * 2000 + bytes(range(256)) * 8)
    found = await asked(stage, answer(200, {**TEXT, "Content-Encoding": "gzip", "ETag": '"a"'}, body))

    assert (found.body, found.get_all("content-encoding"), found.get("etag")) == (body, ["gzip"], '"a"')


@pytest.mark.spec("M-85")
@pytest.mark.parametrize("name", DECODED)
async def test_a_short_body_of_unknown_length_is_encoded(stage, name):
    found = await asked(stage, chunked([b"x" * 300, b"y" * 200], TEXT, {"X-Sum": "1"}), name)

    assert (found.get("content-encoding"), found.get("content-length")) == (name, None)
    assert DECODED[name](found.body) == b"x" * 300 + b"y" * 200
    assert found.trailers == [(b"X-Sum", b"1")]


@pytest.mark.spec("M-81")
@pytest.mark.parametrize(("host", "name"), [("small", "gzip"), ("small", "br"), ("small", "zstd"), ("no-events", None)])
async def test_each_event_arrives_before_the_next_is_sent(stage, host, name):
    taken = [asyncio.Event() for _ in range(3)]
    events = [b"data: %d\n\n" % number for number in range(3)]
    stage["a"].answers(chunked([step for pair in zip(events, taken, strict=True) for step in pair], EVENTS))
    decoded = DECODERS[name]() if name else lambda chunk: chunk
    async with stage.connect() as client:
        await client.send(head("GET / HTTP/1.1", f"Host: {host}.test", f"Accept-Encoding: {name or 'gzip'}"))
        assert (await client.head()).get("content-encoding") == name
        for event, seen in zip(events, taken, strict=True):
            assert decoded(await a_chunk(client)) == event
            seen.set()


async def test_much_is_encoded_on_its_way(stage):
    content = json.dumps(list(range(400_000))).encode()
    pieces = [content[at : at + 100_000] for at in range(0, len(content), 100_000)]
    for name, script in (
        ("br", answer(200, TEXT, content)),
        ("zstd", chunked(pieces, TEXT)),
        ("gzip", chunked(pieces, TEXT)),
    ):
        found = await asked(stage, script, name)

        assert DECODED[name](found.body) == content
        assert len(found.body) < len(content) / 2


async def test_a_broken_answer_is_broken_for_the_client_too(stage):
    for script in (chunked([b"x" * 5000], TEXT)[:-1], answer(200, TEXT, b"x" * 5000)):
        stage["a"].answers([script[0][:-1000] if len(script) == 1 else script[0] + script[1], CLOSE])
        async with stage.connect() as client:
            await client.send(head("GET / HTTP/1.1", "Host: small.test", "Accept-Encoding: gzip"))
            await client.head()
            assert not (await client.rest()).endswith(b"0\r\n\r\n")


async def test_a_client_that_reads_nothing_stops_the_server_and_frees_it_when_it_leaves(stage):
    pieces = [os.urandom(65536)] * 1000
    sent = []

    def script(request):
        for step in chunked(pieces, TEXT):
            yield step
            sent.append(len(step))

    stage["a"].answers(script)
    async with stage.connect() as client:
        await client.send(head("GET / HTTP/1.1", "Host: small.test", "Accept-Encoding: gzip"))
        await client.head()
        await a_chunk(client)
        before = stage["a"].open
    await eventually(lambda: stage["a"].open < before)
    assert len(sent) < len(pieces)


async def test_vary_stays_after_an_interim_answer(stage):
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    found = await asked(stage, [early, *answer(200, TEXT, b"x" * 2000)])

    assert [message.status for message in found.interim] == [103]
    assert (found.get("vary"), found.get("content-encoding")) == ("Accept-Encoding", "gzip")


async def test_an_upgrade_passes(stage):
    stage["a"].answers(upgrade())
    async with stage.connect() as client:
        await client.send(
            head("GET / HTTP/1.1", "Host: small.test", "Accept-Encoding: gzip", "Connection: upgrade", "Upgrade: echo")
        )
        assert (await client.head()).status == 101
        await client.send(b"hello")
        assert await client.exactly(5) == b"hello"


@pytest.mark.spec("M-83")
@pytest.mark.parametrize("host", ["deflate", "both"])
async def test_a_middleware_that_cannot_be_meant_closes_its_router(stage, host):
    assert (await asked(stage, answer(200), host=host)).status == 404
    assert "unsupported encoding: deflate" in stage.gateway.log()
    assert "mutually exclusive" in stage.gateway.log()


# contentType


@pytest.mark.spec("M-86")
async def test_an_answer_without_a_type_gets_one_only_from_the_middleware(stage):
    script = answer(200, {}, b"hello")

    assert (await asked(stage, script, host="typed")).get("content-type") == "text/plain; charset=utf-8"
    assert (await asked(stage, script, host="plain")).get("content-type") is None


@pytest.mark.parametrize("host", ["typed", "pages"])
async def test_first_bytes_that_come_after_the_head_are_waited_for_and_the_rest_is_not(stage, host):
    seen = asyncio.Event()
    start, first, *rest = chunked([b"<html>first", seen, b"second"])
    stage["a"].answers([start, 0.02, first, *rest])
    async with stage.connect() as client:
        await client.send(head("GET / HTTP/1.1", f"Host: {host}.test", "Accept-Encoding: gzip"))
        found = await client.head()
        chunk = await a_chunk(client)
        seen.set()
    if host == "typed":
        assert (found.get("content-type"), chunk) == ("text/html; charset=utf-8", b"<html>first")
    else:
        assert zlib.decompressobj(31).decompress(chunk) == b"<html>first"


async def test_a_stream_that_is_silent_at_first_is_seen_to_be_open(stage):
    seen = asyncio.Event()
    stage["a"].answers(chunked([seen, b"late"]))
    async with stage.connect() as client:
        await client.send(head("GET / HTTP/1.1", "Host: typed.test"))
        found = await client.head()
        seen.set()
        assert (found.status, found.get("content-type"), await a_chunk(client)) == (200, None, b"late")


@pytest.mark.parametrize("name", DECODED)
async def test_before_compress_it_says_what_the_plain_body_is(stage, name):
    found = await asked(stage, answer(200, {}, b"<html>" * 500), name, "typed-small")

    assert found.get_all("content-type") == ["text/html; charset=utf-8"]
    assert DECODED[name](found.body) == b"<html>" * 500
