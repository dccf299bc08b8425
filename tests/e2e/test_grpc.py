"""A real gRPC server behind the gateway: all kinds of calls, over every way to reach it (routing.md §6.5)."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import grpc
import pytest
import pytest_asyncio
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from pointsman.testing import connect, gateway

from .stage import head, started

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTHORITY = trustme.CA()
ROOT = AUTHORITY.cert_pem.bytes().decode()


def framed(message):
    """A gRPC message as it travels in a body."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def fails(request, context):
    context.set_trailing_metadata((("x-trailer", "tail"),))
    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")


def slow(request, context):
    yield b"first"
    while context.is_active():
        import time

        time.sleep(0.01)


def headers(request, context):
    context.send_initial_metadata((("x-initial", "begin"),))
    context.set_trailing_metadata((("x-trailer", "tail"),))
    return dict(context.invocation_metadata()).get("x-asked", "").encode()


def talk(requests, context):
    for number, request in enumerate(requests):
        yield b"%d:%b" % (number, request)


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(lambda request, context: request[::-1]),
    "Count": grpc.unary_stream_rpc_method_handler(lambda request, context: (b"%d" % n for n in range(int(request)))),
    "Collect": grpc.stream_unary_rpc_method_handler(lambda requests, context: b"+".join(requests)),
    "Talk": grpc.stream_stream_rpc_method_handler(talk),
    "Fails": grpc.unary_unary_rpc_method_handler(fails),
    "Slow": grpc.unary_stream_rpc_method_handler(slow),
    "Headers": grpc.unary_unary_rpc_method_handler(headers),
}


@pytest.fixture(scope="module")
def server():
    """The ports of a gRPC server, without TLS and with it."""
    running = grpc.server(ThreadPoolExecutor(8))
    running.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", METHODS),))
    checks = health.HealthServicer()
    checks.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, running)
    leaf = AUTHORITY.issue_cert("127.0.0.1")
    pair = (leaf.private_key_pem.bytes(), leaf.cert_chain_pems[0].bytes())
    ports = {
        "h2c": running.add_insecure_port("127.0.0.1:0"),
        "https": running.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair])),
    }
    running.start()
    yield ports
    running.stop(None).wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def front(server):
    services = {
        scheme: {
            "loadBalancer": {"servers": [{"url": f"{scheme}://127.0.0.1:{port}"}], "serversTransport": "trusting"},
        }
        for scheme, port in server.items()
    }
    routers = {name: {"rule": f"Host(`{name}.test`)", "service": name} for name in services}
    transports = {"trusting": {"rootCAs": [ROOT]}}
    dynamic = {"http": {"routers": routers, "services": services, "serversTransports": transports}}
    async with AsyncExitStack() as stack:
        yield await started(stack, lambda: gateway(dynamic))


WAYS = pytest.mark.parametrize("way", ["h2c", "https"])


async def over_http1(front, way, method, message):
    """What an HTTP/1 client gets that speaks gRPC by hand."""
    request = head(
        f"POST /shop.Shop/{method} HTTP/1.1",
        f"Host: {way}.test",
        "Content-Type: application/grpc",
        "TE: trailers",
        f"Content-Length: {len(message) + 5}",
        body=framed(message),
    )
    async with connect(front.port()) as client:
        await client.send(request)
        return await client.message("POST")


@WAYS
@pytest.mark.spec("R-62")
async def test_an_http1_client_gets_the_trailers(front, way):
    answered = await over_http1(front, way, "Unary", b"abc")
    assert (answered.status, answered.body) == (200, framed(b"cba"))
    assert dict(answered.trailers)[b"Grpc-Status"] == b"0"


@WAYS
async def test_an_http1_client_gets_an_answer_that_is_only_trailers_as_headers(front, way):
    answered = await over_http1(front, way, "Nothing", b"")
    assert (answered.status, answered.body, answered.get("grpc-status")) == (200, b"", "12")
