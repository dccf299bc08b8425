"""PROXY headers, versions 1 and 2: what a balancer in front says of the client it speaks for (HAProxy, proxy-protocol.txt).

Pure. What is read is checked byte by byte before it is believed: a header comes from the network like anything else.
"""

import ipaddress
import re
from typing import Final

from attrs import frozen

from pointsman.message import Address

V1_LIMIT: Final = 107
"""Longest line of version 1, its CR LF included (§2.1)."""
V2_LIMIT: Final = 16 * 1024
"""Longest header of version 2. The format allows 64 KiB; certificates in its extras take a few."""
V1_PREFIX: Final = b"PROXY "
V2_PREFIX: Final = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED: Final = 16
_V2_ADDRESSES: Final = {0x00: 0, 0x11: 12, 0x12: 12, 0x21: 36, 0x22: 36, 0x31: 216, 0x32: 216}
"""Family and transport -> length of the address block (§2.2)."""
_LINE: Final = re.compile(rb"PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})")


class BadProxyHeader(ValueError):
    """It begins as a PROXY header and is none: the connection must be closed."""


@frozen
class ProxyHeader:
    """What the first bytes of a connection say."""

    length: int
    """Bytes it takes; 0 if there is no header."""
    client: Address | None = None
    """Who connected to the sender; None where it does not say (no header, UNKNOWN, LOCAL, not TCP): the peer."""
    local: Address | None = None
    """Where it connected to; None exactly where `client` is."""


NO_HEADER: Final = ProxyHeader(0)


def parse(data: bytes) -> ProxyHeader | None:
    """The header at the beginning of `data`, all that has come so far; None if only more bytes can tell.

    It asks for no more than `V2_LIMIT` bytes. BadProxyHeader if it is malformed.
    """
    if data.startswith(V1_PREFIX):
        return _version1(data)
    if data.startswith(V2_PREFIX):
        return _version2(data)
    if V1_PREFIX.startswith(data) or V2_PREFIX.startswith(data):
        return None
    return NO_HEADER


def _version1(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\n", 0, V1_LIMIT)
    if end < 0:
        if len(data) >= V1_LIMIT:
            raise BadProxyHeader(f"no end of line within {V1_LIMIT} bytes")
        return None
    if data[end - 1 : end] != b"\r":
        raise BadProxyHeader("the line does not end in CR LF")
    line = data[: end - 1]
    if line.startswith(b"PROXY UNKNOWN") and line[13:14] in (b"", b" "):
        return ProxyHeader(end + 1)
    found = _LINE.fullmatch(line)
    if found is None:
        raise BadProxyHeader("not a line of version 1")
    family, client, local, client_port, local_port = found.groups()
    parse_ip = ipaddress.IPv4Address if family == b"4" else ipaddress.IPv6Address
    try:
        return ProxyHeader(
            end + 1,
            _address(parse_ip(client.decode("ascii")), int(client_port)),
            _address(parse_ip(local.decode("ascii")), int(local_port)),
        )
    except ValueError as error:
        raise BadProxyHeader(f"not an address of TCP{family.decode()}") from error


def _version2(data: bytes) -> ProxyHeader | None:
    if len(data) > 12 and data[12] not in (0x20, 0x21):
        raise BadProxyHeader("neither PROXY nor LOCAL of version 2")
    if len(data) > 13 and data[12] == 0x21 and data[13] not in _V2_ADDRESSES:
        raise BadProxyHeader("unknown address family")
    if len(data) < _V2_FIXED:
        return None
    length = _V2_FIXED + int.from_bytes(data[14:16], "big")
    if length > V2_LIMIT:
        raise BadProxyHeader(f"longer than {V2_LIMIT} bytes")
    local_command, family = data[12] == 0x20, data[13]
    if not local_command and length < _V2_FIXED + _V2_ADDRESSES[family]:
        raise BadProxyHeader("too short for its addresses")
    if len(data) < length:
        return None
    if local_command or family not in (0x11, 0x21):  # a health check of the sender itself, or no TCP
        return ProxyHeader(length)
    size = 4 if family == 0x11 else 16
    client, local = data[16 : 16 + size], data[16 + size : 16 + 2 * size]
    ports = data[16 + 2 * size : 20 + 2 * size]
    return ProxyHeader(
        length,
        _address(ipaddress.ip_address(client), int.from_bytes(ports[:2], "big")),
        _address(ipaddress.ip_address(local), int.from_bytes(ports[2:], "big")),
    )


def _address(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> Address:
    """The address, an IPv4-mapped one as IPv4. ValueError for an impossible port."""
    if port > 65535:
        raise ValueError("port")
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return Address(str(mapped or ip), port)


def build(version: int, client: Address, local: Address) -> bytes:
    """The header that tells a server whom it is spoken to for: version 1 as text, 2 in binary.

    Where one address is IPv4 and the other IPv6, the first is written as an IPv4-mapped IPv6 address.
    """
    if version not in (1, 2):
        raise ValueError(f"there is no version {version}")
    ips = client.ip, local.ip
    if all(isinstance(ip, ipaddress.IPv4Address) for ip in ips):
        texts, packed, family = [str(ip) for ip in ips], b"".join(ip.packed for ip in ips), 4
    else:
        mapped = [b"\0" * 10 + b"\xff\xff" + ip.packed if len(ip.packed) == 4 else ip.packed for ip in ips]
        texts = [f"::ffff:{ip}" if len(ip.packed) == 4 else str(ip) for ip in ips]
        packed, family = b"".join(mapped), 6
    if version == 1:
        return f"PROXY TCP{family} {texts[0]} {texts[1]} {client.port} {local.port}\r\n".encode("ascii")
    block = packed + client.port.to_bytes(2, "big") + local.port.to_bytes(2, "big")
    kind = b"\x21\x11" if family == 4 else b"\x21\x21"
    return V2_PREFIX + kind + len(block).to_bytes(2, "big") + block
