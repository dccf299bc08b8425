"""TLSRoutes: routers by server name (§4.6). Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from pointsman.dialect.gotemplate.functions.regexes import quote_meta
from pointsman.dialect.lookups import blocks
from pointsman_kubernetes.gateway.attach import Attachment, Place, attach, tell
from pointsman_kubernetes.gateway.backends import TCP, resolve
from pointsman_kubernetes.gateway.draft import Draft
from pointsman_kubernetes.gateway.matches import SUBDOMAINS
from pointsman_kubernetes.gateway.order import Contender, classes
from pointsman_kubernetes.gateway.streams import ANY, add, go_last
from pointsman_kubernetes.kinds import TLS_ROUTE
from pointsman_kubernetes.names import quoted
from pointsman_kubernetes.objects import born

DENY = "deny-unknown-host"


def load(draft: Draft) -> None:
    """Add all TLSRoutes, the oldest first, and close connections for names that none of them has."""
    points: set[str] = set()
    for route in sorted(draft.objects.all(TLS_ROUTE), key=born):
        attachment = attach(draft.gateways, route, TLS_ROUTE)
        for position, rule in enumerate(blocks(route, "spec", "rules")):
            _rule(draft, attachment, position, rule)
        points.update(place.listener.entry_point for place in attachment.places)
        tell(draft, attachment)
    open_points = sorted(point for point in points if (point, True) not in draft.catch_alls)
    if open_points:
        draft.tcp["services"][DENY] = {"loadBalancer": {"servers": []}}
        router = {"entryPoints": open_points, "rule": ANY, "service": DENY, "tls": {"passthrough": True}}
        draft.tcp["routers"][DENY] = router  # passed on to nobody: it is closed before a certificate is shown


def _rule(draft: Draft, attachment: Attachment, position: int, rule: Mapping[str, Any]) -> None:
    refs = blocks(rule, "backendRefs")
    for passthrough in (True, False):
        places = [place for place in attachment.places if place.listener.passthrough == passthrough]
        if places or (passthrough and not attachment.places):
            targets = resolve(draft, attachment, refs, evolve(TCP, secured=not passthrough))
            for place in places:
                for hostnames in classes(place.hostnames):
                    tls = {"passthrough": True} if passthrough else {}
                    router = add(draft, attachment, place, position, _rule_text(hostnames), targets, tls)
                    _rank(draft, attachment, place, position, hostnames, router)


def _rank(
    draft: Draft, attachment: Attachment, place: Place, position: int, hostnames: Sequence[str], router: dict[str, Any]
) -> None:
    point = place.listener.entry_point
    if not hostnames:
        go_last(draft, router, point, True)
        return
    usual = max(len(name) - name.count("*") for name in place.hostnames)
    age = *born(attachment.route), position
    draft.contenders.append(Contender(router, (f"tcp {point}", True), tuple(hostnames), (), usual, age))


def _rule_text(hostnames: Sequence[str]) -> str:
    return " || ".join(map(_name, hostnames)) or ANY


def _name(hostname: str) -> str:
    if not hostname.startswith("*."):
        return f"HostSNI({quoted(hostname)})"
    return f"HostSNIRegexp({quoted(SUBDOMAINS + quote_meta(hostname[1:]) + '$')})"
