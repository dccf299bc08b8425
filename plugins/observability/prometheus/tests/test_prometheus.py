"""What Prometheus is told, and what is refused."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as text_string_to_open_metrics_families
from prometheus_client.parser import text_string_to_metric_families

from pointsman import Distribution, InternalRequest, Metric, Sample
from pointsman.errors import ConfigError
from pointsman.testing import FakeContext, build
from pointsman_prometheus import Prometheus
from pointsman_prometheus.exposition import Exposition, number, wants_open_metrics
from pointsman_prometheus.process import Processes

METRICS = [
    Metric("traefik_z_total", "Z", "counter", ("a", "b"), [Sample(("1", 'q"\\\n'), 2), Sample(("", "x"), 2.5)]),
    Metric("traefik_h_seconds", "H\nh", "histogram", ("a",), [Sample(("1",), Distribution((0.1, 5.0), (1, 0, 2), 12.25))]),
    Metric("traefik_g", "G", "gauge", (), [Sample((), 1)]),
]


async def asked(accept="", raw=None, method="GET"):
    exporter = build(Prometheus, raw or {}, FakeContext("prometheus", metrics=METRICS))
    return await exporter.answer(InternalRequest(method, "/metrics", {}, {"accept": accept}))


async def test_metrics_are_written_in_the_text_format():
    answer = await asked()

    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
    lines = [line for line in answer.body.decode().splitlines() if "traefik" in line]
    assert lines == [
        "# HELP traefik_g G",
        "# TYPE traefik_g gauge",
        "traefik_g 1",
        "# HELP traefik_h_seconds H\\nh",
        "# TYPE traefik_h_seconds histogram",
        'traefik_h_seconds_bucket{a="1",le="0.1"} 1',
        'traefik_h_seconds_bucket{a="1",le="5"} 1',
        'traefik_h_seconds_bucket{a="1",le="+Inf"} 3',
        'traefik_h_seconds_sum{a="1"} 12.25',
        'traefik_h_seconds_count{a="1"} 3',
        "# HELP traefik_z_total Z",
        "# TYPE traefik_z_total counter",
        'traefik_z_total{a="1",b="q\\"\\\\\\n"} 2',
        'traefik_z_total{a="",b="x"} 2.5',
    ]


async def test_openmetrics_is_written_for_who_asks_for_it():
    answer = await asked("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3")

    assert answer.content_type.startswith("application/openmetrics-text; version=1.0.0")
    text = answer.body.decode()
    assert "# TYPE traefik_z counter\n" in text
    assert 'traefik_z_total{a="",b="x"} 2.5\n' in text
    assert text.endswith("# EOF\n")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0.1, text/plain", False),
        ("application/openmetrics-text;q=nonsense", False),
    ],
)
def test_what_is_asked_for_decides(accept, wanted):
    assert wants_open_metrics(accept) is wanted


async def test_the_process_is_measured():
    text = (await asked()).body.decode()

    assert 'python_info{implementation="CPython"' in text
    for name in ("cpu_seconds_total", "resident_memory_bytes", "open_fds", "start_time_seconds"):
        assert f"\nprocess_{name} " in text


def test_cpu_time_does_not_fall_when_a_process_ends(tmp_path):
    def stat(folder, ticks, of_children=0):
        (tmp_path / folder / "fd").mkdir(parents=True, exist_ok=True)
        fields = ["S", *["0"] * 10, str(ticks), "0", str(of_children), "0", *["1"] * 30]
        (tmp_path / folder / "stat").write_text(f"1 (name) {' '.join(fields)}\n")

    def seconds():
        (found,) = (each for each in processes.metrics() if each.name == "process_cpu_seconds_total")
        return found.samples[0].value * os.sysconf("SC_CLK_TCK")

    stat("self", 100)
    stat("7", 50)
    task = tmp_path / "self" / "task" / "1"
    task.mkdir(parents=True)
    (task / "children").write_text("7")
    (tmp_path / "stat").write_text("btime 1000\n")
    processes = Processes(tmp_path)
    assert seconds() == pytest.approx(150)
    (task / "children").write_text("")
    assert seconds() == pytest.approx(150)
    stat("self", 110, of_children=55)
    assert seconds() == pytest.approx(165)


async def test_only_reading_is_allowed():
    answer = await asked(method="POST")

    assert (answer.status, answer.headers) == (405, {"Allow": "GET, HEAD"})


def test_it_needs_what_its_options_say():
    needs = build(Prometheus).needs
    assert (needs.entry_points, needs.routers, needs.services, needs.boundaries) == (True, False, True, (0.1, 0.3, 1.2, 5.0))
    needs = build(Prometheus, {"addEntryPointsLabels": False, "addRoutersLabels": True, "buckets": [1]}).needs
    assert (needs.entry_points, needs.routers, needs.boundaries) == (False, True, (1.0,))
    assert build(Prometheus, {"headerLabels": {"ua": "User-Agent"}}).needs.header_labels == {"ua": "User-Agent"}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"headerLabels": {"a-b": "X"}}, "'a-b' is not a label name"),
        ({"headerLabels": {"__x": "X"}}, "'__x' is not a label name"),
        ({"headerLabels": {"code": "X"}}, "the label 'code' is there already"),
        ({"headerLabels": {"x": "X Y"}}, "'X Y' is not the name of a header"),
        ({"buckets": [1, 1]}, "each above the one before it"),
        ({"buckets": [2, 1]}, "each above the one before it"),
    ],
)
def test_options_that_would_break_the_exposition_are_refused(raw, said):
    with pytest.raises(ConfigError, match=said):
        build(Prometheus, raw)


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (1.0, "1"), (0.1, "0.1"), (1e20, "1e+20"), (-2.5, "-2.5"), (1795425274.0, "1795425274")]
)
def test_numbers_are_as_short_as_they_can_be(value, text):
    assert number(value) == text


NAMES = st.from_regex(r"(traefik|pointsman)_[a-z][a-z0-9_]{0,10}[a-z0-9]", fullmatch=True).filter(
    lambda name: not name.endswith(("_total", "_bucket", "_sum", "_count", "_created", "_info"))
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=12)
NUMBERS = st.floats(0, 1e12, allow_nan=False) | st.integers(0, 10**12)


@given(
    st.dictionaries(NAMES, st.lists(st.tuples(TEXTS, TEXTS, NUMBERS), unique_by=lambda row: row[:2], max_size=4), max_size=4)
)
def test_the_reference_parsers_read_what_was_written(families):
    """Whatever is in labels and helps, no line breaks and nothing is lost."""
    metrics = [
        Metric(
            f"{name}_total", "h\\e\nlp", "counter", ("a", "b"), [Sample((one, other), value) for one, other, value in rows]
        )
        for name, rows in families.items()
        if rows
    ]
    expected = {(m.name, *s.labels): float(s.value) for m in metrics for s in m.samples}
    for is_open, parse in ((False, text_string_to_metric_families), (True, text_string_to_open_metrics_families)):
        exposition = Exposition(is_open)
        list(exposition.writing(metrics))
        samples = [sample for family in parse(exposition.body.decode()) for sample in family.samples]
        found = {(sample.name, sample.labels["a"], sample.labels["b"]): sample.value for sample in samples}
        assert found == pytest.approx(expected)
