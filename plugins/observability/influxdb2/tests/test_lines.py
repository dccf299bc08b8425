"""Line protocol: whatever names and values hold, a parser of somebody else's finds them again."""

from hypothesis import given
from hypothesis import strategies as st
from line_protocol_parser import parse_line

from pointsman import Metric, Sample
from pointsman_influxdb2.lines import escaped, lines, number

value = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20) | st.sampled_from(
    ["\\", "a\\", "\\,", "\\ =", "a\\\\b"]
)
name = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=10)


def without_last_backslashes(text):
    kept = text.rstrip("\\")
    return kept + "/" * (len(text) - len(kept))


@given(st.dictionaries(st.sampled_from(["code", "router", "service"]), value), st.dictionaries(name, value, max_size=3))
def test_tags_are_found_again(labels, common):
    metric = Metric("traefik_a_total", "", "counter", tuple(labels), [Sample(tuple(labels.values()), 3)])
    (line,) = lines([metric], common, 1_700_000_000_000_000_000)

    found = parse_line(line[:-1])
    expected = {without_last_backslashes(key): text for key, text in common.items()} | labels
    assert line.count("\n") == 1
    assert (found["measurement"], found["fields"], found["time"]) == (
        "traefik.a.total",
        {"count": 3.0},
        1_700_000_000_000_000_000,
    )
    assert found["tags"] == {key: without_last_backslashes(text) for key, text in expected.items() if text}


@given(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_numbers_are_found_again(written):
    metric = Metric("traefik_g", "", "gauge", (), [Sample((), written)])
    (line,) = lines([metric], {}, 1)

    assert parse_line(line[:-1])["fields"] == {"value": written}


def test_line_ends_become_blanks_and_whole_numbers_have_no_point():
    assert escaped("a\r\nb") == "a\\ \\ b"
    assert [number(each) for each in (3, 3.0, 0.5, 1e300)] == ["3", "3", "0.5", "1e+300"]
