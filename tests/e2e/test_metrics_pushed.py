"""Metrics on their way to StatsD, Datadog, InfluxDB and OpenTelemetry collectors, over real sockets."""

import gzip
import re
import socket
import time

import pytest
from line_protocol_parser import parse_line
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from pointsman.dialect.collectors import Undelivered
from pointsman.dialect.datagrams import Datagrams, Receiver
from pointsman.net.names import Names
from pointsman.testing import answer, connect, eventually, gateway, refusing, upstream
from tests.e2e.metrics_receivers import over_grpc, over_stream, over_udp, over_unix
from tests.e2e.stage import balancer, routed

pytestmark = pytest.mark.timeout(60)

LINES = [b"a:1|c\n", b"b:2|c\n", b"c:3|c\n"]


async def sent(address, most_bytes=0, lines=LINES, names=None):
    datagrams = Datagrams(Receiver.of(address, unix=True), most_bytes, names)
    try:
        await datagrams.send(lines)
    finally:
        datagrams.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_each_metric_has_a_datagram_of_its_own_unless_they_may_travel_together(host):
    async with over_udp(host) as receiver:
        await sent(receiver.address)
        await eventually(lambda: receiver.packets == LINES)
        receiver.packets.clear()
        await sent(receiver.address, 14)
        await eventually(lambda: receiver.packets == [b"a:1|c\nb:2|c\n", b"c:3|c\n"])


async def test_unix_sockets_of_both_kinds_are_found_out(tmp_path):
    gram, stream = str(tmp_path / "gram"), str(tmp_path / "stream")
    async with over_unix(gram) as one, over_stream(stream) as other:
        for address in (f"unix://{gram}", f"unixgram://{gram}"):
            await sent(address)
            await eventually(lambda: one.packets == LINES)
            one.packets.clear()
        for address in (f"unix://{stream}", f"unixstream://{stream}"):
            await sent(address)
            await eventually(lambda: other.packets == LINES)
            other.packets.clear()
        with pytest.raises(Undelivered, match="cannot be reached"):
            await sent(f"unixgram://{stream}")


async def test_a_slow_reader_of_a_unix_socket_is_waited_for(tmp_path):
    many = [b"x:%d|c\n" % number for number in range(3000)]
    async with over_unix(str(tmp_path / "gram")) as receiver:
        await sent(f"unix://{tmp_path}/gram", lines=many)
        await eventually(lambda: receiver.packets == many)


async def test_the_other_address_of_a_name_is_tried_when_nobody_is_at_the_first():
    names = Names(resolve=lambda host: ["127.0.0.1", "::1"])
    async with over_udp("::1") as receiver:
        port = receiver.address.rpartition(":")[2]
        datagrams = Datagrams(Receiver.of(f"statsd.example:{port}"), names=names)
        await datagrams.send(LINES)
        await eventually(lambda: receiver.packets == LINES[1:])  # nothing tells that the first is lost
        await datagrams.send(LINES)
        await eventually(lambda: receiver.packets == [*LINES[1:], *LINES])
        datagrams.close()


async def test_a_receiver_that_is_away_is_noticed_and_found_when_it_is_back():
    with refusing() as port:
        datagrams = Datagrams(Receiver.of(f"127.0.0.1:{port}"))
        for _ in range(2):
            with pytest.raises(Undelivered, match=rf"127\.0\.0\.1:{port} cannot be reached: Connection refused"):
                await datagrams.send(LINES)
        async with over_udp(port=port) as receiver:
            await datagrams.send(LINES)
            await eventually(lambda: receiver.packets == LINES)
        datagrams.close()


async def test_a_name_that_cannot_be_found_costs_this_push_alone():
    def resolve(host):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(Undelivered, match=r"statsd\.example:1 cannot be reached: Name or service not known"):
        await sent("statsd.example:1", names=Names(resolve=resolve))


def shop_at(url):
    document = routed({"r": "Host(`a.example`)"}, {"s": url})
    document["http"]["routers"]["r"]["service"] = "s"
    document["http"]["services"]["s"] = balancer(url)
    return document


@pytest.mark.spec("O-66", "O-68")
async def test_four_receivers_are_told_of_the_same_requests(tmp_path):
    """By pushes as time goes on, or by the last one, when the gateway stops."""
    async with (
        over_udp() as statsd,
        over_unix(str(tmp_path / "dsd")) as datadog,
        upstream(answer(204)) as influx,
        upstream(answer(200)) as collector,
        upstream(answer(200, body=b"hello")) as shop,
    ):
        metrics = {
            "statsD": {"address": statsd.address, "prefix": "pfx", "pushInterval": "100ms"},
            "datadog": {"address": f"unix://{tmp_path}/dsd", "addRoutersLabels": True, "maxDatagramBytes": 8192},
            "influxDB2": {"address": influx.url, "token": "t0k", "org": "o", "bucket": "b", "pushInterval": "1h"},
            "otlp": {"http": {"endpoint": collector.url}, "serviceName": "edge", "pushInterval": "1h"},
        }
        points = {"web": {}, "traefik": {"observability": {"metrics": False}}}
        async with gateway(shop_at(shop.url), {"metrics": metrics, "entryPoints": points}) as running:
            async with connect(running.port("web")) as client:
                for _ in range(3):
                    assert (await client.get("/", "a.example:8443")).status == 200
                assert (await client.get("/", "b.example")).status == 404
            await eventually(lambda: re.search(r"pfx.entrypoint.request.total:", "\n".join(statsd.lines)))
            await running.stop()
        await eventually(lambda: any("service.request.total" in line for line in datadog.lines))

        assert sum_of("pfx.entrypoint.request.total", statsd.lines) == 4
        assert sum_of("pfx.service.responses.bytes.total", statsd.lines) == 15
        assert observations("pfx.service.request.duration", "ms", statsd.lines) == 3
        assert not any("#" in line or "router" in line for line in statsd.lines)
        assert all(packet.count(b"\n") == 1 for packet in statsd.packets)

        tags = "#code:200,method:GET,protocol:http,service:s@file"
        assert f"traefik.service.request.total:3.000000|c|{tags}" in datadog.lines
        assert observations("traefik.service.request.duration", "h", datadog.lines) == 3
        assert any(line.startswith("traefik.router.request.total:3") and "router:r@file" in line for line in datadog.lines)
        assert all(len(packet) <= 8192 for packet in datadog.packets)

        written = [parse_line(line) for request in influx.requests for line in request.body.decode().splitlines()]
        by_name = {(each["measurement"], each["tags"].get("code", "")): each["fields"] for each in written}
        assert by_name["traefik.service.requests.total", "200"] == {"count": 3.0}
        durations = by_name["traefik.service.request.duration", "200"]
        assert sorted(durations) == ["p50", "p90", "p95", "p99"]
        assert 0 < durations["p50"] <= durations["p99"] < 5
        assert all(request.get("authorization") == "Token t0k" for request in influx.requests)

        told = ExportMetricsServiceRequest.FromString(gzip.decompress(collector.requests[-1].body))
        assert collector.requests[-1].target == b"/v1/metrics"
        found = of(told)
        assert found["traefik_service_requests_total"] == [(3.0, {"code": "200", "method": "GET", "service": "s@file"})]
        assert [count for count, _ in found["traefik_entrypoint_requests_total"]] in ([3.0, 1.0], [1.0, 3.0])
        (client_side,) = found["http.client.request.duration"]
        assert client_side[1]["server.port"] == int(shop.url.rpartition(":")[2])
        hosts = {
            (labels["server.address"], labels.get("server.port")): count
            for count, labels in found["http.server.request.duration"]
        }
        assert hosts == {("a.example", 8443): 3, ("b.example", None): 1}


def sum_of(name, lines):
    return sum(float(line.partition(":")[2].partition("|")[0]) for line in lines if line.startswith(f"{name}:"))


def observations(name, kind, lines):
    """How many a receiver takes it for."""
    found = [
        re.fullmatch(rf"{name}:[\d.]+\|{kind}(?:\|@([\d.]+))?(?:\|#.+)?", line) for line in lines if line.startswith(name)
    ]
    assert all(found)
    return sum(round(1 / float(each[1] or 1)) for each in found)


def of(request):
    """Values, or numbers of observations, with their attributes, by metric."""
    ((resource,),) = [request.resource_metrics]
    assert {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"] == "edge"
    found = {}
    for metric in resource.scope_metrics[0].metrics:
        kind = metric.WhichOneof("data")
        data = getattr(metric, kind)
        if kind != "gauge":
            assert data.aggregation_temporality == 2
        for point in data.data_points:
            labels = {each.key: each.value.string_value or each.value.int_value for each in point.attributes}
            labels.pop("protocol", None)
            value = point.count if kind == "histogram" else point.as_double
            found.setdefault(metric.name, []).append((value, labels))
    return found


@pytest.mark.spec("O-67")
async def test_receivers_that_are_ill_cost_metrics_and_nothing_else(tmp_path):
    """InfluxDB has no token, StatsD is away, Datadog's socket is not there; the collector with gRPC is well."""
    with over_grpc() as (collector, told), refusing() as closed:
        async with upstream(answer(200)) as shop:
            every = {"pushInterval": "100ms"}
            metrics = {
                "influxDB2": {"org": "o", "bucket": "b", **every},
                "statsD": {"address": f"127.0.0.1:{closed}", **every},
                "datadog": {"address": f"unix://{tmp_path}/missing", **every},
                "otlp": {"serviceName": "edge", "grpc": {"endpoint": collector, "insecure": True}, **every},
            }
            async with gateway(shop_at(shop.url), {"metrics": metrics, "log": {"level": "WARN"}}) as running:
                await eventually(lambda: "metrics.datadog: metrics cannot be delivered" in running.log())
                async with connect(running.port("web")) as client:
                    assert (await client.get("/", "a.example")).status == 200

                def lost():
                    return {
                        labels["exporter"] for _, labels in of(told[-1]).get("pointsman_metrics_dropped_samples_total", ())
                    }

                await eventually(lambda: told and lost() == {"statsD", "datadog"})
                await eventually(lambda: "traefik_service_requests_total" in of(told[-1]))
                log = running.log()
                began = time.monotonic()
                assert await running.stop() == 0
                assert time.monotonic() - began < 4.0
    assert re.search(r"ERR.*metrics\.influxDB2\.token: is missing; without token, org and bucket nothing is sent", log)
    assert log.count("metrics.statsD: metrics cannot be delivered") == 1
    assert log.count("metrics.datadog: metrics cannot be delivered") == 1
