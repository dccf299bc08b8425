"""What an API server adds to objects that leave it out: defaults of Services, slices and the Gateway API's own types."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

PARENT: Final = {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
SECRET: Final = {"group": "", "kind": "Secret"}
SERVICE: Final = {"group": "", "kind": "Service"}
DEFAULTS: Final[Mapping[str, Mapping[str, Mapping[str, Any]]]] = {
    "Service": {"spec": {"type": "ClusterIP", "sessionAffinity": "None"}, "spec.ports.*": {"protocol": "TCP"}},
    "EndpointSlice": {"ports.*": {"protocol": "TCP", "name": ""}},
    "Secret": {"": {"type": "Opaque"}},
    "Gateway": {
        "spec.listeners.*": {"allowedRoutes": {}},
        "spec.listeners.*.allowedRoutes": {"namespaces": {}},
        "spec.listeners.*.allowedRoutes.namespaces": {"from": "Same"},
        "spec.listeners.*.tls": {"mode": "Terminate"},
        "spec.listeners.*.tls.certificateRefs.*": SECRET,
    },
    "HTTPRoute": {
        "spec": {"rules": [{}]},
        "spec.parentRefs.*": PARENT,
        "spec.rules.*": {"matches": [{}]},
        "spec.rules.*.matches.*": {"path": {}},
        "spec.rules.*.matches.*.path": {"type": "PathPrefix", "value": "/"},
        "spec.rules.*.matches.*.headers.*": {"type": "Exact"},
        "spec.rules.*.matches.*.queryParams.*": {"type": "Exact"},
        "spec.rules.*.filters.*.requestRedirect": {"statusCode": 302},
        "spec.rules.*.filters.*.requestMirror.backendRef": SERVICE,
        "spec.rules.*.backendRefs.*": {**SERVICE, "weight": 1},
        "spec.rules.*.backendRefs.*.filters.*.requestRedirect": {"statusCode": 302},
        "spec.rules.*.backendRefs.*.filters.*.requestMirror.backendRef": SERVICE,
    },
    "GRPCRoute": {
        "spec.parentRefs.*": PARENT,
        "spec.rules.*.matches.*.method": {"type": "Exact"},
        "spec.rules.*.matches.*.headers.*": {"type": "Exact"},
        "spec.rules.*.filters.*.requestMirror.backendRef": SERVICE,
        "spec.rules.*.backendRefs.*": {**SERVICE, "weight": 1},
    },
    "TCPRoute": {"spec.parentRefs.*": PARENT, "spec.rules.*.backendRefs.*": {**SERVICE, "weight": 1}},
    "TLSRoute": {"spec.parentRefs.*": PARENT, "spec.rules.*.backendRefs.*": {**SERVICE, "weight": 1}},
}
"""Kind -> place -> what is set there if it is absent; `*` is every element of a list. Outer places come first."""


def fill(thing: dict[str, Any]) -> None:
    """Set what is left out."""
    for place, values in DEFAULTS.get(thing["kind"], {}).items():
        for block in _blocks(thing, place.split(".") if place else []):
            for key, value in values.items():
                block.setdefault(key, [{**each} for each in value] if isinstance(value, list) else _copy(value))
    if thing["kind"] == "Service":
        for port in thing.get("spec", {}).get("ports") or ():
            port.setdefault("targetPort", port.get("port"))


def _copy(value: Any) -> Any:
    return dict(value) if isinstance(value, dict) else value


def _blocks(value: Any, path: list[str]) -> Iterator[dict[str, Any]]:
    if not path:
        if isinstance(value, dict):
            yield value
    elif path[0] == "*":
        for each in value if isinstance(value, list) else ():
            yield from _blocks(each, path[1:])
    elif isinstance(value, dict) and path[0] in value:
        yield from _blocks(value[path[0]], path[1:])
