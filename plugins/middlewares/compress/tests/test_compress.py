import gc
import gzip
import json
import zlib
from typing import Any

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Body, Exchange, Response
from pointsman.errors import ConfigError, GatewayError
from pointsman.testing import a_chain, a_request, build
from pointsman_compress import Compress
from pointsman_compress.encoders import ENCODERS, Encoding

DECODED = {
    b"gzip": gzip.decompress,
    b"br": brotli.decompress,
    b"zstd": lambda content: zstandard.ZstdDecompressor().decompressobj().decompress(content),
}
TEXT = {"Content-Type": "text/plain"}
CONTENT = b"some words, " * 200
EVERY = pytest.mark.parametrize("name", ["gzip", "br", "zstd"])


class Source:
    def __init__(self) -> None:
        self.log: list[str] = []

    def pause_reading(self) -> None:
        self.log.append("pause")

    def resume_reading(self) -> None:
        self.log.append("resume")

    def abandon(self) -> None:
        self.log.append("abandon")


class Sink:
    def __init__(self) -> None:
        self.log: list[Any] = []

    def write(self, chunk: bytes) -> None:
        self.log.append(chunk)

    def end(self, trailers: Any) -> None:
        self.log.append(trailers)

    def fail(self, error: Exception) -> None:
        self.log.append(error)


def answered(headers=TEXT, body=CONTENT, status=200):
    lines = [(name.lower().encode(), value.encode()) for name, value in dict(headers).items()]
    return Response(status, lines, body)


async def through(response, config=None, accept: str | None = "gzip", method="GET", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = a_request(method, headers={**({} if accept is None else {"Accept-Encoding": accept}), **headers})
    return await build(Compress, config)(request, lambda request: response)


def plain(response):
    return response.headers.get(b"content-encoding") is None


@EVERY
async def test_a_whole_content_is_encoded_whole(name):
    response = await through(answered({**TEXT, "Content-Length": "2400"}), accept=name)

    assert response.headers.raw == [
        (b"vary", b"Accept-Encoding"),
        (b"content-type", b"text/plain"),
        (b"content-encoding", name.encode()),
    ]
    assert response.content is not None
    assert len(response.content) < 100
    assert DECODED[name.encode()](response.content) == CONTENT


@EVERY
@given(st.lists(st.binary(max_size=300) | st.binary(max_size=8).map(lambda piece: piece * 500)), st.booleans())
async def test_any_chunks_decode_to_the_same(name, chunks, flushing):
    exchange, encoder = Exchange(), ENCODERS[name.encode()]
    encoding = Encoding(encoder.stream(), exchange, flushing)
    pieces = [encoding.write(chunk) for chunk in chunks]
    last, trailers = encoding.end([(b"a", b"b")])
    content = b"".join(chunks)

    assert DECODED[name.encode()](b"".join(pieces) + last) == content
    assert (trailers, exchange.origin_bytes) == ([(b"a", b"b")], len(content))


@EVERY
@given(chunks=st.lists(st.binary(min_size=1, max_size=300), min_size=1))
async def test_what_is_flushed_can_be_read_at_once(name, chunks):
    decoder: Any = {
        "gzip": lambda: zlib.decompressobj(31).decompress,
        "br": lambda: brotli.Decompressor().process,
        "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
    }[name]()
    encoding = Encoding(ENCODERS[name.encode()].stream(), Exchange(), True)

    for chunk in chunks:
        assert decoder(encoding.write(chunk)) == chunk


@EVERY
async def test_streams_of_one_kind_do_not_disturb_each_other(name):
    encoder = ENCODERS[name.encode()]
    streams = [encoder.stream() for _ in range(3)]
    pieces = [[stream.write(b"%d" % number * 1000)] for number, stream in enumerate(streams)]
    encoder.whole(CONTENT)
    for number, stream in enumerate(streams):
        pieces[number] += [stream.write(b"end"), stream.finish()]

    assert [DECODED[encoder.name](b"".join(piece)) for piece in pieces] == [b"%d" % n * 1000 + b"end" for n in range(3)]


# how a body goes


def streaming(length=None, headers=TEXT):
    source, sink = Source(), Sink()
    body = Body(source, length)
    return body, answered(headers, body), source, sink


@EVERY
async def test_a_body_of_unknown_length_is_encoded_and_flushed_piece_by_piece(name):
    body, response, _, sink = streaming()
    (await through(response, accept=name)).body.attach(sink)
    body.feed(b"first")
    body.feed(b"second")
    assert len(sink.log) == 2
    body.end([(b"x-t", b"1")])

    assert sink.log[-1] == [(b"x-t", b"1")]
    assert DECODED[name.encode()](b"".join(sink.log[:-1])) == b"firstsecond"


@EVERY
async def test_a_body_of_known_length_is_encoded_for_size(name):
    body, response, _, sink = streaming(2400)
    response = await through(response, accept=name)
    assert response.body.length is None
    response.body.attach(sink)
    body.feed(CONTENT[:1200])
    body.feed(CONTENT[1200:])
    assert len(b"".join(sink.log)) < 30
    body.end()

    assert DECODED[name.encode()](b"".join(sink.log[:-1])) == CONTENT


async def test_an_event_stream_is_flushed_though_its_length_is_known():
    body, response, _, sink = streaming(5000, {"Content-Type": "Text/Event-Stream; charset=utf-8"})
    (await through(response)).body.attach(sink)
    body.feed(b"data: 1\n\n")

    assert zlib.decompressobj(31).decompress(sink.log[0]) == b"data: 1\n\n"


async def test_much_content_is_encoded_in_slices():
    content = json.dumps(list(range(100_000))).encode()
    response = await through(answered(body=content), accept="br")

    assert response.content is None
    assert brotli.decompress(await response.body.read(10**6)) == content


async def test_a_slow_client_pauses_the_service_and_a_failure_gets_through():
    body, response, source, sink = streaming()
    encoded = (await through(response)).body
    encoded.attach(sink)
    encoded.pause()
    encoded.resume()
    error = GatewayError(502)
    body.fail(error)

    assert source.log == ["pause", "resume"]
    assert sink.log == [error]


@pytest.mark.parametrize("ending", ["end", "fail", "abandon"])
async def test_the_encoder_is_released_at_every_ending(ending):
    before = encodings()
    body, response, _, sink = streaming()
    encoded = (await through(response)).body
    encoded.attach(sink)
    body.feed(b"x")
    assert encodings() == before + 1
    {"end": body.end, "fail": lambda: body.fail(GatewayError(502)), "abandon": encoded.abandon}[ending]()

    assert encodings() == before
    assert response is not None


def encodings():
    gc.collect()
    return sum(type(thing) is Encoding for thing in gc.get_objects())


async def test_origin_bytes_are_those_of_the_plain_body():
    request = a_request(headers={"Accept-Encoding": "gzip"})
    await build(Compress)(request, lambda request: answered())

    assert request.exchange.origin_bytes == len(CONTENT)


# what decides


@pytest.mark.spec("M-11")
@pytest.mark.parametrize(("size", "is_plain"), [(1023, True), (1024, False)])
async def test_a_body_below_the_limit_stays_plain(size, is_plain):
    response = await through(answered(body=b"x" * size))

    assert (plain(response), response.headers.get_all(b"vary")) == (is_plain, [b"Accept-Encoding"])


@pytest.mark.parametrize(("limit", "size", "is_plain"), [(10, 9, True), (10, 10, False), (0, 1000, True), (-5, 1024, False)])
async def test_the_limit_can_be_set_and_nothing_means_1024(limit, size, is_plain):
    assert plain(await through(answered(body=b"x" * size), {"minResponseBodyBytes": limit})) is is_plain


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Encoding": "gzip"},
        {"Content-Range": "bytes 0-2399/9999"},
        {"Cache-Control": "public, No-Transform"},
        {"Content-Type": "Application/gRPC"},
    ],
)
@EVERY
async def test_what_must_not_be_encoded_stays_as_it_is(headers, name):
    headers = {"ETag": '"a"', "Accept-Ranges": "bytes", **headers}
    response = await through(answered(headers), accept=name)

    assert response.content == CONTENT
    assert response.headers.raw == [(b"vary", b"Accept-Encoding"), *answered(headers).headers.raw]


async def test_a_multipart_answer_with_ranges_stays_plain():
    assert plain(await through(answered({"Content-Type": "multipart/byteranges; boundary=x"}, status=206)))


@pytest.mark.spec("M-78")
@pytest.mark.parametrize(
    ("method", "status", "vary"), [("HEAD", 200, []), ("GET", 204, [b"Accept-Encoding"]), ("GET", 304, [b"Accept-Encoding"])]
)
async def test_where_there_is_no_body_there_is_no_encoding(method, status, vary):
    response = await through(answered(body=b"", status=status), method=method)

    assert plain(response)
    assert response.headers.get_all(b"vary") == vary


async def test_an_empty_body_stays_empty():
    body = Body(Source())
    body.end()
    assert plain(await through(answered(body=b"")))
    assert plain(await through(answered(body=body)))


async def test_an_upgrade_is_left_alone():
    response = await through(Response(101, [(b"upgrade", b"websocket")]))

    assert response.headers.raw == [(b"upgrade", b"websocket")]


async def test_an_error_of_the_service_is_encoded_as_well():
    assert not plain(await through(answered(status=500)))


async def test_the_answer_to_an_error_of_the_gateway_varies_too():
    def failing(request):
        raise GatewayError(502)

    with pytest.raises(GatewayError) as caught:
        await build(Compress)(a_request(headers={"Accept-Encoding": "gzip"}), failing)
    response = Response.plain(502)
    caught.value.amendments[0](response)

    assert response.headers.raw == [(b"vary", b"Accept-Encoding")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Origin", [b"Accept-Encoding", b"Origin"]),
        ("Origin, accept-encoding", [b"Origin, accept-encoding"]),
        ("*", [b"*"]),
    ],
)
async def test_vary_names_accept_encoding_once(before, after):
    assert (await through(answered({**TEXT, "Vary": before}))).headers.get_all(b"vary") == after


@EVERY
@pytest.mark.parametrize(("etag", "weak"), [('"a"', b'W/"a"'), ('W/"a"', b'W/"a"')])
async def test_what_is_not_true_of_an_encoded_body_goes(name, etag, weak):
    headers = {**TEXT, "ETag": etag, "Accept-Ranges": "bytes", "Content-Digest": "sha-256=:x:", "Content-Length": "2400"}
    response = await through(answered(headers), accept=name)

    assert response.headers.raw == [
        (b"vary", b"Accept-Encoding"),
        (b"content-type", b"text/plain"),
        (b"etag", weak),
        (b"content-encoding", name.encode()),
    ]


# types


@pytest.mark.spec("M-82")
@EVERY
async def test_only_included_types_are_encoded(name):
    config = {"includedContentTypes": ["application/json; charset=x"]}

    assert not plain(await through(answered({"Content-Type": "Application/JSON"}), config, name))
    assert plain(await through(answered(TEXT), config, name))
    assert plain(await through(answered({"Content-Type": "nonsense"}), config, name))
    assert plain(await through(answered({"Content-Type": "application/json+x"}), config, name))


@EVERY
async def test_excluded_types_stay_plain(name):
    config = {"excludedContentTypes": ["text/html; charset=utf-8"]}

    assert plain(await through(answered({"Content-Type": "text/html"}), config, name))
    assert not plain(await through(answered({"Content-Type": "text/htmlx"}), config, name))
    assert not plain(await through(answered({"Content-Type": "nonsense"}), config, name))


@EVERY
async def test_a_missing_type_is_the_one_that_the_first_bytes_show(name):
    page = b"<html>" + CONTENT

    assert plain(await through(answered({}, page), {"excludedContentTypes": ["text/html"]}, name))
    assert not plain(await through(answered({}, page), {"includedContentTypes": ["text/html"]}, name))
    assert plain(await through(answered({}, page), {"includedContentTypes": ["text/plain"]}, name))
    assert not plain(await through(answered({}, page), accept=name))


async def test_a_body_that_is_still_coming_is_looked_at_too():
    async def chunks():
        yield b"<html>"
        yield CONTENT

    response = await through(answered({}, Body.stream(chunks())), {"includedContentTypes": ["text/html"]})

    assert gzip.decompress(await response.body.read(9999)) == b"<html>" + CONTENT


@EVERY
async def test_behind_content_type_it_says_the_type_itself(name):
    class Marking:
        def __call__(self, request, call_next):
            request.state["contentType"] = True
            return call_next(request)

    chain = a_chain([Marking(), build(Compress)], lambda request: answered({}, b"<html>" + CONTENT))
    response = await chain(a_request(headers={"Accept-Encoding": name}))

    assert response.headers.get(b"content-type") == b"text/html; charset=utf-8"
    assert not plain(response)


@pytest.mark.spec("M-80")
async def test_grpc_is_untouched_whoever_says_it():
    response = await through(answered({**TEXT}), Content_Type="application/grpc")
    assert response.headers.raw == [(b"content-type", b"text/plain")]

    assert plain(await through(answered({"Content-Type": "application/grpc"})))


async def test_a_request_of_an_excluded_type_is_passed_through():
    response = await through(answered(), {"excludedContentTypes": ["a/b"]}, Content_Type="A/B; c=d")

    assert response.headers.raw == [(b"content-type", b"text/plain")]


# the configuration


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"encodings": ["deflate"]}, r"encodings\[0\]: unsupported encoding: deflate"),
        ({"encodings": ["gzip", "GZIP"]}, r"encodings\[1\]: unsupported encoding: GZIP"),
        ({"encodings": ["gzip"], "defaultEncoding": "br"}, "defaultEncoding: unsupported default encoding: br"),
        ({"excludedContentTypes": ["a/b"], "includedContentTypes": ["c/d"]}, "mutually exclusive"),
        ({"excludedContentTypes": ["a/b", "/text"]}, r"excludedContentTypes\[1\]: '/text' is not a media type"),
        ({"includedContentTypes": ["a/b; c"]}, r"includedContentTypes\[0\]: 'a/b; c' is not"),
        ({"minResponseBodyBytes": "x"}, "minResponseBodyBytes"),
    ],
)
def test_what_cannot_be_meant_is_a_configuration_error(config, message):
    with pytest.raises(ConfigError, match=message):
        build(Compress, config)


async def test_an_empty_list_is_the_default_and_what_matches_nothing_is_warned_of(caplog):
    assert (await through(answered(), {"encodings": []}, "zstd")).headers.get(b"content-encoding") == b"zstd"
    build(Compress, {"excludedContentTypes": ["image/*", "JSON"]})

    assert "'image/*' is no type/subtype" in caplog.text
    assert "'json' is no type/subtype" in caplog.text


@pytest.mark.spec("M-84")
async def test_the_default_is_for_who_does_not_say():
    config = {"defaultEncoding": "br", "encodings": ["zstd", "br"]}

    assert (await through(answered(), config, None)).headers.get(b"content-encoding") == b"br"
    assert (await through(answered(), config, "")).headers.raw == [(b"content-type", b"text/plain")]
    assert (await through(answered(), config, "*")).headers.get(b"content-encoding") == b"br"
    assert plain(await through(answered(), None, None))
