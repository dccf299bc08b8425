"""What backendRefs come to: servers, a service of another provider, or a reason why there are none (§4.5). Pure.

    targets = resolve(draft, attachment, blocks(rule, "backendRefs"), HTTP)

A kind of route gives its own `Speech`: HTTP here; gRPC has other schemes, TCP and TLS none at all and use the addresses of
`Target.backend`. `weigh` makes the HTTP services of a router from targets; whoever has another error than 500 gives its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from pointsman.dialect.lookups import at, text
from pointsman_kubernetes.backends import Allowed, Backend, Unservable, find
from pointsman_kubernetes.gateway.attach import Attachment
from pointsman_kubernetes.gateway.draft import Draft, Refused
from pointsman_kubernetes.names import norm
from pointsman_kubernetes.objects import key_of, namespace_of

_NATIVE: Final = "traefik.io/service.nativelb"
_ALLOWED: Final = Allowed(external_names=False, nodes=False)


@frozen
class Speech:
    """What servers are spoken to in."""

    schemes: Mapping[str, str] | None
    """By `appProtocol`; None if it does not matter, as for TCP."""
    usual: str = "http"
    """The scheme of a port without appProtocol, whatever its number and name are."""
    secured: bool = True
    """Whether BackendTLSPolicies count."""


HTTP: Final = Speech(
    {
        "http": "http",
        "https": "https",
        "kubernetes.io/h2c": "h2c",
        "kubernetes.io/ws": "http",
        "kubernetes.io/wss": "https",
    }
)


TCP: Final = Speech(None, secured=False)


@frozen(eq=False)
class Target:
    """One backendRef."""

    ref: Mapping[str, Any]
    weight: int
    label: str
    """What its service is called after: namespace and name."""
    elsewhere: str = ""
    """`name@provider`, a service that another provider says."""
    backend: Backend | None = None
    scheme: str = ""
    """http, https or h2c; "" if there is no such thing."""
    transport: Mapping[str, Any] | None = None
    """The serversTransport of its service, if it has one of its own."""
    trouble: tuple[str, str] | None = None
    """Reason and message, if requests for it are errors."""

    @property
    def internal(self) -> bool:
        return self.elsewhere.endswith("@internal")


def resolve(draft: Draft, attachment: Attachment, refs: Sequence[Mapping[str, Any]], speech: Speech) -> list[Target]:
    """A target for each backendRef. What is wrong is told to the route as ResolvedRefs."""
    targets = []
    for ref in refs:
        weight = at(ref, "weight")
        share = weight if isinstance(weight, int) and weight >= 0 else 1
        namespace = text(ref, "namespace") or namespace_of(attachment.route)
        label = norm(namespace, text(ref, "name"))
        try:
            targets.append(_target(draft, attachment, ref, share, label, namespace, speech))
        except Refused as error:
            attachment.unresolved(error.reason, error.message)
            targets.append(Target(ref, share, label, trouble=(error.reason, error.message)))
    return targets


def _target(
    draft: Draft,
    attachment: Attachment,
    ref: Mapping[str, Any],
    weight: int,
    label: str,
    namespace: str,
    speech: Speech,
) -> Target:
    name, group, kind = text(ref, "name"), text(ref, "group"), text(ref, "kind") or "Service"
    shown = f"backendRef {kind} {namespace}/{name}"
    if not draft.grants.permit(attachment.kind, namespace_of(attachment.route), (group, kind, name), namespace):
        raise Refused("RefNotPermitted", f"{shown} needs a ReferenceGrant in its namespace")
    if (group, kind) == ("traefik.io", "TraefikService"):
        return Target(ref, weight, label, elsewhere=_elsewhere(draft, attachment, ref, shown, speech))
    if group not in ("", "core") or kind != "Service":
        raise Refused("InvalidKind", f"{shown}: a {group}/{kind} cannot be a backend")
    port = at(ref, "port")
    if not isinstance(port, int):
        raise Refused("UnsupportedProtocol", f"{shown}: the port is missing")
    backend = _found(draft, namespace, name, port)
    if text(backend.port, "protocol") not in ("", "TCP"):
        raise Refused("UnsupportedProtocol", f"{shown}: the port {port} is not for TCP")
    transport = draft.secure(attachment, backend) if speech.secured else None
    scheme = "https" if transport is not None else _scheme(backend, speech, shown)
    return Target(ref, weight, label, backend=backend, scheme=scheme, transport=transport)


def _elsewhere(draft: Draft, attachment: Attachment, ref: Mapping[str, Any], shown: str, speech: Speech) -> str:
    name = text(ref, "name")
    if "@" not in name:
        raise Refused("InvalidKind", f"{shown}: the name of a TraefikService is written name@provider here")
    if text(ref, "namespace"):
        raise Refused("RefNotPermitted", f"{shown}: name@provider is in no namespace; leave it out")
    if not draft.config.may_cross(namespace_of(attachment.route)):
        raise Refused("RefNotPermitted", f"{shown}: name@provider is not allowed here; see crossProviderNamespaces")
    return name


def _found(draft: Draft, namespace: str, name: str, port: int) -> Backend:
    known = draft.backends.get((namespace, name, port))
    if known is None:
        try:
            known = _find(draft, namespace, name, port)
        except Unservable as error:
            known = Refused("BackendNotFound", str(error))
        draft.backends[namespace, name, port] = known
    if isinstance(known, Refused):
        raise known
    return known


def _find(draft: Draft, namespace: str, name: str, port: int) -> Backend:
    backend = find(draft.objects, namespace, name, port, _ALLOWED, which="ready")
    said = text(backend.service, "metadata", "annotations", _NATIVE).lower()
    if said not in ("", "true", "false"):
        raise Unservable(f"service {key_of(backend.service)}: annotation {_NATIVE} is {said!r}, neither true nor false")
    if said == "true" or (draft.config.native_lb_by_default and not said):
        return find(draft.objects, namespace, name, port, _ALLOWED, native=True)
    if not draft.objects.slices(backend.service):
        raise Unservable(f"service {key_of(backend.service)}: has no EndpointSlices; does its selector find any pods?")
    return backend


def _scheme(backend: Backend, speech: Speech, shown: str) -> str:
    if speech.schemes is None:
        return ""
    spoken = text(backend.port, "appProtocol")
    if not spoken:
        return backend.scheme(speech.usual)
    if spoken not in speech.schemes:
        raise Refused(
            "UnsupportedProtocol", f"{shown}: appProtocol {spoken!r} is none of {', '.join(sorted(speech.schemes))}"
        )
    return speech.schemes[spoken]


def balanced(draft: Draft, name: str, target: Target) -> dict[str, Any]:
    """The HTTP service of a target's servers, which is to be called `name`; its transport is in the draft."""
    assert target.backend is not None
    balancer: dict[str, Any] = {"servers": target.backend.servers(target.scheme)}
    if target.transport is not None:
        draft.http["serversTransports"][name] = dict(target.transport)
        balancer["serversTransport"] = name
    return {"loadBalancer": balancer}


def weigh(
    draft: Draft, router: str, targets: Sequence[Target], error: Mapping[str, Any], edits: Mapping[int, Mapping[str, Any]]
) -> str:
    """The weighted HTTP service of a router: its name. `error` is what children are that cannot be asked: `{"status": 500}`.

    `edits` is what services have besides their servers, by the position of the target: `middlewares`, or a `loadBalancer` to
    be merged in.
    """
    services = draft.http["services"]
    children: list[dict[str, Any]] = []
    for position, target in enumerate(targets):
        child = f"{router}-svc-{target.label}-{position}"
        if target.trouble is not None:
            children.append({"name": child, "weight": target.weight, **error})
            continue
        edit = edits.get(position, {})
        if target.elsewhere and not edit:
            child = target.elsewhere
        elif target.elsewhere:
            services[child] = {"weighted": {"services": [{"name": target.elsewhere, "weight": 1}]}, **edit}
        else:
            service = balanced(draft, child, target)
            service["loadBalancer"].update(edit.get("loadBalancer", {}))
            services[child] = {**edit, **service}
        children.append({"name": child, "weight": target.weight})
    if not any(child["weight"] for child in children):
        children.append({"name": "no-backend-refs", "weight": 1, **error})
    services[f"{router}-wrr"] = {"weighted": {"services": children}}
    return f"{router}-wrr"
