"""TCPRoutes: a router for each rule and listener (§4.6). Pure."""

from pointsman.dialect.lookups import blocks
from pointsman_kubernetes.gateway.attach import attach, tell
from pointsman_kubernetes.gateway.backends import TCP, resolve
from pointsman_kubernetes.gateway.draft import Draft
from pointsman_kubernetes.gateway.streams import ANY, add, go_last
from pointsman_kubernetes.kinds import TCP_ROUTE
from pointsman_kubernetes.objects import born


def load(draft: Draft) -> None:
    """Add all TCPRoutes, the oldest first: of several on one entry point it has all connections."""
    for route in sorted(draft.objects.all(TCP_ROUTE), key=born):
        attachment = attach(draft.gateways, route, TCP_ROUTE)
        for position, rule in enumerate(blocks(route, "spec", "rules")):
            targets = resolve(draft, attachment, blocks(rule, "backendRefs"), TCP)
            for place in attachment.places:
                router = add(draft, attachment, place, position, ANY, targets)
                go_last(draft, router, place.listener.entry_point, False)
        tell(draft, attachment)
