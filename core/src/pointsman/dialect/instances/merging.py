"""The parts of many instances as one document (providers.md §3.6). Pure.

Replicas share a service; a name that they disagree about is left out.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pointsman.config.dynamic import CERTIFICATES, MIDDLEWARES, SECTIONS, TCP_MIDDLEWARES, structure_element
from pointsman.dialect.instances.parts import Part
from pointsman.errors import Problem

MAX_NAMED: Final = 10
"""Instances that a message names."""
_WORDS: Final[Mapping[str, str]] = {
    "http.routers": "HTTP router", "http.services": "HTTP service", "http.middlewares": "HTTP middleware",
    "tcp.routers": "TCP router", "tcp.services": "TCP service", "tcp.middlewares": "TCP middleware",
    "udp.routers": "UDP router", "udp.services": "UDP service", "tls.stores": "TLS store",
}  # fmt: skip
_SERVERS: Final[Mapping[str, str]] = {"http.services": "url", "tcp.services": "address", "udp.services": "address"}
"""Sections whose elements are put together, and what tells their servers apart."""


def merged(parts: Iterable[tuple[str, Part]]) -> tuple[dict[str, Any], list[Problem]]:
    """One document of the parts of instances, given with their keys, in order. Every section is there, if empty."""
    found: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS if section != CERTIFICATES}
    owners: dict[tuple[str, str], list[str]] = {}
    pools: dict[tuple[str, str], _Pool] = {}
    disputed: set[tuple[str, str]] = set()
    for key, part in parts:
        for section, name, element in part.elements:
            place = section, name
            elements = found[section]
            if name not in elements:
                elements[name] = element
                owners[place] = [key]
                continue
            owners[place].append(key)
            known = elements[name]
            if section in _SERVERS:
                if place not in pools:
                    pools[place] = _Pool(section, known)
                agreed = pools[place].add(element)
            else:
                agreed = _same(section, known, element)
            if not agreed:
                disputed.add(place)
    for (section, name), pool in pools.items():
        found[section][name] = pool.service
    for section, name in disputed:
        del found[section][name]
    return _document(found), [_conflict(*place, keys) for place, keys in owners.items() if place in disputed]


class _Pool:
    """A service that several instances have: everything but the servers as the first one says."""

    def __init__(self, section: str, service: Mapping[str, Any]) -> None:
        self._section = section
        self._identity = _SERVERS[section]
        self._rest, servers = _apart(service)
        self._servers = {server[self._identity]: server for server in servers}

    def add(self, service: Mapping[str, Any]) -> bool:
        """Whether it is the same but for the servers, which are added."""
        rest, servers = _apart(service)
        for server in servers:
            self._servers.setdefault(server[self._identity], server)
        return _same(self._section, self._rest, rest)

    @property
    def service(self) -> dict[str, Any]:
        balancer = {**self._rest["loadBalancer"], "servers": list(self._servers.values())}
        return {**self._rest, "loadBalancer": balancer}


def _apart(service: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    balancer = dict(service["loadBalancer"])
    servers = balancer.pop("servers")
    return {**service, "loadBalancer": balancer}, servers


def _same(section: str, left: Any, right: Any) -> bool:
    """Whether two elements mean the same: a default that one of them writes out makes no difference."""
    if left == right:
        return True
    if section in (MIDDLEWARES, TCP_MIDDLEWARES):
        return False
    one, other = (structure_element(section, raw, "")[0] for raw in (_filled(left), _filled(right)))
    return one is not None and one == other


def _filled(element: Any) -> Any:
    """A load balancer that only had servers is an empty block otherwise, which stands for none."""
    if "loadBalancer" not in element:
        return element
    return {**element, "loadBalancer": {**element["loadBalancer"], "servers": []}}


def _conflict(section: str, name: str, keys: list[str]) -> Problem:
    named = ", ".join(keys[:MAX_NAMED]) + (f" and {len(keys) - MAX_NAMED} more" if len(keys) > MAX_NAMED else "")
    message = f"{_WORDS[section]} defined multiple times with different configurations: by {named}"
    return Problem(f"{section}.{name}", f"{message}; it is left out until they agree")


def _document(found: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for section in SECTIONS:
        root, _, key = section.partition(".")
        document.setdefault(root, {})[key] = [] if section == CERTIFICATES else found[section]
    return document
