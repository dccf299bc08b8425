"""TCP routers of TLSRoutes and TCPRoutes, and their services (§4.6). Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pointsman_kubernetes.gateway.attach import Attachment, Place, name_at
from pointsman_kubernetes.gateway.backends import Target
from pointsman_kubernetes.gateway.draft import Draft
from pointsman_kubernetes.kinds import TCP_ROUTE

ANY: Final = 'HostSNI("*")'


def add(
    draft: Draft, attachment: Attachment, place: Place, position: int, rule: str, targets: Sequence[Target], tls: Any = None
) -> dict[str, Any]:
    """The router of a rule at one place, which is added with its services. `tls` is its block, None for none."""
    named = "" if attachment.kind is TCP_ROUTE else rule
    name = name_at(draft, attachment.kind.name.lower(), attachment, place, position, named)
    points, service = [place.listener.entry_point], _service(draft, name, targets)
    router: dict[str, Any] = {"entryPoints": points, "rule": rule, "service": service}
    if tls is not None:
        router["tls"] = tls
    draft.tcp["routers"][name] = router
    return router


def go_last(draft: Draft, router: dict[str, Any], entry_point: str, secure: bool) -> None:
    """Put a router for any name behind all others, and behind those for any name that came before it."""
    place = entry_point, secure
    draft.catch_alls[place] = draft.catch_alls.get(place, 0) + 1
    if draft.catch_alls[place] > 1:
        router["priority"] = -draft.catch_alls[place]


def _service(draft: Draft, router: str, targets: Sequence[Target]) -> str:
    """The service of a router: its name. Connections for a target that cannot be had are closed."""
    if len(targets) == 1 and targets[0].internal:
        return targets[0].elsewhere
    services = draft.tcp["services"]
    children = []
    for position, target in enumerate(targets):
        child = target.elsewhere or f"{router}-svc-{target.label}-{position}"
        if target.trouble is not None:
            child = f"{router}-err-lb"
            services[child] = {"loadBalancer": {"servers": []}}
        elif not target.elsewhere:
            services[child] = {"loadBalancer": _balancer(draft, child, target)}
        children.append({"name": child, "weight": target.weight})
    services[f"{router}-wrr"] = {"weighted": {"services": children}}
    return f"{router}-wrr"


def _balancer(draft: Draft, name: str, target: Target) -> Mapping[str, Any]:
    assert target.backend is not None
    servers: list[dict[str, Any]] = [{"address": str(address)} for address in target.backend.addresses]
    if target.transport is None:
        return {"servers": servers}
    draft.tcp["serversTransports"][name] = {"tls": dict(target.transport)}
    return {"servers": [{**server, "tls": True} for server in servers], "serversTransport": name}
