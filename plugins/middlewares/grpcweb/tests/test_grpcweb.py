import base64
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Body, Response
from pointsman.errors import GatewayError, NoServer
from pointsman.testing import a_request, answering, build
from pointsman_grpcweb import GrpcWeb
from pointsman_grpcweb.framing import Decoded, FramedText, trailer_frame

MESSAGE = b"\0\0\0\0\3abc"
EMPTY = b"\x80\0\0\0\0"
STATUS = b"\x80\0\0\0\x10grpc-status: 0\r\n"
ORIGIN = {"Origin": "https://a.t"}


class Sink:
    def __init__(self) -> None:
        self.log: list[Any] = []

    def write(self, chunk: bytes) -> None:
        self.log.append(chunk)

    def end(self, trailers: Any) -> None:
        self.log.append(trailers)

    def fail(self, error: Exception) -> None:
        self.log.append(error)


def a_call(kind="application/grpc-web+proto", body=MESSAGE, **headers):
    request = a_request("POST", "http://a.example/s/M", {"Content-Type": kind, **ORIGIN, **headers}, body)
    request.exchange.attempts = 1
    return request


async def through(request, handler, allow=("*",)):
    return await build(GrpcWeb, {"allowOrigins": list(allow)})(request, handler)


def grpc(body=b"", *, headers=(), trailers=()):
    """A handler that answers as a gRPC server does, at once."""
    made = Body.of(body)
    made.length = None
    made.trailers = list(trailers)
    return lambda request: Response(200, [(b"content-type", b"application/grpc+proto"), *headers], made)


# the request


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("application/grpc-web", b"application/grpc"),
        ("application/grpc-web+proto", b"application/grpc+proto"),
        ("Application/gRPC-Web-Text+json; x=1", b"application/grpc+json; x=1"),
    ],
)
async def test_the_type_becomes_that_of_grpc(kind, sent):
    upstream = answering(200)
    await through(a_call(kind, b"", Content_Length="8", TE="x"), upstream)

    assert upstream.last.headers.get_all(b"content-type") == [sent]
    assert upstream.last.headers.get_all(b"te") == [b"trailers"]
    assert b"content-length" not in upstream.last.headers


async def test_a_binary_body_goes_on_as_it_is():
    upstream = answering(200)
    await through(a_call(), upstream)

    assert await upstream.last.body.read(100) == MESSAGE


async def test_a_text_body_is_decoded():
    upstream = answering(200)
    await through(a_call("application/grpc-web-text", base64.b64encode(MESSAGE)), upstream)

    assert await upstream.last.body.read(100) == MESSAGE


@pytest.mark.parametrize(
    "body", [b"A", b"AAA", b"AA=A", b"A===", b"AAAA=", b"!!!!", b"AA-_", b"====", b"AAAA\0\0\0\0", b"AA==A"]
)
async def test_a_text_body_that_is_no_base64_is_refused(body):
    upstream = answering(200)
    await through(a_call("application/grpc-web-text", body), upstream)

    with pytest.raises(GatewayError, match="not Base64") as caught:
        await upstream.last.body.read(100)
    assert (caught.value.status, caught.value.side) == (400, "client")


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(0, 200)), st.booleans())
def test_base64_in_any_pieces_cut_anywhere_means_the_same(pieces, cuts, lines):
    text = (b"\r\n" if lines else b"").join(base64.b64encode(piece) for piece in pieces)
    decoded, out, at = Decoded(), b"", 0
    for cut in sorted(min(cut, len(text)) for cut in cuts):
        out += decoded.write(text[at:cut])
        at = cut
        assert len(decoded._rest) < 4
    out += decoded.write(text[at:]) + decoded.end([])[0]

    assert out == b"".join(pieces)


@given(st.lists(st.binary(max_size=30)))
def test_garbage_gives_bytes_or_one_kind_of_error(chunks):
    decoded = Decoded()
    with suppress(GatewayError):
        for chunk in chunks:
            decoded.write(chunk)
        decoded.end([])


# the answer


async def test_trailers_become_the_last_frame():
    trailers = [(b"x-b", b"2"), (b"grpc-status", b"0")]
    response = await through(a_call(), grpc(MESSAGE, trailers=trailers))
    sink = Sink()
    response.body.attach(sink)

    assert response.headers.get_all(b"content-type") == [b"application/grpc-web+proto"]
    assert sink.log == [MESSAGE, b"\x80\0\0\0\x18grpc-status: 0\r\nx-b: 2\r\n", []]


async def test_a_text_answer_is_base64_in_padded_pieces():
    upstream = grpc(b"", trailers=[(b"grpc-status", b"0")])
    response = await through(a_call("application/grpc-web-text", b""), upstream)
    sink = Sink()
    response.body.attach(sink)

    assert response.headers.get(b"content-type") == b"application/grpc-web-text+proto"
    assert [base64.b64decode(piece, validate=True) for piece in sink.log[:-1]] == [STATUS]
    assert FramedText().write(MESSAGE) == base64.b64encode(MESSAGE) == b"AAAAAANhYmM="


async def test_an_answer_of_only_trailers_keeps_its_head_and_ends_with_an_empty_frame():
    headers = [(b"content-type", b"application/grpc"), (b"grpc-status", b"5"), (b"content-length", b"0")]
    response = await through(a_call(), lambda request: Response(200, headers))

    assert response.content == EMPTY
    assert response.headers.raw[:2] == [(b"content-type", b"application/grpc-web"), (b"grpc-status", b"5")]
    assert b"content-length" not in response.headers


async def test_scripts_may_read_every_header():
    response = await through(a_call(), grpc(headers=[(b"x-a", b"1"), (b"x-a", b"2"), (b"grpc-status", b"0")]))

    assert response.headers.get_all(b"access-control-expose-headers") == [
        b"content-type, x-a, grpc-status, vary, grpc-message"
    ]


@pytest.mark.parametrize(
    ("allow", "origin", "allowed"),
    [
        (["*"], "https://a.t", True),
        (["https://a.t"], "https://a.t", True),
        (["https://b.t"], "https://a.t", False),
        ([], "x", False),
        (["*"], "", False),
    ],
)
async def test_only_allowed_origins_are_named_and_nobody_is_blocked(allow, origin, allowed):
    response = await through(a_call(Origin=origin), grpc(), allow)

    assert response.status == 200
    assert response.headers.get_all(b"vary") == [b"Origin"]
    assert response.headers.get_all(b"access-control-allow-origin") == ([origin.encode()] if allowed else [])
    assert response.headers.get_all(b"access-control-allow-credentials") == ([b"true"] if allowed else [])


async def test_what_a_service_says_that_is_no_grpc_stays():
    response = await through(a_call(), answering(404, {"Content-Type": "text/html"}, b"<html>"))

    assert (response.status, response.content) == (404, b"<html>")
    assert response.headers.get(b"content-type") == b"text/html"
    assert response.headers.get(b"access-control-allow-origin") == b"https://a.t"


# refusals


def as_the_gateway_does(request, error):
    """What the kernel makes of an error: a response, amended."""
    request.exchange.error = error
    response = Response.plain(error.status, error.body)
    for amend in error.amendments:
        amend(response)
    return response


@pytest.mark.parametrize(
    ("kind", "frame"), [("application/grpc-web+proto", EMPTY), ("application/grpc-web-text", base64.b64encode(EMPTY))]
)
async def test_an_error_of_the_gateway_is_told_as_a_status(kind, frame):
    def failing(request):
        raise NoServer

    request = a_call(kind)
    with pytest.raises(NoServer) as caught:
        await through(request, failing)
    response = as_the_gateway_does(request, caught.value)

    assert (response.status, await response.body.read(100)) == (200, frame)
    assert response.headers.raw[:3] == [
        (b"content-type", kind.encode()),
        (b"grpc-status", b"14"),
        (b"grpc-message", b"no available server"),
    ]
    assert response.headers.get(b"access-control-allow-origin") == b"https://a.t"


async def test_a_refusal_before_any_server_was_asked_is_one_too():
    request = a_call()
    request.exchange.attempts = 0
    response = await through(
        request, answering(429, {"Content-Type": "text/plain", "Retry-After": "1"}, b"Too Many Requests")
    )

    assert response.status == 200
    assert response.headers.raw[:4] == [
        (b"retry-after", b"1"),
        (b"content-type", b"application/grpc-web+proto"),
        (b"grpc-status", b"14"),
        (b"grpc-message", b"Too Many Requests"),
    ]


# what is not for it


def a_preflight(origin="https://a.t", method="POST", headers="content-type,X-Grpc-Web", verb="OPTIONS"):
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers, "Origin": origin}
    return a_request(verb, headers={name: value for name, value in asked.items() if value})


VARY = [b"Origin", b"Access-Control-Request-Method", b"Access-Control-Request-Headers"]


async def test_a_preflight_is_answered_here():
    upstream = answering(200)
    response = await through(a_preflight(), upstream)

    assert (response.status, response.content, upstream.requests) == (200, b"", [])
    assert response.headers.raw[3:] == [
        (b"access-control-allow-origin", b"https://a.t"),
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-allow-methods", b"POST"),
        (b"access-control-allow-headers", b"content-type,X-Grpc-Web"),
        (b"access-control-max-age", b"600"),
    ]
    assert response.headers.get_all(b"vary") == VARY


@pytest.mark.parametrize(
    ("request_", "allow"), [(a_preflight(), ["https://b.t"]), (a_preflight(method="PUT"), ["*"]), (a_preflight(""), ["*"])]
)
async def test_a_preflight_that_is_not_allowed_learns_nothing(request_, allow):
    response = await through(request_, answering(500), allow)

    assert response.status == 200
    assert response.headers.raw == [(b"vary", value) for value in VARY]


@pytest.mark.parametrize(
    "request_",
    [
        a_preflight(headers="content-type"),
        a_preflight(headers=""),
        a_preflight(method=""),
        a_preflight(verb="GET"),
        a_request("POST", headers={"Content-Type": "application/grpc"}),
        a_request("GET", headers={"Content-Type": "application/grpc-web"}),
    ],
)
async def test_anything_else_passes_untouched(request_):
    before = list(request_.headers)
    response = await through(request_, answering(200, {"X-A": "1"}, b"body"))

    assert (response.headers.raw, response.content) == ([(b"x-a", b"1")], b"body")
    assert list(request_.headers) == before


def test_no_trailers_are_an_empty_frame():
    assert trailer_frame([]) == EMPTY
