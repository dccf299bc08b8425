"""What Ingresses are told of where they are reached (kubernetes.md §5.1). Pure."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pointsman.dialect.lookups import at, blocks, text
from pointsman.errors import Problem
from pointsman_kubernetes.kinds import INGRESS, SERVICE
from pointsman_kubernetes.nginx.config import PATH, KubernetesIngressNGINXConfig
from pointsman_kubernetes.nginx.ingress import Ingress
from pointsman_kubernetes.objects import NOT_WATCHED, Object, Objects
from pointsman_kubernetes.outcome import StatusUpdate


def statuses(
    config: KubernetesIngressNGINXConfig, objects: Objects, ingresses: Iterable[Ingress]
) -> tuple[list[StatusUpdate], list[Problem]]:
    """Those of all Ingresses that are served; none if it is not said where that is."""
    if config.publish_status_address:
        found: Sequence[Mapping[str, Any]] = [_entry(each) for each in config.publish_status_address]
    elif config.publish_service:
        namespace, _, name = config.publish_service.partition("/")
        service = objects.get(SERVICE, name, namespace)
        if service is None:
            why = "not found" if objects.watches(namespace) else NOT_WATCHED
            return [], [Problem(f"{PATH}.publishService", f"service {namespace}/{name} {why}", warning=True)]
        found = _of_service(service)
    else:
        return [], []
    status = {"loadBalancer": {"ingress": found} if found else {}}
    return [StatusUpdate(INGRESS, each.thing, status) for each in ingresses if each.served], []


def _of_service(service: Object) -> list[Mapping[str, Any]]:
    kind = text(service, "spec", "type") or "ClusterIP"
    outer = at(service, "spec", "externalIPs")
    outside = [_entry(each) for each in outer if isinstance(each, str)] if isinstance(outer, list) else []
    own = [_entry(text(service, "spec", "clusterIP"))] if text(service, "spec", "clusterIP") else []
    if kind == "ExternalName":
        return [{"hostname": text(service, "spec", "externalName")}]
    if kind == "LoadBalancer":
        return [dict(each) for each in blocks(service, "status", "loadBalancer", "ingress")] + outside
    return (outside or own) if kind == "NodePort" else own


def _entry(address: str) -> Mapping[str, Any]:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return {"hostname": address}
    return {"ip": address}
