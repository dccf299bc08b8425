"""The way to a collector: endpoints, headers, compression, partial success."""

import gzip
import logging

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from pointsman import Response, Secret
from pointsman.dialect.client_tls import ExporterTLS
from pointsman.dialect.collectors import Undelivered
from pointsman.errors import ConfigError
from pointsman.testing import FakeContext, answering
from pointsman_otlp.client import LOGS, METRICS, TRACES, OtlpClient, partial_success
from pointsman_otlp.config import OTLPGRPC, OTLPHTTP, OTLPConfig


def a_client(config=None, signal=TRACES, handler=None, url="https://localhost:4318"):
    server = handler or answering(200)
    return OtlpClient(signal, config or OTLPConfig(), FakeContext(servers={url: server})), server


def partly(rejected, message):
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = rejected
    answer.partial_success.error_message = message
    return answer.SerializeToString()


async def test_without_options_it_is_http_over_tls_to_this_machine():
    for signal, path in ((TRACES, b"/v1/traces"), (METRICS, b"/v1/metrics"), (LOGS, b"/v1/logs")):
        client, server = a_client(signal=signal)
        await client.send(b"request" * 100)

        assert (server.last.method, server.last.path) == (b"POST", path)
        assert server.last.headers.get(b"content-type") == b"application/x-protobuf"
        assert server.last.headers.get(b"content-encoding") == b"gzip"
        assert gzip.decompress(await server.last.body.read(9999)) == b"request" * 100


async def test_headers_of_the_user_are_sent_but_none_that_would_belie_the_body():
    http = OTLPHTTP(headers={"Authorization": Secret("Bearer x"), "Content-Type": Secret("text/plain")})
    client, server = a_client(OTLPConfig(http=http))
    await client.send(b"")

    assert server.last.headers.get_all(b"authorization") == [b"Bearer x"]
    assert server.last.headers.get_all(b"content-type") == [b"application/x-protobuf"]
    assert "Bearer" not in repr(http)


@pytest.mark.parametrize(
    ("endpoint", "url", "path"),
    [("http://a.example:1", "http://a.example:1", b"/v1/traces"), ("http://a.example:1/", "http://a.example:1", b"/")],
)
async def test_the_endpoint_says_where_and_a_path_stands(endpoint, url, path):
    client, server = a_client(OTLPConfig(http=OTLPHTTP(endpoint=endpoint)), url=url)
    await client.send(b"")

    assert server.last.path == path


@pytest.mark.parametrize(
    ("config", "place"),
    [
        (OTLPConfig(http=OTLPHTTP(endpoint="localhost:4318")), "http.endpoint"),
        (OTLPConfig(http=OTLPHTTP(headers={"a b": Secret("x")})), "http.headers.a b"),
        (OTLPConfig(http=OTLPHTTP(tls=ExporterTLS(cert="x"))), "http.tls"),
        (OTLPConfig(grpc=OTLPGRPC(endpoint="http://localhost:4317")), "grpc.endpoint"),
        (OTLPConfig(grpc=OTLPGRPC(endpoint="localhost")), "grpc.endpoint"),
        (OTLPConfig(grpc=OTLPGRPC(endpoint="localhost:4317/x")), "grpc.endpoint"),
        (OTLPConfig(grpc=OTLPGRPC(headers={"a": Secret("x\ny")})), "grpc.headers.a"),
    ],
)
def test_what_leads_nowhere_is_told_with_its_place(config, place):
    with pytest.raises(ConfigError) as refused:
        OtlpClient(TRACES, config, FakeContext())

    assert refused.value.problems[0].path == place


def test_insecure_and_tls_exclude_each_other():
    with pytest.raises(ValueError, match="exclude each other"):
        OTLPGRPC(insecure=True, tls=ExporterTLS())


async def test_what_is_rejected_in_part_is_told_once_until_all_is_taken_again(caplog):
    answers = [partly(3, "bad\nspans"), partly(1, "more"), b"", partly(2, "again")]

    async def collector(request):
        return Response(200, body=answers.pop(0))

    client, _ = a_client(handler=collector)
    with caplog.at_level(logging.WARNING):
        for _ in range(4):
            await client.send(b"")

    assert [record.getMessage() for record in caplog.records] == [
        "the collector rejected 3 spans: 'bad\\nspans'",
        "the collector rejected 2 spans: 'again'",
    ]


@pytest.mark.parametrize("answer", [b"", b"<html>", b"\x0a\x05", b"\x08\x01", bytes(100)])
def test_an_answer_that_cannot_be_read_rejects_nothing(answer):
    assert partial_success(answer) == (0, "")


async def test_a_refusal_is_raised():
    client, _ = a_client(handler=answering(400))
    with pytest.raises(Undelivered, match="it answered 400"):
        await client.send(b"")
