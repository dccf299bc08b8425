"""The ClientHello as clients really send it, in every way of cutting it, and as nobody should."""

import ssl
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.net.hello import MAX_HELLO, BadHello, Hello, HelloReader


def client_hello(server_name: str | None = "a.example", alpn: tuple[str, ...] = ("h2", "http/1.1")) -> bytes:
    """What OpenSSL sends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if alpn:
        context.set_alpn_protocols(list(alpn))
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=server_name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


WHOLE = client_hello()
MESSAGE = WHOLE[5:]


def records(message: bytes, size: int) -> bytes:
    """A handshake message in records of `size` bytes."""
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def hello(extensions: bytes, *, before: bytes | None = None) -> bytes:
    body = (b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00") if before is None else before
    body += len(extensions).to_bytes(2, "big") + extensions
    return records(b"\x01" + len(body).to_bytes(3, "big") + body, 16384)


def extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content


def named(name: bytes) -> bytes:
    entry = b"\x00" + len(name).to_bytes(2, "big") + name
    return extension(0, len(entry).to_bytes(2, "big") + entry)


def read(*pieces: bytes) -> Hello | None:
    reader = HelloReader()
    for number, piece in enumerate(pieces):
        found = reader.feed(piece)
        if found is not None:
            assert number == len(pieces) - 1
            assert reader.data == b"".join(pieces)
            return found
    return None


def test_the_name_and_the_protocols_that_a_client_asks_for_are_read():
    assert read(WHOLE) == Hello(b"a.example", (b"h2", b"http/1.1"))
    assert read(client_hello(None, ())) == Hello(b"", ())
    assert read(client_hello("A.Example")) == Hello(b"a.example", (b"h2", b"http/1.1"))


def test_a_hello_without_extensions_asks_for_nothing():
    body = b"\x03\x01" + bytes(32) + b"\x00" + b"\x00\x02\x00\x2f" + b"\x01\x00"
    assert read(records(b"\x01" + len(body).to_bytes(3, "big") + body, 100)) == Hello()


def test_a_trailing_dot_of_the_name_is_dropped():
    assert read(hello(named(b"A.example."))) == Hello(b"a.example")


def test_more_is_needed_until_the_last_byte():
    for end in range(len(WHOLE)):
        assert read(WHOLE[:end]) is None


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 64, 200])
def test_a_message_split_over_several_records_is_put_together(size):
    data = records(MESSAGE, size)
    assert read(data) == read(WHOLE)
    assert read(*(data[at : at + 1] for at in range(len(data)))) == read(WHOLE)


@given(st.data())
def test_it_makes_no_difference_how_the_bytes_arrive(data):
    stream = records(MESSAGE, data.draw(st.integers(1, 300)))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=8)))
    pieces = [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(*pieces) == read(WHOLE)


@given(st.binary(max_size=400))
def test_garbage_raises_one_error_only(data):
    for stream in (data, b"\x16\x03\x01" + data, records(b"\x01" + len(data).to_bytes(3, "big") + data, 16384)):
        try:
            found = read(stream) if stream else None
        except BadHello:
            continue
        assert found is None or isinstance(found, Hello)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_a_damaged_hello_raises_one_error_only(at, byte):
    with suppress(BadHello):
        read(WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :])


@pytest.mark.parametrize(
    "stream",
    [
        hello(named(b"a.test") + named(b"b.test")),
        hello(named(b"")),
        hello(named(b"a\0.test")),
        hello(named(b"a.test\xc3\xa9")),
        hello(named(b"a" * 256)),
        hello(extension(0, b"\x00\x05\x01\x00\x02ab")),
        hello(extension(0, b"\x00\x05\x00\x00\x02abc")),
        hello(extension(16, b"\x00\x00")),
        hello(extension(16, b"\x00\x01\x00")),
        hello(extension(16, b"\x00\x02\x03h2")),
        hello(extension(16, b"\x00\x04\x02h2")),
        hello(b"\x00\x10\x00\xff"),
        hello(named(b"a.test"), before=b"\x03\x03" + bytes(32) + b"\xff"),
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x40\x01",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x02\x01\x00\x04\x01\x00\x00\x00",
        records(b"\x01\xff\xff\xff", 4),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_malformed_is_refused(stream):
    with pytest.raises(BadHello):
        read(stream)


def test_an_endless_hello_is_refused():
    message = b"\x01" + (MAX_HELLO - 4).to_bytes(3, "big") + bytes(MAX_HELLO)
    with pytest.raises(BadHello, match="too large"):
        read(records(message, 10))
