"""Trace headers of every format: read, written, malformed, repeated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.message import Headers, Parsed
from pointsman.observe.formats import Remote
from pointsman.observe.propagation import NAMES, Propagation, known

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
LONG = f"{'0' * 16}8448eb211c80319c"
ONE = "0000000000000001"
FORMATS = [name for name in NAMES if name not in ("baggage", "none")]


def read(formats: str, **headers: str) -> Remote | None:
    lines = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Propagation(formats.split(",")).extract(Headers(lines))


def remote(**more: object) -> Remote:
    return Remote(**{"trace_id": TRACE, "span_id": SPAN, "sampled": True, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("formats", "headers", "said"),
    [
        ("tracecontext", {"traceparent": f"00-{TRACE}-{SPAN}-01"}, remote()),
        ("tracecontext", {"traceparent": f"00-{TRACE}-{SPAN}-00"}, remote(sampled=False)),
        ("tracecontext", {"traceparent": f"cc-{TRACE}-{SPAN}-03-what-comes"}, remote()),
        ("tracecontext", {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a=b"}, remote(state="a=b")),
        ("b3", {"b3": f"{TRACE}-{SPAN}-1"}, remote()),
        ("b3", {"b3": f"{TRACE}-{SPAN}-0-{SPAN}"}, remote(sampled=False, parent_id=SPAN)),
        ("b3", {"b3": f"{TRACE}-{SPAN}-d"}, remote(debug=True)),
        ("b3", {"b3": f"{TRACE}-{SPAN}"}, remote(sampled=None)),
        ("b3", {"b3": f"8448eb211c80319c-{SPAN}-1"}, remote(trace_id=LONG)),
        ("b3", {"b3": "0"}, Remote(sampled=False)),
        ("b3", {"b3": "d"}, Remote(sampled=True, debug=True)),
        ("b3", {"x_b3_traceid": TRACE, "x_b3_spanid": SPAN, "x_b3_sampled": "true"}, remote()),
        ("b3multi", {"x_b3_traceid": TRACE, "x_b3_spanid": SPAN, "x_b3_flags": "1"}, remote(debug=True)),
        ("b3multi", {"x_b3_traceid": TRACE, "x_b3_spanid": SPAN}, remote(sampled=None)),
        ("b3multi", {"x_b3_sampled": "0"}, Remote(sampled=False)),
        ("b3multi", {"b3": f"{TRACE}-{SPAN}-1", "x_b3_traceid": LONG, "x_b3_spanid": SPAN}, remote()),
        ("jaeger", {"uber_trace_id": f"{TRACE}:{SPAN}:0:1"}, remote()),
        ("jaeger", {"uber_trace_id": f"{TRACE}%3A{SPAN}%3a0%3A0"}, remote(sampled=False)),
        ("jaeger", {"uber_trace_id": f"{TRACE}:1:{SPAN}:3"}, remote(span_id=ONE, parent_id=SPAN, debug=True)),
        ("jaeger", {"uber_trace_id": f"{LONG[16:]}:{SPAN}:0:1"}, remote(trace_id=LONG)),
        ("jaeger", {"jaeger_debug_id": "me"}, Remote(sampled=True, debug=True)),
        ("jaeger=x-trace", {"x_trace": f"{TRACE}:{SPAN}:0:1"}, remote()),
        ("xray", {"x_amzn_trace_id": f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN};Sampled=1"}, remote()),
        ("xray", {"x_amzn_trace_id": f"Self=1-x; Root=1-{TRACE[:8]}-{TRACE[8:]}"}, Remote(TRACE)),
        ("ottrace", {"ot_tracer_traceid": TRACE[16:], "ot_tracer_spanid": SPAN}, remote(trace_id=LONG, sampled=None)),
        ("none", {"traceparent": f"00-{TRACE}-{SPAN}-01"}, None),
        ("tracecontext", {"b3": f"{TRACE}-{SPAN}-1"}, None),
    ],
)  # fmt: skip
def test_what_a_client_says_is_read(formats: str, headers: dict[str, str], said: Remote | None) -> None:
    assert read(formats, **headers) == said


@pytest.mark.parametrize(
    ("formats", "headers"),
    [
        ("tracecontext", {"traceparent": value})
        for value in (
            "",
            "00",
            f"00-{TRACE}-{SPAN}-01-x",
            f"ff-{TRACE}-{SPAN}-01",
            f"00-{TRACE.upper()}-{SPAN}-01",
            f"00-{'0' * 32}-{SPAN}-01",
            f"00-{TRACE}-{'0' * 16}-01",
            f"00-{TRACE}-{SPAN}-1",
        )
    ]
    + [("b3", {"b3": f"{TRACE}-{SPAN}-2"}), ("b3", {"b3": TRACE}), ("b3multi", {"x_b3_traceid": TRACE})]
    + [("jaeger", {"uber_trace_id": f"{TRACE}:{SPAN}:1"}), ("jaeger", {"uber_trace_id": f"0:{SPAN}:0:1"})]
    + [("xray", {"x_amzn_trace_id": f"Root=1-{TRACE}"}), ("ottrace", {"ot_tracer_traceid": TRACE})],
)  # fmt: skip
def test_what_is_malformed_says_nothing(formats: str, headers: dict[str, str]) -> None:
    assert read(formats, **headers) is None


def test_a_header_that_is_repeated_says_nothing() -> None:
    lines = [(b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())] * 2
    assert Propagation(("tracecontext",)).extract(Headers(lines)) is None


def test_a_later_format_overrides_an_earlier_one() -> None:
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "b3": f"{LONG}-{SPAN}-0"}
    first, second = read("tracecontext,b3", **headers), read("b3,tracecontext", **headers)
    assert first is not None
    assert second is not None
    assert (first.trace_id, second.trace_id) == (LONG, TRACE)


def test_a_tracestate_that_belongs_to_no_traceparent_is_not_passed_on() -> None:
    headers = Headers([(b"traceparent", b"garbage"), (b"tracestate", b"a=b")])
    assert Propagation(("tracecontext",)).extract(headers) is None
    assert b"tracestate" not in headers


def sent(told: bytes) -> Headers:
    """The lines as a server reads them."""
    lines = [line.split(b": ", 1) for line in told.split(b"\r\n")[1:]]
    return Headers([(name.lower(), value) for name, value in lines])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("sampled", [True, False])
def test_what_is_written_reads_back(name: str, sampled: bool) -> None:
    propagation = Propagation((name,))
    found = propagation.extract(sent(propagation.told(TRACE, SPAN, sampled, False)))
    assert found is not None
    assert (found.trace_id[16:], found.span_id, found.sampled) == (TRACE[16:], SPAN, sampled)
    assert found.trace_id == (LONG if name == "ottrace" else TRACE)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("sampled", [True, False])
def test_what_was_said_makes_way_for_what_is_written(name: str, sampled: bool) -> None:
    propagation = Propagation((name,))
    written = [line for line, _ in sent(propagation.told(TRACE, SPAN, sampled, True))]
    headers = Headers([(each, b"old") for each in [*written, *written]] + [(b"x-other", b"1")])
    propagation.remove_from(headers)
    assert list(headers) == [(b"x-other", b"1")]


def test_lines_as_they_were_read_lose_only_what_was_said() -> None:
    lines = [((b"b3", b"0"), 0, b"\r\nb3: 0"), ((b"x", b"b3: 0"), 0, b"\r\nX: b3: 0"), ((b"b3", b"1"), 0, b"\r\nB3: 1")]
    headers = Headers((), Parsed(lines, 0, b"".join(line[2] for line in lines)))
    Propagation(("b3",)).remove_from(headers)
    assert headers.parsed is not None
    assert (headers.parsed.wire, headers.parsed.pairs()) == (b"\r\nX: b3: 0", ((b"x", b"b3: 0"),))


def test_all_formats_are_written_at_once() -> None:
    told = Propagation(("tracecontext", "baggage", "b3", "jaeger", "xray")).told(TRACE, SPAN, True, True)
    assert dict(sent(told)) == {
        b"traceparent": f"00-{TRACE}-{SPAN}-01".encode(),
        b"b3": f"{TRACE}-{SPAN}-d".encode(),
        b"uber-trace-id": f"{TRACE}:{SPAN}:0:3".encode(),
        b"x-amzn-trace-id": f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={SPAN};Sampled=1".encode(),
    }


def test_names_are_checked() -> None:
    assert known(NAMES)
    assert known(["jaeger=X-Trace"])
    assert not known(["w3c"])
    assert not known(["jaeger=a b"])


hexes = st.text("0123456789abcdefABCDEF-:%3A;=, \x00\xff", max_size=80)
made = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=100),
    hexes,
    st.builds("{}-{}-{}-{}".format, hexes, hexes, hexes, hexes),
    st.builds("Root=1-{}-{};Parent={}".format, hexes, hexes, hexes),
)


@given(st.lists(st.tuples(st.sampled_from(sorted(Propagation(FORMATS).reads)), made), max_size=6))
def test_no_header_makes_reading_raise_and_ids_are_always_ids(lines: list[tuple[bytes, str]]) -> None:
    found = Propagation(FORMATS).extract(Headers([(name, value.encode("latin-1")) for name, value in lines]))
    if found is not None:
        for text, digits in ((found.trace_id, 32), (found.span_id, 16), (found.parent_id, 16)):
            assert text == "" or (len(text) == digits and int(text, 16) >= 0 and text == text.lower())
        assert not found.span_id or found.trace_id
