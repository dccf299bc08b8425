"""What a body seems to be (middlewares.md §3.7). The table was compared with the reference in tests/oracle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dialect.sniffing import BINARY, SNIFF_BYTES, TEXT, sniff

MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42\0\0"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", TEXT),
        (b"hello", TEXT),
        (b'{"a": 1}', TEXT),
        ("grüße".encode(), TEXT),
        (b"\xef\xbb\xbfhello", TEXT),
        (b"\xff\xfea\0b\0", b"text/plain; charset=utf-16le"),
        (b"\xfe\xff\0a\0b", b"text/plain; charset=utf-16be"),
        (b"\xfe\xff", TEXT),
        (b"\x1b[1mtext", TEXT),
        (b"a\0b", BINARY),
        (b"<!DOCTYPE html>", b"text/html; charset=utf-8"),
        (b"\n \t<hTmL>x", b"text/html; charset=utf-8"),
        (b"<p class=x>", b"text/html; charset=utf-8"),
        (b"<!-- x -->", b"text/html; charset=utf-8"),
        (b"<pre>", TEXT),
        (b"<html", TEXT),
        (b"<?xml version='1.0'?>", b"text/xml; charset=utf-8"),
        (b"%PDF-1.7", b"application/pdf"),
        (b"%!PS-Adobe-3", b"application/postscript"),
        (b"\x89PNG\r\n\x1a\n\0", b"image/png"),
        (b"GIF89a", b"image/gif"),
        (b"\xff\xd8\xff\xe0", b"image/jpeg"),
        (b"BM", b"image/bmp"),
        (b"\0\0\1\0x", b"image/x-icon"),
        (b"RIFF\1\2\3\4WEBPVP8 ", b"image/webp"),
        (b"RIFF\1\2\3\4WAVEfmt ", b"audio/wave"),
        (b"RIFF\1\2\3\4AVI LIST", b"video/avi"),
        (b"RIFF\1\2\3\4ABCD", BINARY),
        (b"FORM\1\2\3\4AIFF", b"audio/aiff"),
        (b"ID3\3", b"audio/mpeg"),
        (b"OggS\0\2", b"application/ogg"),
        (MP4, b"video/mp4"),
        (MP4[:20], BINARY),
        (b"\x1aE\xdf\xa3", b"video/webm"),
        (b"x" * 34 + b"LP", b"application/vnd.ms-fontobject"),
        (b"wOF2", b"font/woff2"),
        (b"\0\1\0\0", b"font/ttf"),
        (b"\x1f\x8b\x08\0", b"application/x-gzip"),
        (b"PK\3\4", b"application/zip"),
        (b"Rar!\x1a\7\0", b"application/x-rar-compressed"),
        (b"\0asm\1", b"application/wasm"),
        (b"a" * SNIFF_BYTES + b"\0", TEXT),
    ],
)
def test_the_first_bytes_tell(content, kind):
    assert sniff(content) == kind


@given(st.binary(max_size=600))
def test_there_is_always_an_answer_and_it_is_a_header_value(content):
    assert b"/" in sniff(content)


@given(st.integers(0, 2**32 - 1), st.binary(max_size=40))
def test_a_box_of_any_claimed_size_is_read_within_what_is_here(size, rest):
    assert sniff(size.to_bytes(4, "big") + b"ftyp" + rest)
