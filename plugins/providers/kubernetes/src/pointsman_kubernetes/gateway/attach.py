"""To which listeners a route is attached, with which host names (§4.4). Pure.

for route in sorted(draft.objects.all(GRPC_ROUTE), key=born):
    attachment = attach(draft.gateways, route, GRPC_ROUTE)
    for parent in attachment.parents:
        for place in parent.places:
            ...  # routers on place.listener.entry_point, for place.hostnames
    attachment.unresolved("BackendNotFound", "...")  # whatever was wrong with what the route names
    tell(draft, attachment)  # its status; if it is nobody's business of ours, nothing
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field, frozen

from pointsman.dialect.lookups import at, blocks, text
from pointsman_kubernetes.gateway.draft import Draft
from pointsman_kubernetes.gateway.listeners import Gateway, Listener
from pointsman_kubernetes.gateway.statuses import CONTROLLER, Condition, condition, parents_of
from pointsman_kubernetes.kinds import GATEWAY, Kind
from pointsman_kubernetes.names import digest, norm
from pointsman_kubernetes.objects import Object, name_of, namespace_of
from pointsman_kubernetes.outcome import StatusUpdate


@frozen(eq=False)
class Place:
    """A listener that a route is attached to."""

    gateway: Gateway
    listener: Listener
    hostnames: tuple[str, ...]
    """The more specific ones of the listener's and the route's, lower-case; empty for any."""


@define(eq=False)
class Parent:
    """One `parentRef` of a route that names a Gateway of ours."""

    ref: Mapping[str, Any]
    gateway: Gateway
    places: list[Place] = field(factory=list)
    """Where routers are to be; only listeners that serve."""
    accepted: Condition = field(factory=dict)


@define(eq=False)
class Attachment:
    """A route, and where it is attached."""

    route: Object
    kind: Kind
    parents: list[Parent]
    """Empty for a route that no Gateway of ours is named by."""
    resolved: Condition = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.resolved = condition(self.route, "ResolvedRefs", True, "ResolvedRefs")

    @property
    def places(self) -> list[Place]:
        return [place for parent in self.parents for place in parent.places]

    def unresolved(self, reason: str, message: str) -> None:
        """Something that the route names is not to be had. The last such reason is told, to every parent."""
        self.resolved = condition(self.route, "ResolvedRefs", False, reason, message)

    def refuse(self, reason: str, message: str) -> None:
        """Tell every parent that has accepted the route that something in it was not."""
        for parent in self.parents:
            if parent.accepted["status"] == "True":
                parent.accepted = condition(self.route, "Accepted", False, reason, message)


def name_at(draft: Draft, label: str, attachment: Attachment, place: Place, position: int, rule: str) -> str:
    """What a router of a rule is called: as in the dialect; another name where listeners of two kinds would share it."""
    route, gateway, point = attachment.route, place.gateway, place.listener.entry_point
    own = [namespace_of(route), name_of(route), gateway.namespace, gateway.name, point, str(position)]
    label = norm(label, *own[:2], "gw", *own[2:4], "ep", *own[4:])
    hashed = "".join(f"{len(part.encode())}:{part}" for part in own) + rule
    name = f"{label}-{digest(hashed)}"
    if draft.owners.setdefault(name, place.listener.passthrough) != place.listener.passthrough:
        name = f"{label}-{digest('terminated' + hashed)}"
    return name


def attach(gateways: Mapping[tuple[str, str], Gateway], route: Object, kind: Kind) -> Attachment:
    """Where a route of this kind is attached. Counts it at its listeners."""
    names = at(route, "spec", "hostnames")
    hostnames = tuple(name.lower() for name in names if isinstance(name, str)) if isinstance(names, list) else ()
    parents = []
    counted: set[int] = set()
    for ref in blocks(route, "spec", "parentRefs"):
        gateway = gateways.get((text(ref, "namespace") or namespace_of(route), text(ref, "name")))
        if gateway is not None and _names_gateway(ref):
            parents.append(_attached(Parent(ref, gateway), route, kind, hostnames, counted))
    return Attachment(route, kind, parents)


def _names_gateway(ref: Mapping[str, Any]) -> bool:
    group, kind = at(ref, "group"), at(ref, "kind")
    return group in (None, GATEWAY.group) and kind in (None, GATEWAY.name)


def _attached(parent: Parent, route: Object, kind: Kind, hostnames: tuple[str, ...], counted: set[int]) -> Parent:
    why = "NoMatchingParent", "The Gateway has no such listener"
    taken = False
    for listener in _named(parent):
        meeting = intersection(listener.hostname, hostnames)
        if not listener.admits(kind, namespace_of(route)):
            why = "NotAllowedByListeners", f"Listener {listener.name} does not allow this kind of route from this namespace"
        elif meeting is None:
            why = "NoMatchingListenerHostname", f"No hostname of the route is one of listener {listener.name}'s"
        else:
            if id(listener) not in counted:
                counted.add(id(listener))
                listener.routes += 1
            if listener.attached:
                taken = True
                parent.places.append(Place(parent.gateway, listener, meeting))
            else:
                why = "NoMatchingParent", f"Listener {listener.name} does not serve; see its status"
    parent.accepted = condition(route, "Accepted", taken, *(("Accepted", "") if taken else why))
    return parent


def _named(parent: Parent) -> Iterator[Listener]:
    """The listeners that `sectionName` and `port` leave."""
    section, port = text(parent.ref, "sectionName"), at(parent.ref, "port")
    for listener in parent.gateway.listeners:
        if section in ("", listener.name) and port in (None, listener.port):
            yield listener


def intersection(listener: str, route: Sequence[str]) -> tuple[str, ...] | None:
    """The more specific host names where both agree; None if they do not. Empty for any host."""
    if not listener or not route:
        return tuple(dict.fromkeys(route)) or ((listener,) if listener else ())
    found = [
        name if _covers(listener, name) else listener for name in route if _covers(listener, name) or _covers(name, listener)
    ]
    return tuple(dict.fromkeys(found)) or None


def _covers(pattern: str, name: str) -> bool:
    return pattern == name or (pattern.startswith("*.") and name.endswith(pattern[1:]) and name != pattern[1:])


def tell(draft: Draft, attachment: Attachment) -> None:
    """The status of a route, once all is known of it."""
    route = attachment.route
    ours = [
        {"parentRef": dict(parent.ref), "controllerName": CONTROLLER, "conditions": [parent.accepted, attachment.resolved]}
        for parent in attachment.parents
    ]
    before = blocks(route, "status", "parents")
    keep = [each for each in before if not _is_ours(draft, route, each)]
    if ours or len(keep) < len(before):
        draft.statuses.append(StatusUpdate(attachment.kind, route, {"parents": parents_of(route, ours, keep)}))
    told = [parent.accepted for parent in attachment.parents] + [attachment.resolved] * bool(ours)
    for message in dict.fromkeys(f"{each['reason']}: {each['message']}" for each in told if each["status"] == "False"):
        draft.complain(attachment.kind, route, message)


def _is_ours(draft: Draft, route: Object, parent: Mapping[str, Any]) -> bool:
    """Whether an entry is ours to replace. One of our name about a Gateway that `gateways` leaves out is another's."""
    ref = at(parent, "parentRef")
    namespace = text(ref, "namespace") or namespace_of(route)
    return text(parent, "controllerName") == CONTROLLER and draft.config.serves(namespace, text(ref, "name"))
