"""The unary call, as bytes: what is sent, and every way in which it may be answered."""

from base64 import b64encode

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from pointsman import Body, Response
from pointsman.dialect.collectors import Patience, Undelivered
from pointsman.dialect.protobuf import delimited, integer, text
from pointsman_otlp.grpc import GrpcCollector, server_url

OK = [(b"grpc-status", b"0")]


class Server:
    """Answers by script: (body, trailers), or (status, headers)."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.bodies = []

    async def __call__(self, request):
        self.request = request
        self.bodies.append(await request.body.read(99_999))
        first, second = self.answers.pop(0)
        if isinstance(first, int):
            return Response(first, second)
        body = Body.of(first)
        body.trailers = second
        return Response(200, [(b"content-type", b"application/grpc")], body)


def a_collector(server):
    return GrpcCollector(server, b"/package.Service/Export", [(b"x-tenant", b"a"), (b"te", b"gzip")], Patience(1.0, 0.001))


def framed(message):
    return b"\0" + len(message).to_bytes(4, "big") + message


def details(seconds, nanos=0):
    delay = (integer(1, seconds) if seconds else b"") + (integer(2, nanos) if nanos else b"")
    info = text(1, "type.googleapis.com/google.rpc.RetryInfo") + delimited(2, delimited(1, delay))
    other = text(1, "type.googleapis.com/google.rpc.Help") + delimited(2, b"")
    return b64encode(integer(1, 8) + delimited(3, other) + delimited(3, info)).rstrip(b"=")


async def test_the_call_is_a_framed_gzipped_message_with_metadata():
    server = Server((framed(b""), OK))
    await a_collector(server).post(b"compressed")
    sent = server.request.headers

    assert (server.request.method, server.request.path) == (b"POST", b"/package.Service/Export")
    assert server.bodies == [b"\x01\0\0\0\x0acompressed"]
    assert [sent.get(name) for name in (b"content-type", b"te", b"grpc-encoding", b"grpc-timeout", b"x-tenant")] == [
        b"application/grpc", b"trailers", b"gzip", b"10S", b"a",
    ]  # fmt: skip
    assert len(sent.get_all(b"te")) == 1


async def test_the_answers_message_is_unframed():
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 3

    assert await a_collector(Server((framed(answer.SerializeToString()), OK))).post(b"") == answer.SerializeToString()


@pytest.mark.parametrize("body", [b"", b"\0\0\0", b"\0\0\0\0\x05ab", b"\x01\0\0\0\x01a"])
async def test_an_ok_without_a_message_that_can_be_read_is_an_ok(body):
    assert await a_collector(Server((body, OK))).post(b"") == b""


@pytest.mark.parametrize("status", [1, 4, 10, 11, 14, 15])
async def test_what_may_be_another_answer_next_time_is_tried_again(status):
    server = Server((b"", [(b"grpc-status", b"%d" % status)]), (framed(b""), OK))
    await a_collector(server).post(b"x")

    assert len(server.bodies) == 2


@pytest.mark.parametrize("status", [2, 3, 5, 7, 8, 12, 13, 16, 99])
async def test_what_is_final_is_told_with_its_word(status):
    server = Server((200, [(b"grpc-status", b"%d" % status), (b"grpc-message", b"no%0Athanks")]))
    with pytest.raises(Undelivered, match=rf"gRPC status {status}: 'no\\nthanks'"):
        await a_collector(server).post(b"x")


async def test_resource_exhausted_is_tried_again_when_the_collector_says_when():
    exhausted = (b"", [(b"grpc-status", b"8"), (b"grpc-status-details-bin", details(0, 1_000_000))])
    server = Server(exhausted, (framed(b""), OK))
    await a_collector(server).post(b"x")

    assert len(server.bodies) == 2


async def test_a_collector_that_wants_to_be_left_alone_is():
    server = Server((b"", [(b"grpc-status", b"14"), (b"grpc-status-details-bin", details(30))]))
    collector = a_collector(server)
    with pytest.raises(Undelivered, match="gRPC status 14"):
        await collector.post(b"x")
    with pytest.raises(Undelivered, match="left alone"):
        await collector.post(b"y")


@pytest.mark.parametrize(
    "bad", [b"!", b"AA", b64encode(b"\x1a\x7f"), b64encode(b"\x1a\x02\x0a\x00"), b64encode(b"\x18\x01")]
)
async def test_details_that_cannot_be_read_say_nothing(bad):
    server = Server((b"", [(b"grpc-status", b"8"), (b"grpc-status-details-bin", bad)]))
    with pytest.raises(Undelivered, match="gRPC status 8"):
        await a_collector(server).post(b"x")


@pytest.mark.parametrize(("status", "word"), [(200, "it broke off"), (404, "it answered 404"), (401, "it answered 401")])
async def test_what_is_no_grpc_server_is_told(status, word):
    with pytest.raises(Undelivered, match=f"{word}, without a gRPC status"):
        await a_collector(Server((status, [(b"content-type", b"text/html")]))).post(b"x")


async def test_a_proxy_that_is_busy_is_asked_again():
    server = Server((503, []), (framed(b""), OK))
    await a_collector(server).post(b"x")

    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("endpoint", "insecure", "url"),
    [("a.example:4317", False, "https://a.example:4317"), ("[::1]:1", True, "h2c://[::1]:1")],
)
def test_a_host_and_a_port_are_a_server(endpoint, insecure, url):
    assert server_url(endpoint, insecure) == url
