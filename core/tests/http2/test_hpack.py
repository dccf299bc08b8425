"""Our HPACK against the library's: whatever one says, the other understands, byte for byte and table for table."""

from typing import Any

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.http2 import huffman
from pointsman.http2.hpack import BadBlock, Decoder, Encoder, HeaderBlock, literal

LIMIT = 1 << 20
NAMES = st.sampled_from(
    [b":path", b":status", b"accept", b"x-a", b"x-b", b"cookie", b"set-cookie", b"content-type", b"etag", b"date"]
)
VALUES = st.one_of(st.sampled_from([b"", b"1", b"text/plain", b"x" * 200, b"y" * 600]), st.binary(max_size=40))
LISTS = st.lists(st.tuples(NAMES, VALUES), max_size=12)


def theirs(limit: int = 1 << 24) -> hpack.Decoder:
    return hpack.Decoder(limit)


def understood(decoder: hpack.Decoder, block: bytes) -> list[tuple[bytes, bytes]]:
    return [(bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True)]


@given(st.lists(st.tuples(LISTS, st.booleans(), st.sampled_from([None, 0, 60, 300, 4096])), max_size=12))
def test_what_the_library_encodes_is_decoded_as_the_library_would(blocks: Any) -> None:
    encoder, decoder = hpack.Encoder(), Decoder(LIMIT)
    for fields, huffman_coded, size in blocks:
        if size is not None:
            encoder.header_table_size = size
        block = encoder.encode(fields, huffman=huffman_coded)
        for _ in range(2):  # as long as the table stands, a block may come again
            before = decoder.changes
            assert decoder.decode(block).fields == fields
            if decoder.changes != before:
                break


@given(st.lists(st.one_of(LISTS, st.sampled_from([0, 60, 300, 4096])), max_size=16), st.sampled_from([0, 100, 4096, 9000]))
def test_the_library_understands_what_is_encoded_here(steps: Any, most: int) -> None:
    encoder, library, ours = Encoder(most), theirs(), Decoder(LIMIT)
    for step in steps:
        if isinstance(step, int):
            encoder.resize(step)
            library.max_allowed_table_size = step
            ours.table_size = step
            continue
        block = encoder.encode(step)
        assert understood(library, block) == step
        assert ours.decode(block).fields == step


@given(st.lists(st.tuples(st.integers(0, 3), LISTS), max_size=20))
def test_kept_blocks_say_the_same_as_new_ones(steps: Any) -> None:
    encoder, library = Encoder(), theirs()
    keys: dict[int, Any] = {}
    for number, fields in steps:
        fields = keys.setdefault(number, fields)
        block = encoder.encode_kept(literal(b"x-first", b"1"), number, keys.__getitem__, literal(b"x-last", b"2"))
        assert understood(library, block) == [(b"x-first", b"1"), *fields, (b"x-last", b"2")]


@settings(max_examples=500)
@given(st.binary(max_size=60))
def test_garbage_is_refused_where_the_library_refuses_it(block: bytes) -> None:
    ours: HeaderBlock | None
    try:
        ours = Decoder(LIMIT).decode(block)
    except BadBlock:
        ours = None
    try:
        library = understood(theirs(), block)
    except Exception:  # it raises more than its own errors
        library = None
    if ours is not None and library is not None:
        assert ours.fields == library
    else:
        assert ours is None
        assert library is None or b"\xff\xff\xff" in block or b"\x80\x80" in block  # endless integers


@given(st.binary(max_size=200))
def test_huffman_code_is_read_as_the_library_writes_it(data: bytes) -> None:
    from hpack.huffman import HuffmanEncoder
    from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

    coded = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(data)
    assert huffman.decode(coded) == data


@given(st.binary(max_size=40))
def test_huffman_code_is_refused_where_the_library_refuses_it(coded: bytes) -> None:
    from hpack.exceptions import HPACKDecodingError
    from hpack.huffman_table import decode_huffman

    try:
        expected: bytes | None = bytes(decode_huffman(coded))
    except HPACKDecodingError:
        expected = None
    try:
        got: bytes | None = huffman.decode(coded)
    except huffman.BadCode:
        got = None
    assert got == expected


# what h2spec asks of hpack/2.3.3, 4.2, 5.2, 6.1, 6.3, and more


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (b"\x80", "index 0 (6.1)"),
        (b"\xc6", "an index beyond the table (2.3.3)"),
        (b"\x7e\x01a", "a literal with an index beyond the table (2.3.3)"),
        (b"\x82\x20", "a table size update at the end (4.2)"),
        (b"\x3f\xe2\x1f", "a table size update above the setting (6.3)"),
        (b"\x00\x01a\x82\xff\xff", "padding longer than seven bits (5.2)"),
        (b"\x00\x01a\x81\x18", "padding that is not ones (5.2)"),
        (b"\x00\x01a\x84\xff\xff\xff\xff", "EOS (5.2)"),
        (b"\x00\x01a\x05b", "a string that is cut short"),
        (b"\x40", "nothing after the first byte"),
        (b"\xff\x80\x80\x80\x80\x80\x80\x01", "an integer of too many octets"),
    ],
)
def test_a_bad_block_is_refused(block: bytes, why: str) -> None:
    with pytest.raises(BadBlock):
        Decoder(LIMIT).decode(block)


def test_a_peer_must_shrink_its_table_when_it_was_told_to() -> None:
    decoder = Decoder(LIMIT)
    decoder.table_size = 100
    with pytest.raises(BadBlock):
        decoder.decode(b"\x82")
    decoder = Decoder(LIMIT)
    decoder.table_size = 100
    assert decoder.decode(b"\x3f\x45\x82").fields == [(b":method", b"GET")]


def test_a_block_that_is_repeated_is_the_same_object_until_the_table_changes() -> None:
    decoder = Decoder(LIMIT)
    decoder.decode(b"\x40\x01a\x01b")
    first = decoder.decode(b"\x82\xbe\x04\x02/x")
    assert first.fields == [(b":method", b"GET"), (b"a", b"b"), (b":path", b"/x")]
    assert decoder.decode(b"\x82\xbe\x04\x02/x") is first
    decoder.decode(b"\x40\x01c\x01d")
    assert decoder.decode(b"\x82\xbe\x04\x02/x").fields[1] == (b"c", b"d")


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    decoder = Decoder(64 * 1024)
    decoder.decode(b"\x40\x01a\x7f\xc1\x1e" + b"x" * 4032)
    with pytest.raises(BadBlock):
        decoder.decode(b"\xbe" * 16_000)


def test_a_list_that_is_too_large_is_said_to_be_and_the_table_stays_in_step() -> None:
    decoder = Decoder(100)
    block = decoder.decode(b"\x40\x01a\x01b" + b"\x40\x01c\x01d" + b"\x40\x01e\x01f")
    assert block.oversize
    assert len(block.fields) == 2
    assert decoder.decode(b"\xbe").fields == [(b"e", b"f")]


def test_more_fields_than_a_request_may_have_are_oversize() -> None:
    assert Decoder(LIMIT).decode(b"\x82" * 1001).oversize


def test_secrets_are_marked_and_stay_out_of_the_table() -> None:
    encoder = Encoder()
    fields = [(b"set-cookie", b"a=b"), (b"authorization", b"Basic x"), (b"x-api-key", b"1")]
    blocks = {encoder.encode(fields) for _ in range(4)}
    assert len(blocks) == 1
    for field in theirs().decode(blocks.pop(), raw=True):
        assert isinstance(field, hpack.NeverIndexedHeaderTuple)


def test_a_line_goes_into_the_table_when_it_comes_again() -> None:
    encoder = Encoder()
    sizes = [len(encoder.encode([(b"x-a", b"some value")])) for _ in range(3)]
    assert sizes == [16, 16, 1]


def test_a_name_with_a_new_value_each_time_does_not_wear_out_the_table() -> None:
    encoder = Encoder()
    for number in range(200):
        for _ in range(2):
            encoder.encode([(b"x-request-id", b"%d" % number)])
    assert "16 entries" in repr(encoder)


def test_a_literal_is_what_it_says() -> None:
    assert understood(theirs(), literal(b"content-length", b"12")) == [(b"content-length", b"12")]
