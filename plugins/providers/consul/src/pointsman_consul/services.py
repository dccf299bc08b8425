"""What the catalogue says of an instance of a service, and what it is called (providers.md §5.3). Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from pointsman.dialect.instances import Instance
from pointsman_consul.agent import ConsulError

STATES: Final = ("passing", "warning", "critical", "maintenance")
"""Of an instance, from best to worst."""
_MAINTENANCE: Final = ("_node_maintenance", "_service_maintenance:")
_PARTS: Final = re.compile(r"[\W_]+")
_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3


@frozen
class Own:
    """Tags for this provider, `traefik.consulcatalog.*`."""

    connect: bool | None = None
    canary: bool = False


@frozen
class Entry:
    """One instance, as `/v1/health/service/<name>` has it."""

    service: str
    """What was asked for; the proxy of a service in the mesh is called otherwise."""
    id: str
    node: str
    datacenter: str
    namespace: str
    address: str
    """Empty if neither it nor its node has one."""
    port: int
    tags: tuple[str, ...]
    state: str
    proxy: bool
    """It is the proxy of a service in the mesh, and speaks to nobody else."""

    @property
    def key(self) -> str:
        return f"instance {self.id} of {self.service} on {self.node}"

    @property
    def mesh_name(self) -> str:
        return f"{self.namespace}-{self.datacenter}-{self.service}"


def services_in(content: Any) -> dict[str, tuple[str, ...]]:
    """Every service of `/v1/catalog/services`, with the tags of all its instances."""
    if not isinstance(content, Mapping):
        raise ConsulError("Consul does not answer like Consul: this is no list of services")
    return {str(name): _texts(tags) for name, tags in content.items()}


def entries_in(service: str, content: Any) -> list[Entry]:
    """All that `/v1/health/service/<name>` says."""
    try:
        return [_entry(service, each["Node"], each["Service"], each["Checks"]) for each in content or []]
    except (TypeError, KeyError, AttributeError):
        raise ConsulError(f"Consul does not answer like Consul: these are no instances of {service}") from None


def _entry(
    service: str, node: Mapping[str, Any], own: Mapping[str, Any], checks: Sequence[Mapping[str, Any]] | None
) -> Entry:
    port = own.get("Port", 0)
    return Entry(
        service=service,
        id=str(own["ID"]),
        node=str(node["Node"]),
        datacenter=str(node.get("Datacenter") or ""),
        namespace=str(own.get("Namespace") or "default"),
        address=str(own.get("Address") or node.get("Address") or ""),
        port=port if isinstance(port, int) else 0,
        tags=_texts(own.get("Tags")),
        state=_state(checks or ()),
        proxy=own.get("Kind") == "connect-proxy",
    )


def _texts(tags: Any) -> tuple[str, ...]:
    if tags is not None and not isinstance(tags, list):
        raise ConsulError("Consul does not answer like Consul: these are no tags")
    return tuple(str(tag) for tag in tags or ())


def _state(checks: Sequence[Mapping[str, Any]]) -> str:
    """The worst of its checks and its node's; what is none of Consul's states counts as critical."""
    worst = 0
    for check in checks:
        if str(check.get("CheckID", "")).startswith(_MAINTENANCE):
            return "maintenance"
        status = check.get("Status")
        worst = max(worst, STATES.index(status) if status in STATES else STATES.index("critical"))
    return STATES[worst]


def labels_of(tags: Sequence[str], prefix: str) -> dict[str, str]:
    """Tags below the prefix, as labels below `traefik.`; one without `=` is empty."""
    labels = {}
    for tag in tags:
        key, _, value = tag.partition("=")
        if key.startswith(f"{prefix}."):
            labels[f"traefik{key.removeprefix(prefix).rstrip()}"] = value.strip()
    return labels


def normalised(name: str) -> str:
    """As the dialect's `normalize`: letters and numbers, with one dash for all between them."""
    return "-".join(filter(None, _PARTS.split(name)))


def canary_name(name: str, tags: Sequence[str]) -> str:
    """That of instances which shall not join the others of their service: with FNV-1 (64 bits) of the sorted tags."""
    number = _FNV_OFFSET
    for byte in "".join(sorted(tags)).encode("utf-8", "surrogatepass"):
        number = number * _FNV_PRIME & 0xFFFFFFFFFFFFFFFF ^ byte
    return f"{name}-{number}"


def instance_of(entry: Entry, labels: Mapping[str, str], own: Own, transport: str) -> Instance:
    """What its tags are to say of it; `transport` is that of the mesh, if it is in it."""

    def address(port: int | None) -> tuple[str, int]:
        if not entry.address:
            raise ValueError("address is missing")
        if not (port or entry.port):
            raise ValueError("port is missing")
        return entry.address, port or entry.port

    name = canary_name(entry.service, entry.tags) if own.canary else entry.service
    return Instance(
        key=entry.key, name=normalised(name), labels=labels, address=address, tags=entry.tags, transport=transport
    )
