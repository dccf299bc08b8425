"""Services and tasks of a swarm as the Engine API describes them: what of it matters here (providers.md §5.2). Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from pointsman.dialect.lookups import at, block, blocks, text, texts
from pointsman_docker import plain

_HOST = "host"


@frozen
class Service:
    id: str
    name: str
    labels: Mapping[str, str]
    replicated: bool
    """Its tasks are numbered; those of global services have only ids."""
    virtual: bool
    """It has virtual IP addresses: its endpoint mode is not `dnsrr`."""
    networks: Mapping[str, str]
    """Its virtual IP addresses, by network, best first."""


@frozen
class Task:
    id: str
    service: str
    """Its service's id."""
    slot: int
    node: str
    """Its node's id."""
    networks: Mapping[str, str]
    """Address by network, best first."""
    on_host: bool
    """It is on its node's network."""


class Networks:
    """The names of a swarm's networks."""

    def __init__(self, listed: Any) -> None:
        found = blocks({"": listed}, "")
        self._names = {text(each, "Id"): text(each, "Name") for each in found}
        self._last = {text(each, "Name") for each in found if each.get("Ingress") is True}

    def named(self, addresses: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Address by name, made of (network's id, address): by name, that of published ports (`ingress`) last.

        Only the swarm's own balancer reaches tasks by that.
        """
        known = {self._names[key]: plain.address(value) for key, value in addresses if self._names.get(key)}
        return {name: known[name] for name in sorted(known, key=lambda name: (name in self._last, name))}


def service(document: Mapping[str, Any], networks: Networks) -> Service:
    """ValueError if it is none."""
    spec = block(document, "Spec")
    own, name = text(document, "ID"), text(spec, "Name")
    if not own or not name:
        raise ValueError("a service has no id or no name")
    virtual = blocks(document, "Endpoint", "VirtualIPs")
    return Service(
        own,
        name,
        texts(spec, "Labels"),
        at(spec, "Mode", "Global") is None,
        text(spec, "EndpointSpec", "Mode") != "dnsrr",
        networks.named([(text(each, "NetworkID"), text(each, "Addr")) for each in virtual]),
    )


def running(documents: Any, networks: Networks) -> list[Task]:
    """Those tasks that run."""
    tasks = [_task(each, networks) for each in blocks({"": documents}, "") if _runs(each)]
    return sorted((each for each in tasks if each.id and each.service), key=lambda each: (each.slot, each.id))


def node_address(document: Mapping[str, Any]) -> str:
    """Where a node is; a manager may know its own only as that of its managing."""
    manager = text(document, "ManagerStatus", "Addr").rpartition(":")[0].strip("[]")
    return plain.address(text(document, "Status", "Addr")) or plain.address(manager)


def _runs(document: Mapping[str, Any]) -> bool:
    return text(document, "Status", "State") == "running"


def _task(document: Mapping[str, Any], networks: Networks) -> Task:
    slot, attached = document.get("Slot"), blocks(document, "NetworksAttachments")
    addresses = [(text(each, "Network", "ID"), _first(each.get("Addresses"))) for each in attached]
    return Task(
        text(document, "ID"),
        text(document, "ServiceID"),
        slot if isinstance(slot, int) else 0,
        text(document, "NodeID"),
        networks.named(addresses),
        any(text(each, "Network", "Spec", "Name") == _HOST for each in attached),
    )


def _first(addresses: Any) -> str:
    return addresses[0] if isinstance(addresses, list) and addresses and isinstance(addresses[0], str) else ""
