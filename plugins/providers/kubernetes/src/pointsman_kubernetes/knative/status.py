"""What Knative is told: whether requests would be routed, and through which Services."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pointsman.dialect.lookups import at
from pointsman.errors import Problem
from pointsman_kubernetes.knative.config import KnativeConfig, ServiceRefConfig
from pointsman_kubernetes.objects import Object

_RESOLVER = Path("/etc/resolv.conf")


def status_of(thing: Object, config: KnativeConfig, problems: Sequence[Problem]) -> Mapping[str, Any]:
    """Ready, unless something is wrong with it; Knative waits for this before it calls a Route ready."""
    return {
        "observedGeneration": at(thing, "metadata", "generation") or 0,
        "conditions": list(_conditions(problems)),
        "publicLoadBalancer": _balancer(config.public_service),
        "privateLoadBalancer": _balancer(config.private_service),
    }


def _conditions(problems: Sequence[Problem]) -> Iterator[Mapping[str, Any]]:
    wrong = (
        {"status": "False", "reason": "InvalidIngress", "message": problems[0].message} if problems else {"status": "True"}
    )
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for kind, said in (("LoadBalancerReady", {"status": "True"}), ("NetworkConfigured", wrong), ("Ready", wrong)):
        yield {"type": kind, **said, "lastTransitionTime": now}


def _balancer(service: ServiceRefConfig) -> Mapping[str, Any]:
    if not service.name or not service.namespace:
        return {}
    return {"ingress": [{"domainInternal": f"{service.name}.{service.namespace}.svc.{cluster_domain()}"}]}


@cache
def cluster_domain() -> str:
    """What names of Services end in: CLUSTER_DOMAIN, or what the resolver searches, or cluster.local."""
    told = os.environ.get("CLUSTER_DOMAIN", "")
    try:
        words = _RESOLVER.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        words = []
    searched = (word.removeprefix("svc.") for word in words if word.startswith("svc."))
    return (told or next(searched, "cluster.local")).rstrip(".")
