"""From a Service to the addresses of its servers (kubernetes.md §1.3). Pure."""

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeGuard

from attrs import frozen

from pointsman.dialect.lookups import block, blocks, text
from pointsman_kubernetes.kinds import NODE, SERVICE
from pointsman_kubernetes.objects import NOT_WATCHED, Object, Objects, key_of

Which = Literal["serving", "ready"]
_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?")
"""A name, or an address of IPv4: nothing that could say more in a URL."""


class Unservable(ValueError):
    """There are no servers, for a reason: the message says it in a sentence that begins with the Service."""


@frozen
class Allowed:
    """What the options of a provider let Services do."""

    external_names: bool = False
    nodes: bool = True
    """Whether nodes are read."""


@frozen
class Address:
    """Where one server listens."""

    host: str
    port: int
    fenced: bool = False
    """It is terminating: whoever has a session there may go on with it."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@frozen
class Backend:
    """One port of a Service, and where it is served."""

    service: Object
    port: Mapping[str, Any]
    """As in the Service's `spec.ports`; of an ExternalName Service maybe `port` alone."""
    addresses: Sequence[Address]
    """Empty if there are no endpoints."""

    def scheme(self, explicit: str = "") -> str:
        """`explicit`, or https for port 443 and ports whose name begins so, or http."""
        if explicit:
            return explicit
        named = text(self.port, "name").startswith("https")
        return "https" if named or self.port.get("port") == 443 else "http"

    def servers(self, explicit: str = "") -> list[dict[str, Any]]:
        """Servers of an HTTP load balancer."""
        scheme = self.scheme(explicit)
        return [
            {"url": f"{scheme}://{address}", **({"fenced": True} if address.fenced else {})} for address in self.addresses
        ]


def find(
    objects: Objects,
    namespace: str,
    name: str,
    port: int | str | None,
    allowed: Allowed,
    *,
    native: bool = False,
    node_port: bool = False,
    which: Which = "serving",
) -> Backend:
    """A port, by number or name, of a Service. Unservable if there is none, or its servers may not be used.

    `native`: the cluster's own balancing (nativeLB); `node_port`: the nodes, if it is a NodePort Service (nodePortLB);
    `which` endpoints are wanted: those that serve, also while they terminate, or those that are ready.
    """
    if not objects.watches(namespace):
        raise Unservable(f"service {namespace}/{name}: {NOT_WATCHED}")
    service = objects.get(SERVICE, name, namespace)
    if service is None:
        raise Unservable(f"service {namespace}/{name}: not found")
    kind = text(service, "spec", "type")
    if kind == "ExternalName":
        return _external(service, port, allowed)
    spec = _port(service, port)
    if native:
        return Backend(service, spec, [_native(service, spec)])
    if node_port and kind == "NodePort":
        return Backend(service, spec, _on_nodes(objects, service, spec, allowed))
    return Backend(service, spec, list(_endpoints(objects, service, spec, which, allowed)))


def _ports(service: Object) -> list[Mapping[str, Any]]:
    return [port for port in blocks(service, "spec", "ports") if _is_port(port.get("port"))]


def _is_port(number: Any) -> TypeGuard[int]:
    return type(number) is int and 0 < number < 65536


def _port(service: Object, wanted: int | str | None) -> Mapping[str, Any]:
    ports = _ports(service)
    for port in ports:
        if _is_meant(port, wanted):
            return port
    known = ", ".join(f"{port['port']}" + (f" ({text(port, 'name')})" if text(port, "name") else "") for port in ports)
    raise Unservable(f"service {key_of(service)}: {_no_port(wanted)}; it has {known or 'none'}")


def _is_meant(port: Mapping[str, Any], wanted: int | str | None) -> bool:
    if isinstance(wanted, str):
        return wanted != "" and wanted == port.get("name")
    return type(wanted) is int and wanted == port["port"]


def _no_port(wanted: int | str | None) -> str:
    return "no port was named" if wanted in (None, "", 0) else f"has no port {wanted!r}"


def _external(service: Object, wanted: int | str | None, allowed: Allowed) -> Backend:
    if not allowed.external_names:
        raise Unservable(
            f"service {key_of(service)}: is an ExternalName service, which is not allowed; set allowExternalNameServices"
        )
    host = text(service, "spec", "externalName")
    if not _is_host(host):
        raise Unservable(f"service {key_of(service)}: its externalName is no name of a host")
    for port in _ports(service):
        if _is_meant(port, wanted):
            return Backend(service, port, [Address(host, port["port"])])
    if not _is_port(wanted):
        raise Unservable(f"service {key_of(service)}: {_no_port(wanted)}; an ExternalName service takes any number")
    return Backend(service, {"port": wanted}, [Address(host, wanted)])


def _native(service: Object, port: Mapping[str, Any]) -> Address:
    address = text(service, "spec", "clusterIP")
    if not _is_ip(address):
        raise Unservable(f"service {key_of(service)}: has no cluster IP, so nativeLB cannot be used")
    return Address(address, port["port"])


def _on_nodes(objects: Objects, service: Object, port: Mapping[str, Any], allowed: Allowed) -> list[Address]:
    if not allowed.nodes:
        raise Unservable(f"service {key_of(service)}: nodePortLB needs nodes, which disableClusterScopeResources leaves out")
    number = port.get("nodePort")
    if not _is_port(number):
        raise Unservable(f"service {key_of(service)}: port {port['port']} has no nodePort")
    found = [Address(address, number) for address in addresses_of_nodes(objects, "InternalIP")]
    if not found:
        raise Unservable(f"service {key_of(service)}: no node has an InternalIP")
    return found


def addresses_of_nodes(objects: Objects, kind: str) -> list[str]:
    """All `InternalIP`, or `ExternalIP`, of all nodes."""
    return [
        address
        for node in objects.all(NODE)
        for each in blocks(node, "status", "addresses")
        if text(each, "type") == kind and _is_ip(address := text(each, "address"))
    ]


def _endpoints(
    objects: Objects, service: Object, port: Mapping[str, Any], which: Which, allowed: Allowed
) -> Iterator[Address]:
    """Slices of names say the same as Services of type ExternalName, `localhost` among it, and are allowed with them."""
    seen = set()
    for piece in objects.slices(service):
        number = _number(piece, text(port, "name"))
        is_named = text(piece, "addressType") == "FQDN"
        if is_named and not allowed.external_names:
            continue
        is_sound = _is_host if is_named else _is_ip
        for endpoint in blocks(piece, "endpoints") if number else ():
            conditions = block(endpoint, "conditions")
            if not _is_wanted(conditions, which):
                continue
            fenced = which == "serving" and conditions.get("terminating") is True
            addresses = endpoint.get("addresses")
            for address in addresses if isinstance(addresses, list) else ():
                if isinstance(address, str) and (address, number) not in seen and is_sound(address):
                    seen.add((address, number))
                    yield Address(address, number, fenced)


def _is_wanted(conditions: Mapping[str, Any], which: Which) -> bool:
    """What is not said is true, and who says nothing of serving serves while ready: so the API's reference has it."""
    said = conditions.get(which)
    if said is None and which == "serving":
        said = conditions.get("ready")
    return said is not False


def _number(piece: Object, name: str) -> int:
    """The port of that name in a slice; 0 if there is none."""
    for port in blocks(piece, "ports"):
        if text(port, "name") == name and _is_port(number := port.get("port")):
            return number
    return 0


def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return "%" not in address


def _is_host(name: str) -> bool:
    return _HOST.fullmatch(name) is not None
