"""Certificates that routes bring along (kubernetes.md §3.3)."""

from pointsman.dialect.lookups import text
from pointsman.errors import Problem
from pointsman_kubernetes.crd.references import Owner
from pointsman_kubernetes.crd.view import View
from pointsman_kubernetes.kinds import INGRESS_ROUTE, INGRESS_ROUTE_TCP
from pointsman_kubernetes.secrets import Unusable, pair


def certificates(view: View) -> tuple[list[dict[str, str]], list[Problem]]:
    """What `tls.certificates` has of `tls.secretName`, each Secret once. One that cannot be read closes no route."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    problems = []
    for kind in (INGRESS_ROUTE, INGRESS_ROUTE_TCP):
        for thing in view.served(kind):
            owner = Owner.of(kind, thing)
            secret = text(thing, "spec", "tls", "secretName")
            if not secret or (owner.namespace, secret) in found:
                continue
            try:
                certificate, key = pair(view.objects, owner.namespace, secret)
                found[owner.namespace, secret] = {"certFile": certificate, "keyFile": key}
            except Unusable as error:
                problems.append(owner.problem(f"its certificate is missing: {error}"))
    return list(found.values()), problems
