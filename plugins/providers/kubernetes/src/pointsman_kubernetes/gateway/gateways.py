"""Which Gateways are ours, and what they and their classes are told (§4.2, §4.3). Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pointsman.dialect.lookups import at, blocks, text
from pointsman_kubernetes.gateway.listeners import Gateway, Listener
from pointsman_kubernetes.gateway.options import GatewayConfig, StatusAddressConfig
from pointsman_kubernetes.gateway.statuses import CONTROLLER, condition, settled
from pointsman_kubernetes.kinds import GATEWAY, GATEWAY_CLASS, SERVICE
from pointsman_kubernetes.objects import Object, Objects, name_of, namespace_of
from pointsman_kubernetes.outcome import StatusUpdate

FEATURES: Final = (
    "BackendTLSPolicy",
    "GRPCRoute",
    "GRPCRouteNamedRouteRule",
    "Gateway",
    "GatewayPort8080",
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteBackendProtocolH2C",
    "HTTPRouteBackendProtocolWebSocket",
    "HTTPRouteBackendRequestHeaderModification",
    "HTTPRouteBackendTimeout",
    "HTTPRouteCORS",
    "HTTPRouteDestinationPortMatching",
    "HTTPRouteHostRewrite",
    "HTTPRouteMethodMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "HTTPRoutePathRedirect",
    "HTTPRoutePathRewrite",
    "HTTPRoutePortRedirect",
    "HTTPRouteQueryParamMatching",
    "HTTPRouteRequestMirror",
    "HTTPRouteRequestMultipleMirrors",
    "HTTPRouteRequestPercentageMirror",
    "HTTPRouteRequestTimeout",
    "HTTPRouteResponseHeaderModification",
    "HTTPRouteSchemeRedirect",
    "ReferenceGrant",
    "TLSRoute",
    "TLSRouteModeMixed",
    "TLSRouteModeTerminate",
)
"""What `supportedFeatures` advertises, sorted."""


def classes(objects: Objects) -> list[Object]:
    """The GatewayClasses that are ours."""
    return [each for each in objects.all(GATEWAY_CLASS) if text(each, "spec", "controllerName") == CONTROLLER]


def ours(objects: Objects, config: GatewayConfig) -> Iterator[Object]:
    """The Gateways of our classes that are to be served."""
    names = {name_of(each) for each in classes(objects)}
    for gateway in objects.all(GATEWAY):
        if text(gateway, "spec", "gatewayClassName") in names and config.serves(namespace_of(gateway), name_of(gateway)):
            yield gateway


def class_status(thing: Object) -> StatusUpdate:
    """It is handled, and what can be done with it."""
    before = at(thing, "status", "conditions")
    others = [dict(each) for each in blocks(thing, "status", "conditions") if text(each, "type") != "Accepted"]
    accepted = condition(thing, "Accepted", True, "Handled", "Handled by Pointsman")
    status = {
        "conditions": [*others, *settled([accepted], before)],
        "supportedFeatures": [{"name": name} for name in FEATURES],
    }
    return StatusUpdate(GATEWAY_CLASS, thing, status)


def gateway_status(gateway: Gateway, addresses: Sequence[Mapping[str, Any]]) -> StatusUpdate:
    """What became of it and its listeners."""
    thing = gateway.object
    good = sum(not listener.conditions for listener in gateway.listeners)
    some_wrong = good < len(gateway.listeners)
    if good or not some_wrong:
        reason = "ListenersNotValid" if some_wrong else "Accepted"
        message = "Some listeners are not valid" if some_wrong else "Gateway successfully scheduled"
        conditions = [
            condition(thing, "Accepted", True, reason, message),
            condition(thing, "Programmed", True, "Programmed", "Gateway successfully programmed"),
        ]
    else:
        conditions = [
            condition(thing, "Accepted", False, "ListenersNotValid", "No listener is valid"),
            condition(thing, "Programmed", False, "Invalid", "No listener is valid"),
        ]
    known = {text(each, "name"): each for each in blocks(thing, "status", "listeners")}
    status: dict[str, Any] = {
        "conditions": settled(conditions, at(thing, "status", "conditions")),
        "listeners": [_listener_status(each, known.get(each.name, {})) for each in gateway.listeners],
    }
    if addresses:
        status["addresses"] = [dict(each) for each in addresses]
    return StatusUpdate(GATEWAY, thing, status)


def _listener_status(listener: Listener, before: Mapping[str, Any]) -> dict[str, Any]:
    conditions = listener.conditions or [
        condition(listener.gateway, kind, True, kind, "No error found")
        for kind in ("Accepted", "ResolvedRefs", "Programmed")
    ]
    return {
        "name": listener.name,
        "supportedKinds": [{"group": kind.group, "kind": kind.name} for kind in listener.kinds],
        "attachedRoutes": listener.routes,
        "conditions": settled(conditions, before.get("conditions")),
    }


def addresses(objects: Objects, config: StatusAddressConfig | None) -> list[dict[str, str]]:
    """What Gateways tell as their addresses. ValueError if that cannot be found out."""
    if config is None:
        return []
    if config.ip:
        return [{"type": "IPAddress", "value": config.ip}]
    if config.hostname:
        return [{"type": "Hostname", "value": config.hostname}]
    service = objects.get(SERVICE, config.service.name, config.service.namespace)
    if service is None:
        raise ValueError(f"service {config.service.namespace}/{config.service.name}: not found")
    found = []
    for each in blocks(service, "status", "loadBalancer", "ingress"):
        if text(each, "ip"):
            found.append({"type": "IPAddress", "value": text(each, "ip")})
        elif text(each, "hostname"):
            found.append({"type": "Hostname", "value": text(each, "hostname")})
    return found
