"""A real gRPC server behind the gateway: all kinds of calls, over every way to reach it (routing.md §6.5)."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import grpc
import pytest
import pytest_asyncio
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from pointsman.config.http_model import HealthCheck
from pointsman.control.checks import Check
from pointsman.control.probe import Failed, HttpProbe
from pointsman.net.client_tls import ClientTls
from pointsman.testing import answer, connect, gateway, upstream
from pointsman.upstream.transport import TransportSettings
from pointsman.values import Duration

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
def checks():
    """What the server says of its health."""
    checks = health.HealthServicer()
    checks.set("", health_pb2.HealthCheckResponse.SERVING)
    return checks


@pytest.fixture(scope="module")
def server(checks):
    """The ports of a gRPC server, without TLS and with it."""
    running = grpc.server(ThreadPoolExecutor(8))
    running.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", METHODS),))
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


MIDDLEWARES = {
    "buffered": {"buffering": {"maxResponseBodyBytes": 1000}},
    "tripped": {"circuitBreaker": {"expression": "RequestThreshold() == 1"}},
}


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
    routers["tls"] = {"rule": "Host(`tls.test`)", "service": "https", "tls": {}, "entryPoints": ["websecure"]}
    routers |= {name: {"rule": f"Host(`{name}.test`)", "service": "h2c", "middlewares": [name]} for name in MIDDLEWARES}
    leaf = AUTHORITY.issue_cert("tls.test")
    pair = {"certFile": leaf.cert_chain_pems[0].bytes().decode(), "keyFile": leaf.private_key_pem.bytes().decode()}
    dynamic = {
        "http": {"routers": routers, "services": services, "serversTransports": transports, "middlewares": MIDDLEWARES},
        "tls": {"certificates": [pair]},
    }
    async with AsyncExitStack() as stack:
        yield await started(stack, lambda: gateway(dynamic, {"entryPoints": {"web": {}, "websecure": {}}}))


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


# gRPC clients


@pytest_asyncio.fixture(params=["h2c", "https", "tls"], loop_scope="module")
async def shop(request, front):
    """A client of the gateway; the gateway reaches the server this way. `tls`: both ways are encrypted."""
    options = [("grpc.default_authority", f"{request.param}.test")]
    if request.param == "tls":
        trust = grpc.ssl_channel_credentials(ROOT.encode())
        channel = grpc.aio.secure_channel(f"127.0.0.1:{front.port('websecure')}", trust, options)
    else:
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{front.port()}", options)
    async with channel:
        yield channel


async def each(*messages):
    for message in messages:
        yield message


async def test_one_message_there_and_one_back(shop):
    call = shop.unary_unary("/shop.Shop/Unary")
    assert await call(b"abc", timeout=10) == b"cba"
    big = bytes(range(256)) * 8000
    assert await call(big, timeout=10) == big[::-1]


async def test_many_messages_back(shop):
    call = shop.unary_stream("/shop.Shop/Count")(b"500", timeout=10)
    assert [message async for message in call] == [b"%d" % number for number in range(500)]
    assert await call.code() == grpc.StatusCode.OK


async def test_many_messages_there(shop):
    call = shop.stream_unary("/shop.Shop/Collect")
    assert await call(each(*(b"%d" % number for number in range(200))), timeout=10) == b"+".join(
        b"%d" % number for number in range(200)
    )


async def test_messages_both_ways_in_turn(shop):
    call = shop.stream_stream("/shop.Shop/Talk")(timeout=10)
    for number in range(20):
        await call.write(b"word")
        assert await call.read() == b"%d:word" % number
    await call.done_writing()
    assert await call.read() == grpc.aio.EOF
    assert await call.code() == grpc.StatusCode.OK


async def test_status_message_and_metadata_come_back(shop):
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await shop.unary_unary("/shop.Shop/Fails")(b"", timeout=10)
    assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing")
    assert dict(failed.value.trailing_metadata())["x-trailer"] == "tail"
    call = shop.unary_unary("/shop.Shop/Headers")(b"", timeout=10, metadata=(("x-asked", "well"),))
    assert await call == b"well"
    assert dict(await call.initial_metadata())["x-initial"] == "begin"
    assert dict(await call.trailing_metadata())["x-trailer"] == "tail"


@pytest.mark.spec("R-62")
async def test_an_answer_that_is_only_trailers_keeps_its_status(shop):
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await shop.unary_unary("/shop.Shop/Nothing")(b"", timeout=10)
    assert failed.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_a_deadline_ends_a_call_and_its_stream(shop):
    call = shop.unary_stream("/shop.Shop/Slow")(b"", timeout=0.5)
    assert await call.read() == b"first"
    with pytest.raises(grpc.aio.AioRpcError):
        await call.read()
    assert await call.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert await shop.unary_unary("/shop.Shop/Unary")(b"still there", timeout=10) == b"ereht llits"


async def test_a_call_that_is_cancelled_is_cancelled_at_the_server(shop):
    for _ in range(20):  # more than the server has threads: each must be free again
        call = shop.unary_stream("/shop.Shop/Slow")(b"", timeout=10)
        assert await call.read() == b"first"
        call.cancel()


async def test_the_health_service_answers(shop):
    answered = await health_pb2_grpc.HealthStub(shop).Check(health_pb2.HealthCheckRequest(), timeout=10)
    assert answered.status == health_pb2.HealthCheckResponse.SERVING


async def test_many_calls_share_connections(shop):
    call = shop.unary_unary("/shop.Shop/Unary")
    answers = await asyncio.gather(*(call(b"%d." % number, timeout=20) for number in range(150)))
    assert answers == [(b"%d." % number)[::-1] for number in range(150)]


def through(front, middleware):
    return grpc.aio.insecure_channel(f"127.0.0.1:{front.port()}", [("grpc.default_authority", f"{middleware}.test")])


async def test_what_is_buffered_keeps_its_status_and_metadata(front):
    async with through(front, "buffered") as channel:
        assert await channel.stream_unary("/shop.Shop/Collect")(each(b"a", b"b"), timeout=10) == b"a+b"
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channel.unary_unary("/shop.Shop/Fails")(b"", timeout=10)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary("/shop.Shop/Unary")(b"0" * 2000, timeout=10)
    assert (failed.value.code(), failed.value.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing")
    assert dict(failed.value.trailing_metadata())["x-trailer"] == "tail"
    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.UNKNOWN, "Internal Server Error")


async def test_an_open_circuit_is_unavailable(front):
    async with through(front, "tripped") as channel:
        assert await channel.unary_unary("/shop.Shop/Unary")(b"abc", timeout=10) == b"cba"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary("/shop.Shop/Unary")(b"abc", timeout=10)
    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.UNAVAILABLE, "Service Unavailable")


@pytest_asyncio.fixture(loop_scope="module")
async def probe():
    probe = HttpProbe()
    await probe.start()
    yield probe
    await probe.aclose()


def a_check(path="/", **options):
    transport = TransportSettings(tls=ClientTls(authorities=[ROOT]))
    return Check("s@file", (), HealthCheck(path=path, timeout=Duration(5.0), **options), transport)


@WAYS
async def test_a_probe_asks_a_grpc_server_for_its_health(probe, server, checks, way):
    url = f"{way}://127.0.0.1:{server[way]}"
    await probe(a_check(mode="grpc"), url)
    if way == "h2c":
        await probe(a_check(mode="grpc"), url.replace("h2c:", "http:"))
    checks.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    try:
        with pytest.raises(Failed, match="the server is not SERVING"):
            await probe(a_check(mode="grpc"), url)
    finally:
        checks.set("", health_pb2.HealthCheckResponse.SERVING)


async def test_what_is_no_grpc_server_is_not_healthy(probe):
    async with upstream(answer(200)) as other:
        with pytest.raises(Failed, match="does not speak HTTP/2"):
            await probe(a_check(mode="grpc"), other.url)
