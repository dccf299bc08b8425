"""What receivers of metrics get of the reference and of ours, for the same traffic: names, tags, labels and types."""

import asyncio
import gzip
import re
from collections.abc import Mapping
from contextlib import asynccontextmanager

import pytest
from line_protocol_parser import parse_line
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from pointsman.testing import answer, connect, gateway, upstream

from .harness import TRAEFIK

pytestmark = pytest.mark.real("traefik")

OURS = re.compile(r"(?:[a-z]+\.)?pointsman[._]")
"""What the reference does not measure."""
STATSD = re.compile(r"(?P<name>[\w.]+):(?P<value>[\d.]+)\|(?P<kind>c|g|ms|h)(?:\|@[\d.]+)?(?:\|#(?P<tags>.+))?\n")


class Packets(asyncio.DatagramProtocol):
    """Keeps what comes."""

    def __init__(self):
        self.packets = []

    def datagram_received(self, data, address):
        self.packets.append(data.decode())


@asynccontextmanager
async def listening():
    """What comes to a port of UDP, and its address."""
    transport, kept = await asyncio.get_running_loop().create_datagram_endpoint(Packets, local_addr=("127.0.0.1", 0))
    try:
        yield kept.packets, f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()


def of_statsd(packets):
    """Names, types and tags; the values of counters, summed up."""
    series, counted = set(), {}
    for packet in packets:
        found = STATSD.fullmatch(packet)
        assert found, packet
        tags = tuple(sorted((found["tags"] or "").split(",")))
        if OURS.match(found["name"]):
            continue
        series.add((found["name"], found["kind"], tags))
        if found["kind"] == "c":
            counted[found["name"], tags] = counted.get((found["name"], tags), 0.0) + float(found["value"])
    return series, counted


def of_influx(requests):
    series, counted = set(), {}
    for request in requests:
        assert (request.get("authorization"), request.method) == ("Token t", b"POST")
        for line in request.body.decode().splitlines():
            found = parse_line(line)
            tags = tuple(sorted(found["tags"].items()))
            if OURS.match(found["measurement"]):
                continue
            series.add((found["measurement"], tuple(sorted(found["fields"])), tags))
            if "count" in found["fields"]:
                key = (found["measurement"], tags)
                counted[key] = counted.get(key, 0.0) + found["fields"]["count"]
    return series, counted, {request.target for request in requests}


def of_otlp(requests):
    """Each series with type, unit, temporality and bounds; the totals of counters and of histograms' observations."""
    series, counted = set(), {}
    (resource,) = ExportMetricsServiceRequest.FromString(gzip.decompress(requests[-1].body)).resource_metrics
    (scope,) = resource.scope_metrics
    for metric in scope.metrics:
        if OURS.match(metric.name):
            continue
        kind = metric.WhichOneof("data")
        data = getattr(metric, kind)
        for point in data.data_points:
            labels = tuple(sorted((each.key, each.value.string_value or each.value.int_value) for each in point.attributes))
            more = (data.aggregation_temporality, tuple(point.explicit_bounds)) if kind == "histogram" else ()
            if kind == "sum":
                more = (data.aggregation_temporality, data.is_monotonic)
            series.add((metric.name, kind, metric.unit, labels, more))
            if kind != "gauge":
                counted[metric.name, labels] = point.count if kind == "histogram" else point.as_double
    named = {each.key: each.value.string_value for each in resource.resource.attributes}
    return series, counted, (scope.scope.name, named["service.name"], named["team"], requests[-1].target)


async def told(command, **options):
    """What one gateway tells of some requests, by exporter."""
    async with (
        listening() as (packets, statsd),
        listening() as (tagged, agent),
        upstream(answer(200, body=b"hello")) as shop,
        upstream(answer(204)) as influx,
        upstream(answer(200)) as otlp,
    ):
        shared = {"pushInterval": "500ms", "addRoutersLabels": True}
        metrics = {
            "statsD": {"address": statsd, "prefix": "pfx", **shared},
            "datadog": {"address": agent, **shared},
            "influxDB2": {"address": influx.url, "token": "t", "org": "o g", "bucket": "b&b", **shared},
            "otlp": {"http": {"endpoint": otlp.url}, "resourceAttributes": {"team": "blue"}, **shared},
        }
        metrics["influxDB2"]["additionalLabels"] = {"z a": "x,y=z"}
        points = {"web": {}, "traefik": {"observability": {"metrics": False}}}
        async with gateway(document(shop.url), {"metrics": metrics, "entryPoints": points}, **options, **command) as running:
            async with connect(running.port()) as client:
                for path in (b"/x", b"/y", b"/nothing"):
                    await client.ask(b"POST %b HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabc" % path)
            await asyncio.sleep(2.0)  # pushes of four kinds, and nothing says when the reference has made its last
        url = shop.url
        found = of_statsd(packets), of_statsd(tagged), of_influx(influx.requests), of_otlp(otlp.requests)
    return [same(each, {url: "http://server", url.removeprefix("http://"): "server"}) for each in found]


def same(found, names):
    """With the server's address, which is another each time, replaced."""
    if isinstance(found, str):
        for name, instead in names.items():
            found = found.replace(name, instead)
        return found
    if isinstance(found, Mapping):
        return {same(key, names): value for key, value in found.items()}
    if isinstance(found, tuple | set):
        return type(found)(same(each, names) for each in found)
    return found


def document(url):
    routers = {"r": {"rule": "Path(`/x`) || Path(`/y`)", "service": "s"}}
    services = {"s": {"loadBalancer": {"servers": [{"url": url}], "healthCheck": {"path": "/", "interval": "100ms"}}}}
    return {"http": {"routers": routers, "services": services}}


DECLARED = {
    ("http.client.request.duration", "network.protocol.name"): "http",  # not http/1.1, which is the version, too
    ("http.server.request.duration", "network.protocol.name"): "http",
    ("http.client.request.duration", "server.address"): "127.0.0.1",  # with the port in an attribute of its own
    ("http.client.request.duration", "server.port"): "the server's",
}
"""What attributes of OpenTelemetry's histograms are, where the reference has others."""
SECONDS = "traefik_config_last_reload_success"
"""Declared in milliseconds there, though it holds seconds."""
BYTES_OF_404 = re.compile(r"entrypoint[._]requests[._]bytes[._]total")
RELOADS = re.compile(r"config[._]reloads?[._]total")
"""The reference counts what it publishes itself, too."""


def with_declared(series):
    """Series of the reference as they ought to be, or ours as they are, with one name for the server's port."""
    return {
        (
            name,
            kind,
            "s" if name == SECONDS else unit,
            tuple((key, DECLARED.get((name, key), value)) for key, value in labels),
            more,
        )
        for name, kind, unit, labels, more in series
    }


def counted_alike(theirs, ours):
    """Whether all counts are equal; bodies that nobody takes (404) are counted by us alone."""
    keys = {key for key in theirs.keys() | ours.keys() if not RELOADS.search(key[0]) and not BYTES_OF_404.search(key[0])}
    return {key: theirs.get(key) for key in keys} == {key: ours.get(key) for key in keys}


async def test_metrics_are_called_and_labelled_as_they_were():
    theirs, ours = await asyncio.gather(told({"workers": None, "command": [str(TRAEFIK)]}), told({"workers": 1}))
    for one, other in zip(theirs[:3], ours[:3], strict=True):
        assert other[0] == one[0]
        assert counted_alike(one[1], other[1])
        assert other[2:] == one[2:]
    (series, counted, about), (our_series, our_counted, our_about) = theirs[3], ours[3]

    assert our_about == about
    assert with_declared(our_series) == with_declared(series)
    assert counted_alike(
        *({key: value for key, value in each.items() if key[0][:4] != "http"} for each in (counted, our_counted))
    )
    assert {name for name, _, unit, *_ in our_series if unit == "s"} >= {SECONDS, "http.server.request.duration"}
    (client,) = [dict(labels) for name, _, _, labels, _ in our_series if name == "http.client.request.duration"]
    assert (client["network.protocol.name"], client["server.address"]) == ("http", "127.0.0.1")
