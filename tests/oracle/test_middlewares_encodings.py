"""compress and contentType beside the reference: what is encoded, how, and what the head says then (middlewares.md §3.6)."""

import gzip
import zlib

import brotli
import pytest_asyncio
import zstandard
from attrs import frozen

from pointsman.testing import answer, chunked

from .harness import ANSWER, ORACLE, Case, arena_of, balancer, both_agree, raw

pytestmark = ORACLE

TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}
LONG = b"some words, " * 200
PNG = b"\x89PNG\r\n\x1a\n" + LONG
DECODED = {
    b"gzip": gzip.decompress,
    b"br": brotli.decompress,
    b"zstd": lambda content: zstandard.ZstdDecompressor().decompressobj().decompress(content),
}
MIDDLEWARES = {
    "all": {"compress": {}},
    "default": {"compress": {"defaultEncoding": "br", "encodings": ["zstd", "br"]}},
    "default-gzip": {"compress": {"defaultEncoding": "gzip"}},
    "small": {"compress": {"minResponseBodyBytes": 5}},
    "only-json": {"compress": {"includedContentTypes": ["application/json; charset=utf-8"]}},
    "no-pages": {"compress": {"excludedContentTypes": ["text/html", "Image/PNG"]}},
    "typed": {"contentType": {}},
    "untyped": {"contentType": {"autoDetect": False}},
    "deflate": {"compress": {"encodings": ["deflate"]}},
    "both": {"compress": {"includedContentTypes": ["a/b"], "excludedContentTypes": ["c/d"]}},
    "no-subtype": {"compress": {"includedContentTypes": ["text"]}},
    "no-type": {"compress": {"includedContentTypes": ["/plain"]}},
    "no-default": {"compress": {"encodings": ["gzip"], "defaultEncoding": "br"}},
}
LISTS = {**{name: [name] for name in MIDDLEWARES}, "typed-all": ["typed", "all"], "all-typed": ["all", "typed"]}


@frozen
class Encoded(Case):
    """A case whose body is compared as it was before it was encoded: no two encoders give the same bytes."""

    async def play(self, arena, running):
        aspects = await super().play(arena, running)
        encodings = aspects.get("header:content-encoding", [])
        if encodings and isinstance(aspects.get("body"), bytes):
            decode = DECODED.get(encodings[0][1])
            try:
                aspects["body"] = decode(aspects["body"]) if decode else aspects["body"]
            except (OSError, zlib.error):  # it was not encoded by a gateway
                return aspects
            if "header:content-length" in aspects:
                aspects["header:content-length"] = "shorter"
        return aspects


def ask(name, host, accept, script, *lines, method="GET"):
    accepted = [accept] if isinstance(accept, str) else accept or []
    request = raw(f"{method} / HTTP/1.1", f"Host: {host}.test", *(f"Accept-Encoding: {line}" for line in accepted), *lines)

    return Encoded(f"encodings/{name}", [request, ANSWER], [script])


def said(body=LONG, headers=TEXT, status=200):
    return answer(status, headers, body)


CASES = [
    ask("gzip", "all", "gzip", said()),
    ask("brotli", "all", "br", said()),
    ask("zstd", "all", "zstd", said()),
    ask("servers-order", "all", "zstd, br, gzip", said()),
    ask("weights", "all", "gzip;q=0.5, br;q=0.8", said()),
    ask("weight-zero", "all", "gzip;q=0, br;q=0.1", said()),
    ask("weight-unreadable", "all", "gzip;q=x, br", said()),
    ask("identity-first", "all", "identity, br;q=0.5", said()),
    ask("unknown", "all", "deflate, sdch", said()),
    ask("empty", "all", "", said()),
    ask("upper-case", "all", "GZIP", said()),
    ask("second-line", "all", ["deflate", "br"], said()),
    ask("second-line-gzip", "all", ["deflate", "gzip"], said()),
    ask("star", "all", "*", said()),
    ask("star-and-default", "default", "*", said()),
    ask("default", "default", None, said()),
    ask("default-not-for-the-empty", "default", "", said()),
    ask("default-gzip", "default-gzip", None, said()),
    ask("head", "all", "gzip", said(b""), method="HEAD"),
    ask("no-content", "all", "br", answer(204)),
    ask("not-modified", "all", "br", answer(304, {"ETag": '"a"'})),
    ask("nothing", "all", "br", said(b"")),
    ask("below-the-limit", "all", "br", said(b"x" * 1023)),
    ask("at-the-limit", "all", "br", said(b"x" * 1024)),
    ask("own-limit", "small", "br", said(b"hello")),
    ask("chunked-and-short", "all", "br", chunked([b"x" * 300, b"y" * 200], TEXT)),
    ask("chunked-and-short-gzip", "all", "gzip", chunked([b"x" * 300, b"y" * 200], TEXT)),
    ask("events", "all", "gzip", chunked([b"data: 1\n\n", b"data: 2\n\n"], {"Content-Type": "text/event-stream"})),
    ask("error-of-the-server", "all", "gzip", said(status=500)),
    ask("image", "all", "gzip", said(PNG, {"Content-Type": "image/png"})),
    ask("already", "all", "gzip", said(LONG, {**TEXT, "Content-Encoding": "x-own"})),
    ask("range", "all", "gzip", said(LONG, {**TEXT, "Content-Range": "bytes 0-2399/9999"}, 206)),
    ask("range-brotli", "all", "br", said(LONG, {**TEXT, "Content-Range": "bytes 0-2399/9999"}, 206)),
    ask("etag", "all", "gzip", said(LONG, {**TEXT, "ETag": '"a"', "Accept-Ranges": "bytes"})),
    ask("etag-brotli", "all", "br", said(LONG, {**TEXT, "ETag": '"a"', "Accept-Ranges": "bytes"})),
    ask("no-transform", "all", "gzip", said(LONG, {**TEXT, "Cache-Control": "no-transform"})),
    ask("vary", "all", "gzip", said(LONG, {**TEXT, "Vary": "Origin"})),
    ask("grpc-request", "all", "gzip", said(), "Content-Type: application/grpc"),
    ask("grpc-answer", "all", "gzip", said(LONG, {"Content-Type": "application/grpc"})),
    ask("included", "only-json", "br", said(LONG, {"Content-Type": "Application/JSON; charset=x"})),
    ask("not-included", "only-json", "br", said()),
    ask("excluded", "no-pages", "gzip", said(PNG, {"Content-Type": "image/png"})),
    ask("not-excluded", "no-pages", "gzip", said(LONG, JSON)),
    ask("no-type", "all", "gzip", said(LONG, {})),
    ask("no-type-brotli", "all", "br", said(LONG, {})),
    ask("no-type-excluded", "no-pages", "gzip", said(PNG, {})),
    ask("no-type-excluded-brotli", "no-pages", "br", said(PNG, {})),
    ask("no-type-included-brotli", "only-json", "br", said(LONG, {})),
    ask("refused-deflate", "deflate", "gzip", said()),
    ask("refused-both", "both", "gzip", said()),
    ask("no-subtype", "no-subtype", "gzip", said()),
    ask("refused-type", "no-type", "gzip", said()),
    ask("refused-default", "no-default", "gzip", said()),
    ask("typed", "typed", "x", said(b"hello", {})),
    ask("typed-page", "typed", "x", said(b" <HTML>", {})),
    ask("typed-image", "typed", "x", said(PNG, {})),
    ask("typed-octets", "typed", "x", said(b"\1\2\3", {})),
    ask("typed-xml", "typed", "x", said(b"<?xml version='1.0'?>", {})),
    ask("typed-mark", "typed", "x", said(b"\xff\xfea\0", {})),
    ask("typed-font", "typed", "x", said(b"x" * 34 + b"LP", {})),
    ask("typed-already", "typed", "x", said(b"hello", JSON)),
    ask("typed-empty", "typed", "x", said(b"", {})),
    ask("typed-encoded", "typed", "x", said(b"hello", {"Content-Encoding": "x-own"})),
    ask("untyped", "untyped", "x", said(b"hello", {})),
    ask("typed-then-encoded", "typed-all", "gzip", said(b"<html>" + LONG, {})),
    ask("typed-then-encoded-brotli", "typed-all", "br", said(b"<html>" + LONG, {})),
    ask("encoded-then-typed", "all-typed", "gzip", said(b"<html>" + LONG, {})),
]


def dynamic(url, closed):
    routers = {
        name: {"rule": f"Host(`{name}.test`)", "middlewares": middlewares, "service": "echo"}
        for name, middlewares in LISTS.items()
    }
    return {"http": {"routers": routers, "middlewares": MIDDLEWARES, "services": {"echo": balancer(url)}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic) as arena:
        yield arena


@both_agree(CASES)
async def test_both_encode_the_same(arena, case):
    await arena.compare(case)
