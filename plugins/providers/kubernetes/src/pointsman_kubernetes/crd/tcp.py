"""IngressRouteTCPs (kubernetes.md §3.5). Pure."""

from functools import partial
from typing import Any, Final

from pointsman.dialect.lookups import at, blocks, text
from pointsman.errors import Problem
from pointsman_kubernetes.backends import Backend
from pointsman_kubernetes.crd import fields
from pointsman_kubernetes.crd.fields import boolean, integer, items, string, strings, take
from pointsman_kubernetes.crd.references import Owner, Refused
from pointsman_kubernetes.crd.streams import Spec, Streams
from pointsman_kubernetes.crd.tls import DOMAIN
from pointsman_kubernetes.crd.view import View
from pointsman_kubernetes.kinds import INGRESS_ROUTE_TCP, MIDDLEWARE_TCP, SERVERS_TRANSPORT_TCP, TLS_OPTION
from pointsman_kubernetes.objects import Object

_TLS: Final = {"passthrough": boolean, "certResolver": string, "domains": fields.each(fields.block(DOMAIN))}
_BALANCER: Final = {"terminationDelay": integer, "proxyProtocol": fields.block({"version": integer})}


def routes(view: View) -> tuple[dict[str, Any], list[Problem]]:
    """The `routers` and `services` of `tcp`."""
    routers: dict[str, Any] = {}
    problems: list[Problem] = []
    streams = Streams(view)
    for thing in view.served(INGRESS_ROUTE_TCP):
        owner = Owner.of(INGRESS_ROUTE_TCP, thing)
        balancer = partial(_balancer, view, owner)
        for index, route in enumerate(blocks(thing, "spec", "routes")):
            name = view.names.tcp_router(owner.namespace, owner.name, index, text(route, "match"))
            try:
                if name in routers:
                    raise Refused("has the match of another route of this object; set safeNaming, or remove one")
                router = _router(view, owner, thing, route)
                router["service"], wrong = streams.route(blocks(route, "services"), owner, name, balancer)
                routers[name] = router
            except Refused as error:
                wrong = [str(error)]
            problems += [owner.problem(f"routes[{index}]: {each}") for each in wrong]
    return {"routers": routers, "services": streams.section}, problems


def _router(view: View, owner: Owner, thing: Object, route: Spec) -> dict[str, Any]:
    """Without its service. Refused if the route is dropped."""
    if not text(route, "match"):
        raise Refused("has no match")
    said = take(route, "", {"match": string, "priority": integer, "syntax": string})
    router = {"rule": said["match"], **take(thing.get("spec"), "", {"entryPoints": strings})}
    if "priority" in said:
        router["priority"] = said["priority"]
    if said.get("syntax"):
        router["ruleSyntax"] = said["syntax"]
    middlewares = [
        view.references.resolve(MIDDLEWARE_TCP, each, owner) for each in items(route.get("middlewares"), "middlewares")
    ]
    if middlewares:
        router["middlewares"] = middlewares
    if at(thing, "spec", "tls") is not None:
        router["tls"] = _tls(view, owner, at(thing, "spec", "tls"))
    return router


def _tls(view: View, owner: Owner, spec: Any) -> dict[str, Any]:
    tls = take(spec, "tls", _TLS)
    if spec.get("options") not in (None, {}):
        tls["options"] = view.references.resolve(TLS_OPTION, spec["options"], owner)
    return tls


def _balancer(view: View, owner: Owner, spec: Spec, backend: Backend, namespace: str) -> dict[str, Any]:
    secured = take(spec, "", {"tls": boolean}).get("tls", False)
    servers = [{"address": str(address), **({"tls": True} if secured else {})} for address in backend.addresses]
    balancer = {"servers": servers, **take(spec, "", _BALANCER)}
    transport = text(spec, "serversTransport")
    if transport:
        balancer.pop("terminationDelay", None)  # the transport says it
        reference = {"name": transport, "namespace": "" if "@" in transport else namespace}
        balancer["serversTransport"] = view.references.resolve(SERVERS_TRANSPORT_TCP, reference, owner)
    return balancer
