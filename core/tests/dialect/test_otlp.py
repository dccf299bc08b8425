"""Spans as OTLP, with the published schema as the judge."""

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pointsman.dialect.otlp import Envelope, SpanEncoder
from pointsman.spans import CLIENT, SCOPE, Resource
from pointsman.testing import a_span

RESOURCE = Resource({"service.name": "shop", "process.pid": 7, "ok": True, "share": 0.5, "tags": ["a", "b"]}, "1.2.3")


def decoded(spans, encoder=None, resource=RESOURCE):
    encoder = encoder or SpanEncoder()
    return ExportTraceServiceRequest.FromString(Envelope(resource).around([encoder.encode(span) for span in spans]))


def plain(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(each) for each in value.array_value.values]
    return getattr(value, kind)


def attributes(message):
    return [(each.key, plain(each.value)) for each in message.attributes]


def spans_of(request):
    return list(request.resource_spans[0].scope_spans[0].spans)


def test_resource_and_scope_stand_once_around_all_spans():
    request = decoded([a_span(), a_span()])
    (of_resource,) = request.resource_spans
    (of_scope,) = of_resource.scope_spans

    assert attributes(of_resource.resource) == list(RESOURCE.attributes.items())
    assert (of_scope.scope.name, of_scope.scope.version, len(of_scope.spans)) == (SCOPE, "1.2.3", 2)


def test_a_span_carries_all_that_it_knows():
    server = a_span("GET", attributes=[("url.path", "/ä"), ("http.response.status_code", 200)])
    server.remote, server.parent_id, server.trace_state = True, "00f067aa0ba902b7", "a=1"
    client = a_span(
        "ReverseProxy", CLIENT, [("sizes", ("a",)), ("on", False), ("n", -1), ("share", 0.5)], parent=server, error="too bad"
    )
    first, second = spans_of(decoded([server, client]))

    assert first.trace_id.hex() == second.trace_id.hex() == server.trace_id
    assert (first.span_id.hex(), first.parent_span_id.hex(), first.trace_state) == (server.span_id, server.parent_id, "a=1")
    assert (first.name, first.kind, first.start_time_unix_nano, first.end_time_unix_nano) == (
        "GET", 2, server.start_ns, server.end_ns,
    )  # fmt: skip
    assert (first.flags, second.flags) == (0x301, 0x101)
    assert attributes(first) == [("url.path", "/ä"), ("http.response.status_code", 200)]
    assert (first.status.code, first.status.message) == (0, "")
    assert second.parent_span_id.hex() == server.span_id
    assert attributes(second) == [("sizes", ["a"]), ("on", False), ("n", -1), ("share", 0.5)]
    assert (second.kind, second.status.code, second.status.message) == (3, 2, "too bad")


def test_an_error_without_words_is_an_error():
    (span,) = spans_of(decoded([a_span(error="")]))

    assert (span.status.code, span.status.message) == (2, "")


def test_equal_numbers_and_truths_are_not_taken_for_each_other():
    encoder = SpanEncoder()
    pairs = [[("x", 1)], [("x", True)], [("x", 1.0)], [("x", "1")], [("x", 0)], [("x", False)]]
    spans = spans_of(decoded([a_span(attributes=each) for each in pairs + pairs], encoder))

    assert [each.attributes[0].value.WhichOneof("value") for each in spans] == 2 * [
        "int_value", "bool_value", "double_value", "string_value", "int_value", "bool_value",
    ]  # fmt: skip


NAMES = st.text(max_size=150)
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=4),
)
PAIRS = st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=150), VALUES), max_size=12)


@given(st.lists(PAIRS, max_size=6))
def test_every_batch_carries_the_same_as_it_was_given(batch):
    encoder = SpanEncoder()
    for _ in range(2):  # once new, once remembered
        assert [
            attributes(span) for span in spans_of(decoded([a_span(attributes=pairs) for pairs in batch], encoder))
        ] == batch


def test_memory_is_bounded_however_many_values_there_are():
    encoder = SpanEncoder()
    for number in range(10_000):
        encoder.encode(
            a_span(f"n{number}", attributes=[("path", f"/{number}"), ("server.port", number), (f"k{number}", "v")])
        )

    assert max(len(kept) for kept in (encoder._attributes, encoder._attributes._keys, encoder._names)) <= 4096


def test_text_that_is_no_unicode_is_carried_as_far_as_it_is():
    (span,) = spans_of(decoded([a_span("G\ud800", attributes=[("a\udcff", "b\udcff")], error="\udcff")]))

    assert (span.name, attributes(span), span.status.message) == ("G?", [("a?", "b?")], "?")


def test_a_list_that_a_plugin_gives_is_taken_too():
    (span,) = spans_of(decoded([a_span(attributes=[("sizes", ["a", "b"]), ("n", 1)])]))
    assert attributes(span) == [("sizes", ["a", "b"]), ("n", 1)]
