"""Browsers' calls of a real gRPC server, over HTTP/1.1 as raw bytes (middlewares.md §3.12)."""

import base64
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import grpc
import pytest
import pytest_asyncio

from pointsman.testing import connect, gateway, refusing

from .stage import balancer, head, started

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORIGIN = "Origin: https://www.test"
EMPTY = b"\x80\0\0\0\0"


def framed(message):
    return b"\0" + len(message).to_bytes(4, "big") + message


def trailer_frame(block):
    return b"\x80" + len(block).to_bytes(4, "big") + block


OK = trailer_frame(b"grpc-message: \r\ngrpc-status: 0\r\n")


def metadata(request, context):
    context.set_trailing_metadata((("x-tail", "b"),))
    return b"|".join(f"{name}={value}".encode() for name, value in context.invocation_metadata() if name == "x-asked")


def fails(request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")


def talk(requests, context):
    for request in requests:
        yield request[::-1]


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(lambda request, context: request[::-1]),
    "Metadata": grpc.unary_unary_rpc_method_handler(metadata),
    "Fails": grpc.unary_unary_rpc_method_handler(fails),
    "Talk": grpc.stream_stream_rpc_method_handler(talk),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def front():
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", METHODS),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    async with AsyncExitStack() as stack:
        closed = stack.enter_context(refusing())
        services = {"shop": balancer(f"h2c://127.0.0.1:{port}"), "dead": balancer(f"h2c://127.0.0.1:{closed}")}
        routers = {
            "any": {"rule": "Host(`any.test`)", "middlewares": ["any"], "service": "shop"},
            "own": {"rule": "Host(`own.test`)", "middlewares": ["own"], "service": "shop"},
            "dead": {"rule": "Host(`dead.test`)", "middlewares": ["any"], "service": "dead"},
        }
        middlewares = {
            "any": {"grpcWeb": {"allowOrigins": ["*"]}},
            "own": {"grpcWeb": {"allowOrigins": ["https://own.test"]}},
        }
        document = {"http": {"routers": routers, "services": services, "middlewares": middlewares}}
        yield await started(stack, lambda: gateway(document))
    server.stop(None).wait()


def a_call(method, body, *lines, kind="application/grpc-web+proto", host="any"):
    return head(
        f"POST /shop.Shop/{method} HTTP/1.1",
        f"Host: {host}.test",
        f"Content-Type: {kind}",
        "X-Grpc-Web: 1",
        ORIGIN,
        *lines,
        f"Content-Length: {len(body)}",
        body=body,
    )


async def called(front, *call, **more):
    async with connect(front.port()) as client:
        return await client.ask(a_call(*call, **more))


@pytest.mark.spec("M-103")
async def test_a_binary_call_gets_its_message_and_a_frame_of_trailers(front):
    found = await called(front, "Unary", framed(b"abc"))

    assert (found.status, found.body, found.trailers) == (200, framed(b"cba") + OK, [])
    assert found.get("content-type") == "application/grpc-web"
    assert found.get("access-control-allow-origin") == "https://www.test"
    assert found.get("vary") == "Origin"
    assert {"content-type", "grpc-status", "grpc-message"} <= set(found.get("access-control-expose-headers").split(", "))


async def test_the_server_sees_grpc(front):
    found = await called(front, "Metadata", framed(b""), "X-Asked: a")
    message = b"x-asked=a"

    assert found.body.startswith(framed(message))
    assert found.body.endswith(b"x-tail: b\r\n")


@pytest.mark.spec("M-104")
async def test_a_text_call_is_base64_both_ways_in_pieces_padded_for_themselves(front):
    text = base64.b64encode(framed(b"ab")) + base64.b64encode(framed(b"c"))
    found = await called(front, "Talk", text, kind="application/grpc-web-text")

    assert found.get("content-type") == "application/grpc-web-text"
    pieces = found.body.replace(b"=", b"= ").replace(b"= =", b"==").split()
    assert b"".join(map(base64.b64decode, pieces)) == framed(b"ba") + framed(b"c") + OK


async def test_both_directions_stream(front):
    async with connect(front.port()) as client:
        await client.send(
            head(
                "POST /shop.Shop/Talk HTTP/1.1",
                "Host: any.test",
                "Content-Type: application/grpc-web-text",
                "Transfer-Encoding: chunked",
            )
        )
        for number, word in enumerate((b"one", b"two", b"six")):
            text = base64.b64encode(framed(word))
            for part in (text[:3], text[3:]):  # cut inside a group
                await client.send(b"%x\r\n%b\r\n" % (len(part), part))
            if not number:
                assert (await client.head()).get("transfer-encoding") == "chunked"
            answered = b""
            while len(answered) < 8:
                size = int((await client.until(b"\r\n")).strip(), 16)
                answered += base64.b64decode((await client.exactly(size + 2))[:-2])
            assert answered == framed(word[::-1])
        await client.send(b"0\r\n\r\n")
        size = int((await client.until(b"\r\n")).strip(), 16)
        assert base64.b64decode((await client.exactly(size + 2))[:-2]) == OK


async def test_a_failed_call_tells_its_status(front):
    found = await called(front, "Fails", framed(b""))

    assert found.status == 200
    told = dict(line.split(b": ") for line in found.body[5:].split(b"\r\n") if line)
    told |= {name.lower(): value for name, value in found.headers if name.lower().startswith(b"grpc-")}
    assert (told[b"grpc-status"], told[b"grpc-message"]) == (b"5", b"no such thing")
    assert found.body[:1] == b"\x80"


async def test_an_answer_of_only_trailers_ends_with_an_empty_frame(front):
    found = await called(front, "Nothing", framed(b""))

    assert (found.status, found.get("grpc-status"), found.body) == (200, "12", EMPTY)


async def test_a_dead_server_is_told_as_a_status(front):
    found = await called(front, "Unary", framed(b""), host="dead")

    assert (found.status, found.get("grpc-status"), found.get("grpc-message")) == (200, "14", "Bad Gateway")
    assert (found.body, found.get("content-type")) == (EMPTY, "application/grpc-web+proto")
    assert found.get("access-control-allow-origin") == "https://www.test"


@pytest.mark.parametrize("text", [b"no base64!!", b"AAAA" * 1000 + b"A"])
async def test_a_text_body_that_is_no_base64_ends_the_call_with_a_status(front, text):
    found = await called(front, "Unary", text, kind="application/grpc-web-text")

    assert (found.status, found.get("grpc-status")) == (200, "13")
    assert base64.b64decode(found.body) == EMPTY


@pytest.mark.parametrize(("host", "allowed"), [("any", "https://www.test"), ("own", None)])
async def test_a_preflight_is_answered_by_the_gateway(front, host, allowed):
    async with connect(front.port()) as client:
        found = await client.ask(
            head(
                "OPTIONS /shop.Shop/Unary HTTP/1.1",
                f"Host: {host}.test",
                ORIGIN,
                "Access-Control-Request-Method: POST",
                "Access-Control-Request-Headers: content-type,x-grpc-web",
            )
        )

    assert (found.status, found.get("content-length")) == (200, "0")
    assert found.get("access-control-allow-origin") == allowed
    assert len(found.get_all("vary")) == 3


async def test_a_foreign_origin_is_not_blocked_but_told_nothing(front):
    found = await called(front, "Unary", framed(b"abc"), host="own")

    assert (found.status, found.body, found.get("access-control-allow-origin")) == (200, framed(b"cba") + OK, None)
