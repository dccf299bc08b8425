"""What InfluxDB gets, and what switches it off."""

import logging

import pytest

from pointsman import Distribution, Metric, Sample
from pointsman.dialect.collectors import Undelivered
from pointsman.errors import ConfigError
from pointsman.testing import FakeContext, answering, build
from pointsman_influxdb2 import InfluxDB2, InfluxDB2Config

URL = "http://localhost:8086"
WHOLE = {"token": "s3cret", "org": "o g", "bucket": "b&b"}
METRICS = [
    Metric("traefik_service_requests_total", "", "counter", ("code", "service"), [Sample(("200", "a@file"), 3)]),
    Metric("traefik_open_connections", "", "gauge", ("entrypoint",), [Sample(("",), 2.0)]),
    Metric(
        "traefik_service_request_duration_seconds", "", "histogram", ("code", "service"),
        [Sample(("200", "a@file"), Distribution((0.1, 1.0), (9, 0, 1), 3.0))],
    ),
    Metric("pointsman_x_total", "", "counter", (), [Sample((), 2.5)]),
]  # fmt: skip


async def pushed(raw, server=None, metrics=METRICS, url=URL):
    server = server or answering(204)
    exporter = build(InfluxDB2, {**WHOLE, **raw}, FakeContext("influxDB2", servers={url: server}))
    await exporter._push(metrics)
    return server


async def test_what_has_come_is_written_as_lines():
    server = await pushed({"additionalLabels": {"region": "a b"}})

    request = server.last
    assert (request.method, request.path, request.query) == (b"POST", b"/api/v2/write", b"bucket=b%26b&org=o+g&precision=ns")
    assert request.headers.get(b"authorization") == b"Token s3cret"
    written = [line.rpartition(b" ") for line in (await request.body.read(9999)).splitlines()]
    assert len({time for _, _, time in written}) == 1
    assert [line.decode() for line, _, _ in written] == [
        r"traefik.service.requests.total,code=200,region=a\ b,service=a@file count=3",
        r"traefik.open.connections,region=a\ b value=2",
        r"traefik.service.request.duration,code=200,region=a\ b,service=a@file p50=0.05,p90=0.05,p95=2.55,p99=2.55",
        r"pointsman.x.total,region=a\ b count=2.5",
    ]


async def test_many_lines_come_in_several_requests():
    samples = [Sample((str(number),), 1) for number in range(4500)]
    server = await pushed({}, metrics=[Metric("traefik_a_total", "", "counter", ("code",), samples)])

    assert [(await request.body.read(1_000_000)).count(b"\n") for request in server.requests] == [2000, 2000, 500]


async def test_a_path_of_the_address_goes_before_it():
    server = await pushed({"address": "https://a.example:1/influx/"}, url="https://a.example:1")

    assert server.last.path == b"/influx/api/v2/write"


async def test_a_refusal_is_final():
    with pytest.raises(Undelivered, match="it answered 401"):
        await pushed({}, answering(401))


async def test_the_token_may_be_in_a_file(tmp_path):
    file = tmp_path / "token"
    file.write_text("from a file\n")
    server = await pushed({"token": str(file)})

    assert server.last.headers.get(b"authorization") == b"Token from a file"


@pytest.mark.parametrize("missing", ["token", "org", "bucket"])
def test_without_one_of_the_three_it_is_off(missing):
    with pytest.raises(ConfigError, match=f"{missing}: is missing") as raised:
        build(InfluxDB2, {**WHOLE, missing: ""})

    (problem,) = raised.value.problems
    assert (problem.path, problem.warning, problem.loud) == (missing, True, True)


def test_a_token_that_is_none_is_not_shown(caplog):
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigError) as raised:
        build(InfluxDB2, {**WHOLE, "token": "s3cret\nline"})

    assert "s3cret" not in str(raised.value) + caplog.text
    assert "s3cret" not in repr(InfluxDB2Config(token="s3cret"))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"address": "localhost:8086"}, "this is no URL of a collector"),
        ({"address": "http://me:pw@a"}, "it holds a user or a password"),
        ({"additionalLabels": {"_a": "x"}}, "'_a' is no name of a tag"),
        ({"additionalLabels": {"a\n": "x"}}, "is no name of a tag"),
        ({"pushInterval": "1ms"}, "at least 100ms"),
    ],
)
def test_what_cannot_be_is_refused(raw, said):
    with pytest.raises(ConfigError, match=said):
        build(InfluxDB2, {**WHOLE, **raw})
