"""Lines of StatsD and DogStatsD, names with dots, and addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dialect.datagrams import Receiver, packed
from pointsman.dialect.metric_names import dotted, singular
from pointsman.dialect.statsd import Lines, rates, unlabelled, usable_prefix
from pointsman.measures import Distribution, Metric, Sample

LABELS = ("code", "service")
DURATION = "traefik_service_request_duration_seconds"
METRICS = [
    Metric(
        "traefik_service_requests_total", "", "counter", LABELS, [Sample(("200", "a@file"), 3), Sample(("404", "b|,"), 1)]
    ),
    Metric("traefik_service_server_up", "", "gauge", ("service",), [Sample(("a@file",), 1.0), Sample(("b@file",), 0.0)]),
    Metric("traefik_open_connections", "", "gauge", ("entrypoint",), [Sample(("web",), 2.0), Sample(("x",), 3.0)]),
    Metric(
        DURATION, "", "histogram", LABELS,
        [
            Sample(("200", "a@file"), Distribution((0.1, 1.0), (2, 0, 0), 0.1)),
            Sample(("404", ""), Distribution((0.1, 1.0), (0, 1, 0), 0.55)),
        ],
    ),
]  # fmt: skip


def written(lines):
    return [line.decode() for line in lines]


async def test_without_tags_there_is_one_number_for_each_name():
    assert written(Lines("pfx", "ms").of(await unlabelled(METRICS))) == [
        "pfx.service.request.total:4.000000|c\n",
        "pfx.service.server.up:0.000000|g\n",
        "pfx.open.connections:5.000000|g\n",
        "pfx.service.request.duration:50.000000|ms|@0.5\n",
        "pfx.service.request.duration:550.000000|ms\n",
    ]


def test_with_tags_there_is_one_for_each_series():
    assert written(Lines("traefik", "h").of(METRICS)) == [
        "traefik.service.request.total:3.000000|c|#code:200,service:a@file\n",
        "traefik.service.request.total:1.000000|c|#code:404,service:b__\n",
        "traefik.service.server.up:1.000000|g|#service:a@file\n",
        "traefik.service.server.up:0.000000|g|#service:b@file\n",
        "traefik.open.connections:2.000000|g|#entrypoint:web\n",
        "traefik.open.connections:3.000000|g|#entrypoint:x\n",
        "traefik.service.request.duration:0.050000|h|@0.5|#code:200,service:a@file\n",
        "traefik.service.request.duration:0.550000|h|#code:404\n",
    ]


def test_a_sign_is_no_difference():
    below = [Metric("pointsman_x", "", "gauge", ("a",), [Sample(("1",), -2.0)])]

    assert written(Lines("p", "h").of(below)) == ["p.pointsman.x:-2.000000|g|#a:1\n"]
    (bare,) = below
    bare = bare._replace(labels=(), samples=[Sample((), -2.0)])
    assert written(Lines("p", "ms").of([bare])) == ["p.pointsman.x:0.000000|g\np.pointsman.x:-2.000000|g\n"]


text = st.text(max_size=12)


@given(st.dictionaries(st.sampled_from(["code", "router", "service"]), text, min_size=1), st.integers(0, 10**9))
def test_no_value_ends_a_tag_or_a_line(labels, value):
    metric = Metric("traefik_x_total", "", "counter", tuple(labels), [Sample(tuple(labels.values()), value)])
    (line,) = Lines("p", "h").of([metric])

    body = line.decode()
    assert body.index("\n") == len(body) - 1
    name, kind, *tags = body[:-1].split("|")
    assert (name, kind) == (f"p.x.total:{value}.000000", "c")
    given = [name for name, value in labels.items() if value]
    assert [pair.partition(":")[0] for part in tags for pair in part.removeprefix("#").split(",")] == given


@given(st.integers(1, 10**7))
def test_receivers_count_as_often_as_it_was(count):
    """Whether they round, cut, or count up to what the division gives."""
    told = [float(rate.removeprefix("|@")) if rate else 1.0 for rate in rates(count)]

    assert sum(int(1 / rate) for rate in told) == count
    assert all((1 / rate).is_integer() for rate in told)
    assert len(told) < 6
    assert not any("e" in rate for rate in rates(count))


@pytest.mark.parametrize(
    ("name", "influx", "statsd"),
    [
        ("traefik_config_reloads_total", "config.reload.total", "config.reload.total"),
        ("traefik_config_last_reload_success", "config.reload.lastSuccessTimestamp", "config.reload.lastSuccessTimestamp"),
        ("traefik_open_connections", "open.connections", "open.connections"),
        ("traefik_tls_certs_not_after", "tls.certs.notAfterTimestamp", "tls.certs.notAfterTimestamp"),
        ("traefik_entrypoint_requests_total", "entrypoint.requests.total", "entrypoint.request.total"),
        ("traefik_router_requests_tls_total", "router.requests.tls.total", "router.request.tls.total"),
        (DURATION, "service.request.duration", "service.request.duration"),
        ("traefik_service_requests_bytes_total", "service.requests.bytes.total", "service.requests.bytes.total"),
        ("traefik_router_responses_bytes_total", "router.responses.bytes.total", "router.responses.bytes.total"),
        ("traefik_service_retries_total", "service.retries.total", "service.retries.total"),
        ("traefik_service_server_up", "service.server.up", "service.server.up"),
        ("pointsman_refused_requests_total", "pointsman.refused.requests.total", "pointsman.refused.requests.total"),
    ],
)
def test_names_are_those_of_the_dialect(name, influx, statsd):
    assert (dotted(name), singular(name)) == (influx, statsd)


@pytest.mark.parametrize(
    ("address", "kind", "host", "port"),
    [
        ("localhost:8125", "udp", "localhost", 8125),
        (":8125", "udp", "localhost", 8125),
        ("[::1]:1", "udp", "::1", 1),
        ("[fe80::1%eth0]:1", "udp", "fe80::1%eth0", 1),
        ("unix:///run/dsd.socket", "unix", "/run/dsd.socket", 0),
        ("unixgram:///run/dsd.socket", "unixgram", "/run/dsd.socket", 0),
        ("unixstream://dsd.socket", "unixstream", "dsd.socket", 0),
    ],
)
def test_an_address_says_where(address, kind, host, port):
    assert Receiver.of(address, unix=True) == Receiver(kind, host, port)


@pytest.mark.parametrize(
    "address",
    ["", "localhost", "a:b", "::1:8125", "a:0", "a:65536", "http://a:1", "a:1\n", "unix://", "unix:///" + "x" * 108],
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match=r"write it as host:port|bytes at most"):
        Receiver.of(address, unix=True)
    with pytest.raises(ValueError, match="write it as host:port"):
        Receiver.of("unix:///run/x")


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=30), st.integers(0, 100))
def test_lines_travel_together_as_far_as_there_is_room(lines, most):
    packets = list(packed(lines, most))

    assert b"".join(packets) == b"".join(lines)
    assert all(len(packet) <= most or packet in lines for packet in packets)
    assert most or packets == lines


@pytest.mark.parametrize("prefix", ["a:b", "a|b", "a b", "a\n", "a#", "\x01"])
def test_a_prefix_that_would_end_a_name_is_refused(prefix):
    with pytest.raises(ValueError, match="no name of a metric has"):
        usable_prefix(prefix)
