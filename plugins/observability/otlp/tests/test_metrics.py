"""Metrics as a collector reads them."""

import gzip

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from pointsman import Distribution, Metric, Resource, Sample
from pointsman.errors import ConfigError
from pointsman.testing import FakeContext, answering, build
from pointsman_otlp.metrics import MetricsEncoder, OtlpMetrics

URL = "http://localhost:4318"
METRICS = [
    Metric("traefik_service_requests_total", "Requests", "counter", ("code", "service"), [Sample(("200", "a@file"), 3)]),
    Metric("traefik_open_connections", "Open", "gauge", ("entrypoint",), [Sample(("web",), 2.0)]),
    Metric("traefik_config_last_reload_success", "Last", "gauge", (), [Sample((), 1_700_000_000.0)]),
    Metric(
        "traefik_service_request_duration_seconds", "Duration", "histogram", ("code", "service"),
        [Sample(("200", "a@file"), Distribution((0.1, 1.0), (2, 0, 1), 3.5))],
    ),
    Metric(
        "http.server.request.duration", "", "histogram",
        ("error.type", "http.response.status_code", "server.address", "server.port"),
        [
            Sample(("", "200", "a.example", "8443"), Distribution((0.1,), (1, 0), 0.5)),
            Sample(("404", "404", "b.example", ""), Distribution((0.1,), (1, 0), 0.5)),
        ],
    ),
]  # fmt: skip


async def read(encoder, metrics, now):
    return [b"".join(batch) async for batch in encoder.encode(metrics, now)]


async def pushed(metrics=METRICS, times=1):
    server = answering(200)
    context = FakeContext("otlp", servers={URL: server}, resource=Resource({"service.name": "edge"}, "9.9"))
    exporter = build(OtlpMetrics, {"http": {"endpoint": URL}}, context)
    for _ in range(times):
        await exporter._push(metrics)
    assert server.last.path == b"/v1/metrics"
    requests = []
    for request in server.requests:
        body = gzip.decompress(await request.body.read(10_000_000))
        ((resource,),) = [ExportMetricsServiceRequest.FromString(body).resource_metrics]
        (scope,) = resource.scope_metrics
        requests.append((resource.resource, scope.scope, scope.metrics))
    return requests


def attributes(point):
    return {each.key: each.value.string_value or each.value.int_value for each in point.attributes}


async def test_totals_are_told_as_opentelemetry_has_them():
    ((resource, scope, metrics),) = await pushed()

    assert {each.key: each.value.string_value for each in resource.attributes} == {"service.name": "edge"}
    assert (scope.name, scope.version) == ("github.com/traefik/traefik", "9.9")
    requests, connections, reload, durations, semantic = metrics
    assert [metric.unit for metric in metrics] == ["1", "1", "s", "s", "s"]
    assert (requests.name, requests.description) == ("traefik_service_requests_total", "Requests")
    assert (requests.sum.is_monotonic, requests.sum.aggregation_temporality) == (True, 2)
    (point,) = requests.sum.data_points
    assert (point.as_double, attributes(point)) == (3.0, {"code": "200", "service": "a@file"})
    assert 0 < point.start_time_unix_nano < point.time_unix_nano
    assert [point.as_double for point in (*connections.gauge.data_points, *reload.gauge.data_points)] == [2.0, 1.7e9]
    (point,) = durations.histogram.data_points
    assert (point.count, point.sum, [*point.bucket_counts], [*point.explicit_bounds]) == (3, 3.5, [2, 0, 1], [0.1, 1.0])
    assert durations.histogram.aggregation_temporality == 2
    assert list(map(attributes, semantic.histogram.data_points)) == [
        {"http.response.status_code": 200, "server.address": "a.example", "server.port": 8443},
        {"error.type": "404", "http.response.status_code": 404, "server.address": "b.example"},
    ]


async def test_a_series_counts_from_when_it_was_not_there_yet():
    encoder = MetricsEncoder(1)

    def counting(*codes):
        return [Metric("traefik_a_total", "", "counter", ("code",), [Sample((code,), 1) for code in codes])]

    def starts(requests):
        found = ExportMetricsServiceRequest.FromString(b"\x0a" + _sized(b"\x12" + _sized(requests[0])))
        return [
            point.start_time_unix_nano for point in found.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points
        ]

    assert starts(await read(encoder, counting("200"), 5)) == [1]
    assert starts(await read(encoder, counting("200", "404"), 9)) == [1, 5]
    assert starts(await read(encoder, counting("200"), 12)) == [1]
    assert starts(await read(encoder, counting("200", "404"), 20)) == [1, 12]


def _sized(content):
    assert len(content) < 128
    return bytes([len(content)]) + content


async def test_much_is_told_in_several_requests():
    samples = [Sample((f"{number:0200}",), number) for number in range(2000)]
    requests = await pushed([Metric("traefik_a_total", "", "counter", ("code",), samples)])

    assert len(requests) == 2
    values = [point.as_double for _, _, metrics in requests for metric in metrics for point in metric.sum.data_points]
    assert values == [float(number) for number in range(2000)]


def test_it_wants_opentelemetrys_own_histograms_and_its_boundaries():
    needs = build(OtlpMetrics, {"explicitBoundaries": [0.5, 1]}).needs

    assert (needs.semantic, needs.boundaries, needs.routers) == (True, (0.5, 1.0), False)
    assert build(OtlpMetrics).needs.boundaries[:2] == (0.005, 0.01)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"explicitBoundaries": [1, 1]}, r"otlp\.explicitBoundaries: .* each above the one before it"),
        ({"http": {"endpoint": "localhost"}}, r"http\.endpoint: this is no URL of a collector"),
        ({"grpc": {"endpoint": "http://a"}}, r"grpc\.endpoint: write it as host:port"),
    ],
)
def test_what_cannot_be_is_refused(raw, said):
    with pytest.raises(ConfigError, match=said):
        build(OtlpMetrics, raw)
