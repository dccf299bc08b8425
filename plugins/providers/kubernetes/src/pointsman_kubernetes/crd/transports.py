"""ServersTransports and ServersTransportTCPs (kubernetes.md §3.10). Pure.

One whose certificates are missing is left out, and closes what uses it: without its authorities it would trust others.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from pointsman.errors import Problem
from pointsman_kubernetes.crd import fields
from pointsman_kubernetes.crd.fields import Read, boolean, duration, integer, string, strings, take
from pointsman_kubernetes.crd.materials import authority, authority_of_config_map, certificate
from pointsman_kubernetes.crd.references import Owner, Refused
from pointsman_kubernetes.crd.view import View
from pointsman_kubernetes.kinds import SERVERS_TRANSPORT, SERVERS_TRANSPORT_TCP, Kind
from pointsman_kubernetes.objects import Object, Objects, namespace_of
from pointsman_kubernetes.secrets import Unusable

_MATERIALS: Final[Mapping[str, Read]] = {
    "rootCAs": fields.each(fields.block({"secret": string, "configMap": string})),
    "rootCAsSecrets": strings,
    "certificatesSecrets": strings,
}
_TLS: Final[Mapping[str, Read]] = {
    "serverName": string,
    "insecureSkipVerify": boolean,
    "peerCertURI": string,
    "peerCertSANs": fields.each(fields.block({"type": string, "value": string})),
    "spiffe": fields.block({"ids": strings, "trustDomain": string}),
    **_MATERIALS,
}
_TIMEOUTS: Final = (
    "dialTimeout",
    "responseHeaderTimeout",
    "idleConnTimeout",
    "readIdleTimeout",
    "pingTimeout",
    "readTimeout",
    "writeTimeout",
)
_HTTP: Final[Mapping[str, Read]] = {
    **_TLS,
    "cipherSuites": strings,
    "minVersion": string,
    "maxVersion": string,
    "maxIdleConnsPerHost": integer,
    "disableHTTP2": boolean,
    "forwardingTimeouts": fields.block(dict.fromkeys(_TIMEOUTS, duration)),
}
_TCP: Final[Mapping[str, Read]] = {
    "dialTimeout": duration,
    "dialKeepAlive": duration,
    "terminationDelay": duration,
    "proxyProtocol": fields.block({"version": integer}),
    "tls": fields.block(_TLS),
}


def http(view: View) -> tuple[dict[str, Any], list[Problem]]:
    """`http.serversTransports`."""
    return _all(view, SERVERS_TRANSPORT, _http)


def tcp(view: View) -> tuple[dict[str, Any], list[Problem]]:
    """`tcp.serversTransports`."""
    return _all(view, SERVERS_TRANSPORT_TCP, _tcp)


def _all(view: View, kind: Kind, make: Callable[[Objects, Object], Any]) -> tuple[dict[str, Any], list[Problem]]:
    found: dict[str, Any] = {}
    problems = []
    for name, thing in view.references.own(kind):
        try:
            found[name] = make(view.objects, thing)
        except (Refused, Unusable) as error:
            message = f"is left out, and closes the services that use it: {error}"
            problems.append(Owner.of(kind, thing).problem(message))
    return found, problems


def _http(objects: Objects, thing: Object) -> dict[str, Any]:
    transport = _with_materials(objects, thing, take(thing.get("spec") or {}, "", _HTTP))
    if not transport.get("forwardingTimeouts", True):
        del transport["forwardingTimeouts"]
    return {"serverName": "", **transport}


def _tcp(objects: Objects, thing: Object) -> dict[str, Any]:
    transport = take(thing.get("spec") or {}, "", _TCP)
    if "tls" in transport:
        transport["tls"] = _with_materials(objects, thing, transport["tls"])
    return {"dialTimeout": "30s", **transport}


def _with_materials(objects: Objects, thing: Object, spec: dict[str, Any]) -> dict[str, Any]:
    """The same, with what its Secrets and ConfigMaps hold. Refused or Unusable if one is missing."""
    named = {name: spec.pop(name, []) for name in _MATERIALS}
    namespace = namespace_of(thing)
    authorities = [_authority(objects, namespace, each) for each in named["rootCAs"]]
    authorities += [authority(objects, namespace, name) for name in named["rootCAsSecrets"]]
    if authorities:
        spec["rootCAs"] = authorities
    if named["certificatesSecrets"]:
        spec["certificates"] = [certificate(objects, namespace, name) for name in named["certificatesSecrets"]]
    return spec


def _authority(objects: Objects, namespace: str, said: Mapping[str, str]) -> str:
    name, config_map = said.get("secret", ""), said.get("configMap", "")
    if bool(name) == bool(config_map):
        raise Refused("rootCAs: each must name either a 'secret' or a 'configMap'")
    return authority(objects, namespace, name) if name else authority_of_config_map(objects, namespace, config_map)
