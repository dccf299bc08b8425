"""PROXY headers: read as strictly as they are written."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman.message import Address
from pointsman.net.proxyheader import NO_HEADER, V1_LIMIT, V2_LIMIT, V2_PREFIX, BadProxyHeader, ProxyHeader, build, parse

IPS = st.ip_addresses()
PORTS = st.integers(0, 65535)
LOCAL_HEADER = V2_PREFIX + b"\x20\x00\x00\x00"


def seen(data: bytes) -> tuple[int, str, str] | str | None:
    """What `parse` says, in a form to compare."""
    try:
        header = parse(data)
    except BadProxyHeader:
        return "bad"
    return header and (header.length, str(header.client), str(header.local))


def byte_at_a_time(data: bytes) -> tuple[int, str, str] | str | None:
    for end in range(len(data) + 1):
        answer = seen(data[:end])
        if answer is not None:
            return answer
    return None


def test_the_client_and_the_local_address_of_version_1_are_read():
    header = parse(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\nGET / HTTP/1.1\r\n")
    assert header is not None
    assert (header.length, str(header.client), str(header.local)) == (45, "192.0.2.7:56324", "198.51.100.1:443")


def test_version_1_speaks_of_ipv6_too():
    header = parse(b"PROXY TCP6 2001:db8::1 ::1 1 65535\r\n")
    assert header is not None
    assert (str(header.client), str(header.local)) == ("[2001:db8::1]:1", "[::1]:65535")


@pytest.mark.parametrize("line", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff:f...f:ffff ffff 65535 65535\r\n"])
def test_unknown_says_nothing_of_the_client(line):
    assert parse(line + b"rest") == ProxyHeader(len(line))


def test_extras_of_version_2_are_skipped():
    extras = b"\x04\x00\x03abc"
    plain = build(2, Address("192.0.2.7", 1), Address("192.0.2.8", 2))
    header = parse(plain[:14] + (12 + len(extras)).to_bytes(2, "big") + plain[16:] + extras + b"rest")
    assert header is not None
    assert (header.length, str(header.client)) == (len(plain) + len(extras), "192.0.2.7:1")


@pytest.mark.parametrize(
    "header",
    [
        LOCAL_HEADER,
        V2_PREFIX + b"\x20\xee\x00\x03abc",
        V2_PREFIX + b"\x21\x00\x00\x00",
        V2_PREFIX + b"\x21\x31\x00\xd8" + b"x" * 216,
        V2_PREFIX + b"\x21\x12\x00\x0c" + b"x" * 12,
    ],
    ids=["LOCAL", "LOCAL of whatever family", "UNSPEC", "UNIX", "a datagram"],
)
def test_a_header_of_version_2_without_a_tcp_client_leaves_the_peer(header):
    assert parse(header + b"rest") == ProxyHeader(len(header))


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0", b"\x16\x03\x01", b"\r\nGET /", b"PROXy "])
def test_what_does_not_begin_as_a_header_is_none(data):
    assert parse(data) is NO_HEADER


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
        b"PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY TCP4 \xd9\xa1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY UNKNOWNISH\r\n",
        b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY UNKNOWN " + b"x" * V1_LIMIT,
        V2_PREFIX + b"\x11",
        V2_PREFIX + b"\x22",
        V2_PREFIX + b"\x21\x13",
        V2_PREFIX + b"\x21\x41",
        V2_PREFIX + b"\x21\x11\x00\x0b" + b"x" * 11,
        V2_PREFIX + b"\x21\x21\x00\x0c" + b"x" * 12,
        V2_PREFIX + b"\x21\x11\xff\xff",
    ],
)
def test_a_malformed_header_is_refused(data):
    with pytest.raises(BadProxyHeader):
        parse(data)


def test_a_header_never_asks_for_more_than_its_limit():
    assert parse(b"PROXY UNKNOWN ".ljust(V1_LIMIT - 1, b"x")) is None
    longest = V2_PREFIX + b"\x20\x00" + (V2_LIMIT - 16).to_bytes(2, "big")
    assert parse(longest.ljust(V2_LIMIT - 1, b"x")) is None
    assert parse(longest.ljust(V2_LIMIT, b"x")) == ProxyHeader(V2_LIMIT)


@given(st.sampled_from([1, 2]), IPS, IPS, PORTS, PORTS, st.binary(max_size=40))
def test_what_is_built_is_read_back(version, client, local, client_port, local_port, rest):
    built = build(version, Address(str(client), client_port), Address(str(local), local_port))
    assert len(built) <= V1_LIMIT
    header = parse(built + rest)
    assert header is not None
    assert header.client is not None
    assert header.local is not None
    assert header.length == len(built)
    assert (header.client.ip, header.client.port) == (Address(str(client), 0).ip, client_port)
    assert (header.local.ip, header.local.port) == (Address(str(local), 0).ip, local_port)


def test_mixed_families_are_told_as_ipv6():
    client, local = Address("192.0.2.7", 1), Address("2001:db8::1", 2)
    assert build(1, client, local) == b"PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 1 2\r\n"
    assert build(2, client, local)[12:16] == b"\x21\x21\x00\x24"


BEGINNINGS = st.sampled_from(
    [b"", b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN", V2_PREFIX, V2_PREFIX + b"\x21"]
)


@given(BEGINNINGS, st.binary(max_size=300))
@example(b"PROXY ", b"UNKNOWN a\nb\r\n")
def test_whole_or_byte_by_byte_garbage_means_the_same_and_raises_one_error(beginning, rest):
    data = beginning + rest
    assert byte_at_a_time(data) == seen(data)


@given(st.sampled_from([1, 2]), IPS, IPS, PORTS, PORTS, st.integers(0, 60), st.integers(0, 255))
def test_a_header_with_one_wrong_byte_raises_nothing_else(version, client, local, client_port, local_port, at, byte):
    built = bytearray(build(version, Address(str(client), client_port), Address(str(local), local_port)))
    built[at % len(built)] = byte
    assert byte_at_a_time(bytes(built)) == seen(bytes(built))
