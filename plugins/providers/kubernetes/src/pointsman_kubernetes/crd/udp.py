"""IngressRouteUDPs (kubernetes.md §3.6). Pure."""

from typing import Any

from pointsman.dialect.lookups import blocks
from pointsman.errors import Problem
from pointsman_kubernetes.backends import Backend
from pointsman_kubernetes.crd.fields import strings, take
from pointsman_kubernetes.crd.references import Owner, Refused
from pointsman_kubernetes.crd.streams import Spec, Streams
from pointsman_kubernetes.crd.view import View
from pointsman_kubernetes.kinds import INGRESS_ROUTE_UDP


def routes(view: View) -> tuple[dict[str, Any], list[Problem]]:
    """The `routers` and `services` of `udp`."""
    routers: dict[str, Any] = {}
    problems: list[Problem] = []
    streams = Streams(view)
    for thing in view.served(INGRESS_ROUTE_UDP):
        owner = Owner.of(INGRESS_ROUTE_UDP, thing)
        for index, route in enumerate(blocks(thing, "spec", "routes")):
            name = view.names.udp_router(owner.namespace, owner.name, index)
            try:
                if name in routers:
                    raise Refused(f"an older object has a route called {name!r}, too; rename one, or set safeNaming")
                said = take(thing.get("spec"), "", {"entryPoints": strings})
                service, wrong = streams.route(blocks(route, "services"), owner, name, _balancer)
                routers[name] = {**said, "service": service}
            except Refused as error:
                wrong = [str(error)]
            problems += [owner.problem(f"routes[{index}]: {each}") for each in wrong]
    return {"routers": routers, "services": streams.section}, problems


def _balancer(spec: Spec, backend: Backend, namespace: str) -> dict[str, Any]:
    return {"servers": [{"address": str(address)} for address in backend.addresses]}
