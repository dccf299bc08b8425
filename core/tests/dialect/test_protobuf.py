"""Protobuf as it is written and read."""

import pytest
from google.protobuf.internal import decoder, encoder
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dialect.protobuf import delimited, double, fields, fixed64, integer, tag, text, varint


def judged(number):
    """The number as the library writes it."""
    written = bytearray()
    encoder._EncodeVarint(written.extend, number)
    return bytes(written)


@given(st.integers(0, 2**64 - 1))
def test_integers_are_written_as_the_library_writes_them(number):
    assert varint(number) == judged(number)


@given(st.integers(-(2**63), -1))
def test_negative_integers_take_ten_bytes(number):
    assert len(varint(number)) == 10
    assert decoder._DecodeSignedVarint(varint(number), 0)[0] == number


FIELD = st.one_of(
    st.tuples(st.integers(1, 1000), st.integers(0, 2**64 - 1)), st.tuples(st.integers(1, 1000), st.binary(max_size=300))
)


@given(st.lists(FIELD, max_size=20))
def test_what_was_written_is_read(given_fields):
    message = b"".join(
        integer(number, value) if isinstance(value, int) else delimited(number, value) for number, value in given_fields
    )

    assert list(fields(message)) == given_fields


def test_numbers_of_fixed_size_are_read_too():
    message = double(1, 1.5) + fixed64(2, 7) + tag(3, 5) + b"\x01\0\0\0" + text(4, "ä\ud800")

    assert list(fields(message)) == [(1, 0x3FF8000000000000), (2, 7), (3, 1), (4, b"\xc3\xa4?")]


@pytest.mark.parametrize("broken", [b"\x0a\x05abc", b"\x0a", b"\x08", b"\x08" + b"\xff" * 10, b"\x0b", b"\x09\x01", b"\x80"])
def test_what_is_no_message_is_refused(broken):
    with pytest.raises(ValueError):
        list(fields(broken))


@given(st.binary(max_size=200))
def test_garbage_ends_in_fields_or_a_refusal(garbage):
    try:
        for number, _ in fields(garbage):
            assert number >= 0
    except ValueError:
        pass
