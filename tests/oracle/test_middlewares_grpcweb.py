"""grpcWeb beside the reference, before a real gRPC server (middlewares.md §3.12)."""

import base64
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest_asyncio
from attrs import frozen

from .harness import ANSWER, ORACLE, Case, arena_of, balancer, both_agree, raw

pytestmark = ORACLE


def framed(message):
    return b"\0" + len(message).to_bytes(4, "big") + message


def headers(request, context):
    context.send_initial_metadata((("x-initial", "begin"),))
    context.set_trailing_metadata((("x-trailer", "tail"),))
    return request[::-1]


def fails(request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(lambda request, context: request[::-1]),
    "Headers": grpc.unary_unary_rpc_method_handler(headers),
    "Count": grpc.unary_stream_rpc_method_handler(lambda request, context: (b"%d" % n for n in range(3))),
    "Fails": grpc.unary_unary_rpc_method_handler(fails),
}
MIDDLEWARES = {
    "any": {"grpcWeb": {"allowOrigins": ["*"]}},
    "own": {"grpcWeb": {"allowOrigins": ["https://own.test", "https://www.test"]}},
    "foreign": {"grpcWeb": {"allowOrigins": ["https://own.test"]}},
}
WEB, TEXT = "application/grpc-web+proto", "application/grpc-web-text"


@frozen
class Called(Case):
    """A case in which lists have no order, and Base64 may be cut anywhere."""

    async def play(self, arena, running):
        aspects = await super().play(arena, running)
        exposed = aspects.get("header:access-control-expose-headers")
        if exposed:
            names = {name.strip().lower() for name in exposed[0][1].split(b",")}
            # names of headers that scripts may read anyway, or that say nothing to them
            aspects["header:access-control-expose-headers"] = sorted(
                name for name in names if not name.startswith(b"access-control-") and name not in (b"date", b"trailer")
            )
        if aspects.get("header:content-type") == [(b"Content-Type", TEXT.encode())]:
            pieces = aspects["body"].replace(b"==", b"**").replace(b"=", b"= ").replace(b"**", b"== ").split()
            aspects["body"] = b"".join(map(base64.b64decode, pieces))
        return aspects


MESSAGE = framed(b"abc")


def call(name, method, body=MESSAGE, *lines, kind=WEB, host="any", origin="https://www.test", verb="POST"):
    said = [f"Origin: {origin}"] if origin else []
    request = raw(
        f"{verb} /shop.Shop/{method} HTTP/1.1",
        f"Host: {host}.test",
        "Accept-Encoding: identity",
        "TE: trailers",  # without it the server resets the reference's stream
        *([f"Content-Type: {kind}"] if kind else []),
        *said,
        *lines,
        *([f"Content-Length: {len(body)}"] if verb == "POST" else []),
        body=body if verb == "POST" else b"",
    )
    return Called(f"grpc-web/{name}", [request, ANSWER])


def preflight(name, *lines, host="any", origin="https://www.test"):
    return call(name, "Unary", b"", *lines, kind="", host=host, origin=origin, verb="OPTIONS")


ASKED = "Access-Control-Request-Headers: content-type,X-Grpc-Web"
CASES = [
    call("binary", "Unary"),
    call("text", "Unary", base64.b64encode(framed(b"abc")), kind=TEXT),
    call("text-in-pieces", "Unary", base64.b64encode(b"\0") + base64.b64encode(framed(b"abc")[1:]), kind=TEXT),
    call("headers-and-trailers", "Headers"),
    call("many-messages", "Count"),
    call("many-messages-text", "Count", base64.b64encode(framed(b"")), kind=TEXT),
    call("failed", "Fails"),
    call("only-trailers", "Nothing"),
    call("no-origin", "Unary", origin=""),
    call("listed-origin", "Unary", host="own"),
    call("foreign-origin", "Unary", host="foreign"),
    call("refused", "Unary", host="dead"),
    preflight("preflight", "Access-Control-Request-Method: POST", ASKED),
    preflight("preflight-listed", "Access-Control-Request-Method: POST", ASKED, host="own"),
    preflight("preflight-foreign", "Access-Control-Request-Method: POST", ASKED, host="foreign"),
    preflight("preflight-other-method", "Access-Control-Request-Method: PUT", ASKED),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", METHODS),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    def dynamic(url, closed):
        routers = {name: {"rule": f"Host(`{name}.test`)", "middlewares": [name], "service": "shop"} for name in MIDDLEWARES}
        routers["dead"] = {"rule": "Host(`dead.test`)", "middlewares": ["any"], "service": "dead"}
        services = {
            "shop": balancer(f"h2c://127.0.0.1:{port}"),
            "dead": balancer(closed.replace("http:", "h2c:")),
        }
        return {"http": {"routers": routers, "middlewares": MIDDLEWARES, "services": services}}

    async with arena_of(dynamic) as arena:
        yield arena
    server.stop(None).wait()


@both_agree(CASES)
async def test_both_answer_browsers_the_same(arena, case):
    await arena.compare(case)
