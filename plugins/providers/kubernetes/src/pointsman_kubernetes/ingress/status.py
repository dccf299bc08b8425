"""What Ingresses are told of where the gateway is reached (kubernetes.md §2.5). Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pointsman.dialect.lookups import at, blocks, text
from pointsman_kubernetes.backends import addresses_of_nodes
from pointsman_kubernetes.ingress.config import IngressConfig
from pointsman_kubernetes.kinds import SERVICE
from pointsman_kubernetes.objects import NOT_WATCHED, Object, Objects

Entries = Sequence[Mapping[str, Any]]
"""As in `status.loadBalancer.ingress`."""
_KEYS: Final = ("ip", "hostname", "ports")
"""Those an entry of an Ingress has: one of a Service has more."""


class Unknown(ValueError):
    """Nothing can be told, for a reason: the message is a sentence that begins with the Service."""


def entries(config: IngressConfig, objects: Objects) -> Entries | None:
    """None: nothing is written. Unknown when there should be something."""
    endpoint = config.ingress_endpoint
    if config.report_node_internal_ips:
        return [{"ip": address} for address in addresses_of_nodes(objects, "InternalIP")] or None
    if endpoint is None:
        return None
    if not endpoint.published_service:
        return [{key: value for key, value in (("ip", endpoint.ip), ("hostname", endpoint.hostname)) if value}]
    namespace, _, name = endpoint.published_service.partition("/")
    service = objects.get(SERVICE, name, namespace)
    if service is None:
        why = "not found" if objects.watches(namespace) else NOT_WATCHED
        raise Unknown(f"service {namespace}/{name}: {why}")
    return _published(service, config, objects)


def _published(service: Object, config: IngressConfig, objects: Objects) -> Entries | None:
    kind = text(service, "spec", "type") or "ClusterIP"
    if kind == "LoadBalancer":
        given = blocks(service, "status", "loadBalancer", "ingress")
        return [{key: entry[key] for key in _KEYS if entry.get(key)} for entry in given] or None
    if kind == "ExternalName":
        return [{"hostname": text(service, "spec", "externalName")}]
    if kind == "ClusterIP":
        addresses = at(service, "spec", "externalIPs")
        ports = _ports(service, "port")
        return [_entry(each, ports) for each in addresses if isinstance(each, str)] if isinstance(addresses, list) else []
    if config.disable_cluster_scope_resources:
        key = f"{text(service, 'metadata', 'namespace')}/{text(service, 'metadata', 'name')}"
        raise Unknown(f"service {key}: is a NodePort service, and disableClusterScopeResources leaves nodes out")
    ports = _ports(service, "nodePort")
    return [_entry(address, ports) for address in addresses_of_nodes(objects, "ExternalIP")]


def _ports(service: Object, key: str) -> list[dict[str, Any]]:
    return [
        {"port": port[key], "protocol": text(port, "protocol") or "TCP"}
        for port in blocks(service, "spec", "ports")
        if isinstance(port.get(key), int)
    ]


def _entry(address: str, ports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"ip": address, "ports": ports} if ports else {"ip": address}
