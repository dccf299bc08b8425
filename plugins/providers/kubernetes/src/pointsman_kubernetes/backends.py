"""From a Service to the addresses of its servers (kubernetes.md §1.3). Pure."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from attrs import frozen

from pointsman.dialect.lookups import at, block, text
from pointsman_kubernetes.kinds import NODE, SERVICE
from pointsman_kubernetes.objects import Object, Objects, key_of

Which = Literal["serving", "ready"]


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
        raise Unservable(f"service {namespace}/{name}: is in a namespace that is not watched; add it to 'namespaces'")
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
    return Backend(service, spec, list(_endpoints(objects, service, spec, which)))


def _ports(service: Object) -> list[Mapping[str, Any]]:
    ports = at(service, "spec", "ports")
    return [port for port in ports if isinstance(port, Mapping)] if isinstance(ports, list) else []


def _port(service: Object, wanted: int | str | None) -> Mapping[str, Any]:
    ports = _ports(service)
    for port in ports:
        if wanted == port.get("port") or (isinstance(wanted, str) and wanted and wanted == port.get("name")):
            return port
    known = ", ".join(f"{port.get('port')}" + (f" ({port['name']})" if port.get("name") else "") for port in ports)
    named = f"no port {wanted!r}" if wanted not in (None, "") else "the port is missing"
    raise Unservable(f"service {key_of(service)}: {named}; it has {known or 'none'}")


def _external(service: Object, wanted: int | str | None, allowed: Allowed) -> Backend:
    if not allowed.external_names:
        raise Unservable(
            f"service {key_of(service)}: is an ExternalName service, which is not allowed; set allowExternalNameServices"
        )
    host = text(service, "spec", "externalName")
    if not host:
        raise Unservable(f"service {key_of(service)}: has no externalName")
    for port in _ports(service):
        if wanted in (port.get("port"), port.get("name")):
            return Backend(service, port, [Address(host, int(port["port"]))])
    if not isinstance(wanted, int) or not 0 < wanted < 65536:
        raise Unservable(f"service {key_of(service)}: no port {wanted!r}; an ExternalName service takes any number")
    return Backend(service, {"port": wanted}, [Address(host, wanted)])


def _native(service: Object, port: Mapping[str, Any]) -> Address:
    address = text(service, "spec", "clusterIP")
    if address in ("", "None"):
        raise Unservable(f"service {key_of(service)}: has no cluster IP, so nativeLB cannot be used")
    return Address(address, int(port["port"]))


def _on_nodes(objects: Objects, service: Object, port: Mapping[str, Any], allowed: Allowed) -> list[Address]:
    if not allowed.nodes:
        raise Unservable(f"service {key_of(service)}: nodePortLB needs nodes, which disableClusterScopeResources leaves out")
    number = port.get("nodePort")
    if not number:
        raise Unservable(f"service {key_of(service)}: port {port.get('port')} has no nodePort")
    found = [Address(address, int(number)) for node in objects.all(NODE) for address in _internal(node)]
    if not found:
        raise Unservable(f"service {key_of(service)}: no node has an InternalIP")
    return found


def _internal(node: Object) -> Iterator[str]:
    addresses = at(node, "status", "addresses")
    for each in addresses if isinstance(addresses, list) else ():
        if text(each, "type") == "InternalIP" and text(each, "address"):
            yield text(each, "address")
            return


def _endpoints(objects: Objects, service: Object, port: Mapping[str, Any], which: Which) -> Iterator[Address]:
    seen = set()
    for piece in objects.slices(service):
        number = _number(piece, text(port, "name"))
        endpoints = piece.get("endpoints")
        for endpoint in endpoints if number and isinstance(endpoints, list) else ():
            conditions = block(endpoint, "conditions")
            if conditions.get(which) is False or (which == "ready" and conditions.get("terminating") is True):
                continue
            fenced = which == "serving" and conditions.get("terminating") is True
            for address in at(endpoint, "addresses") or ():
                if isinstance(address, str) and address not in seen and _sound(address, piece):
                    seen.add(address)
                    yield Address(address, number, fenced)


def _number(piece: Object, name: str) -> int:
    """The port of that name in a slice; 0 if there is none."""
    ports = piece.get("ports")
    for port in ports if isinstance(ports, list) else ():
        if text(port, "name") == name and isinstance(at(port, "port"), int):
            return int(port["port"])
    return 0


def _sound(address: str, piece: Object) -> bool:
    if text(piece, "addressType") == "FQDN":
        return True
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True
