"""Client addresses: ranges of them, and which of several is the client's (`ipStrategy`, middlewares.md §2.4)."""

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any, Final

from attrs import field, frozen
from attrs.validators import ge

from pointsman.message import Request
from pointsman.values import option

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Selector = Callable[[Request], str]
"""The address of whoever is behind a request, "" if it cannot be told. Text that is no address is what somebody claims."""
FORWARDED_FOR: Final = b"x-forwarded-for"


class Ranges:
    """A set of ranges, looked up by the lengths of their prefixes, at a cost that does not grow with their number."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Addresses and CIDR ranges as they are written. ValueError if one is neither."""
        self._masks: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        """IP version -> mask -> the prefixes that are in."""
        for network in map(_network, texts):
            by_mask = self._masks[network.version]
            by_mask.setdefault(int(network.netmask), set()).add(int(network.network_address))

    def __contains__(self, ip: IP) -> bool:
        number = int(ip)
        for mask, prefixes in self._masks[ip.version].items():  # noqa: SIM110  # a loop costs half of any()
            if number & mask in prefixes:
                return True
        return False


def _network(text: str) -> Network:
    """A range; one of IPv4 addresses written in IPv6 is one of IPv4, for so are clients."""
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ValueError(f"'{text}' is neither an IP address nor a CIDR range") from None
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


def ip_of(text: str) -> IP | None:
    """The address in an entry of X-Forwarded-For, its port left aside; None if it is none. IPv4 in IPv6 is IPv4."""
    host = text
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in host or (rest and not _is_port(rest)):
            return None
    elif text.count(":") == 1:
        host, colon, port = text.partition(":")
        if not _is_port(colon + port):
            return None
    if "%" in host:
        return None
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip


def _is_port(text: str) -> bool:
    return text[0] == ":" and text[1:].isascii() and text[1:].isdigit() and len(text) <= 6


def _check_ranges(_: object, attribute: object, texts: Iterable[str]) -> None:
    Ranges(texts)


def _check_subnet(_: object, attribute: object, bits: int | None) -> None:
    if bits is not None and not 1 <= bits <= 128:
        raise ValueError(f"invalid IPv6 subnet {bits} value, should be greater than 0 and lower than or equal to 128")


@frozen
class IPStrategyConfig:
    """`ipStrategy`; all of its defaults mean the address of the connection's other end."""

    depth: int = field(default=0, validator=ge(0))
    excluded_ips: tuple[str, ...] = option("excludedIPs", default=(), validator=_check_ranges)
    ipv6_subnet: int | None = option("ipv6Subnet", default=None, validator=_check_subnet)


def remote(request: Request) -> str:
    """The other end of the connection, or whom a trusted PROXY header speaks for."""
    return request.link.client.host


def selector(strategy: IPStrategyConfig | None = None) -> Selector:
    """How a strategy chooses. The same address is always spelled alike, with or without port, brackets or capitals."""
    if strategy is None:
        return remote
    if strategy.depth:
        return _by_depth(strategy.depth, strategy.ipv6_subnet)
    if strategy.excluded_ips:
        return _not_excluded(Ranges(strategy.excluded_ips))
    if strategy.ipv6_subnet is None:
        return remote
    mask = _mask(strategy.ipv6_subnet)
    return lambda request: _masked(request.link.client.ip, mask) if ":" in request.link.client.host else remote(request)


def _by_depth(depth: int, bits: int | None) -> Selector:
    mask = _mask(128 if bits is None else bits)

    def select(request: Request) -> str:
        entries = _forwarded_for(request).rsplit(",", depth)
        if len(entries) < depth:
            return ""
        entry = entries[-depth].strip()
        ip = ip_of(entry)
        return entry if ip is None else _masked(ip, mask)

    return select


def _not_excluded(excluded: Ranges) -> Selector:
    def select(request: Request) -> str:
        for entry in reversed(_forwarded_for(request).split(",")):
            entry = entry.strip()
            if entry:
                ip = ip_of(entry)
                if ip is None:
                    return entry
                if ip not in excluded:
                    return str(ip)
        return ""

    return select


def _forwarded_for(request: Request) -> str:
    """Its entries, the client's own claims first; without the connection's other end, which is added on the way upstream."""
    return b",".join(request.headers.get_all(FORWARDED_FOR)).decode("latin-1")


def _mask(bits: int) -> int:
    return (1 << 128) - (1 << (128 - bits))


def _masked(ip: Any, mask: int) -> str:
    return str(ipaddress.IPv6Address(int(ip) & mask)) if ip.version == 6 else str(ip)
