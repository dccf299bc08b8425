"""The stream of events, however it is cut."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman_docker.events import MAX_OBJECT, Objects, telling

EVENTS = st.lists(
    st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.dictionaries(st.text(max_size=2), st.integers()))
)


@settings(max_examples=30)
@given(EVENTS, st.sampled_from(["", "\n", " \r\n"]), st.data())
def test_it_may_come_in_any_pieces(events, between, data):
    stream = between.join(json.dumps(each, ensure_ascii=False) for each in events).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=9)))
    objects, found = Objects(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += objects.feed(stream[start:end])

    assert found == events


@pytest.mark.parametrize("junk", [b"<html>", b'{"a":1}x', b"[]", b"\xff\xfe"])
def test_what_is_no_event_is_refused(junk):
    with pytest.raises(ValueError, match="holds what is no event"):
        Objects().feed(junk)


def test_an_endless_event_is_refused():
    objects = Objects()
    assert objects.feed(b'{"' + b"a" * (MAX_OBJECT - 2)) == []
    with pytest.raises(ValueError, match="more than 256 KiB"):
        objects.feed(b"a")


@pytest.mark.parametrize(
    ("event", "tells"),
    [
        ({"Action": "start"}, True),
        ({"Action": "die"}, True),
        ({"Action": "destroy"}, True),
        ({"Action": "rename"}, True),
        ({"Action": "health_status: healthy"}, True),
        ({"status": "health_status"}, True),
        ({"Action": "exec_start: /bin/x"}, False),
        ({"Action": "stop"}, False),
        ({"Action": "create"}, False),
        ({"Action": 7}, False),
        ({}, False),
    ],
)
def test_which_events_make_it_look_again(event, tells):
    assert telling(event) is tells
