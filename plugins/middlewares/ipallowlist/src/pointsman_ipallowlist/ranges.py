"""Ranges of addresses, and whether an address is in one of them, at a cost that does not grow with their number."""

import ipaddress
from collections.abc import Iterable

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Ranges:
    """A set of ranges, looked up by the lengths of their prefixes."""

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
