"""Media types, as users list them and as messages bear them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dialect.mediatypes import essence, media_type


@pytest.mark.parametrize(
    "text", ["text/html", " Text/HTML ", "text/html; charset=utf-8", 'text/html;a="x;,\\"y";b=c', "text/html;"]
)
def test_type_and_subtype_count_in_lower_case(text):
    assert media_type(text) == b"text/html"
    assert essence(text.strip().encode()) == b"text/html"


@pytest.mark.parametrize(
    "text", ["", "text", "text/", "/html", "text/html charset=utf-8", "text/html; charset", "a b/c", "ä/b"]
)
def test_what_is_no_media_type_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="as in application/json"):
        media_type(text)


@pytest.mark.timeout(5)
def test_what_is_wrong_at_the_end_of_much_is_refused_at_once():
    with pytest.raises(ValueError, match="is not a media type"):
        media_type("text/html" + "; \t" * 40 + "!")


@pytest.mark.parametrize("value", [b"", b"text", b"text html", b"text/html charset", b"\xff/x"])
def test_a_message_may_bear_anything(value):
    assert essence(value) == b""


@given(st.binary())
def test_nothing_in_a_message_raises(value):
    found = essence(value)
    assert found == b"" or value.lower().startswith(found)
