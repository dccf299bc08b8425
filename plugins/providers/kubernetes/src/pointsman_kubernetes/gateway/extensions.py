"""Middlewares that filters of routes name (§4.5). Pure.

It is kubernetesCRD that says them. What it calls one follows from its options, and from which Middlewares it sees: of two
with one name only the older is there. So the same are seen here, and asked by the same rules.
"""

from pointsman_kubernetes.crd.names import Names
from pointsman_kubernetes.crd.options import KubernetesCRDConfig
from pointsman_kubernetes.crd.references import Owner, References
from pointsman_kubernetes.crd.references import Refused as NotTheirs
from pointsman_kubernetes.gateway.draft import Unresolved
from pointsman_kubernetes.kinds import MIDDLEWARE
from pointsman_kubernetes.objects import Objects


class Extensions:
    """Those of a cluster."""

    def __init__(self, objects: Objects, crd: KubernetesCRDConfig | None, endpoint: str) -> None:
        """`crd` is how kubernetesCRD is configured, None if it is off; `endpoint` is the API server of the routes."""
        self._objects = objects
        self._crd = crd
        self._endpoint = endpoint
        self._references = References(objects, crd, Names(crd.safe_naming)) if crd is not None else None

    def middleware(self, owner: Owner, name: str) -> str:
        """What the Middleware of that name in the namespace of a route is called, or Unresolved."""
        shown, crd = f"extensionRef Middleware {owner.namespace}/{name}", self._crd
        if crd is None or self._references is None:
            raise Unresolved("InvalidKind", f"{shown}: the provider kubernetesCRD is off; turn it on for Middlewares")
        if crd.endpoint != self._endpoint:
            message = f"{shown}: kubernetesCRD has another 'endpoint'; let it be that of kubernetesGateway"
            raise Unresolved("RefNotPermitted", message)
        if crd.namespaces and owner.namespace not in crd.namespaces:
            message = f"{shown}: kubernetesCRD does not watch this namespace; add it to its 'namespaces'"
            raise Unresolved("RefNotPermitted", message)
        if self._objects.hides(MIDDLEWARE) and not (
            crd.safe_naming and self._objects.get(MIDDLEWARE, name, owner.namespace)
        ):
            why = self._objects.missing[MIDDLEWARE]
            raise Unresolved(
                "RefNotPermitted", f"{shown}: not all Middlewares can be read, so whose it is is not known: {why}"
            )
        if self._objects.get(MIDDLEWARE, name, owner.namespace) is None:
            labels = f" with the labels {crd.label_selector!r}, which kubernetesCRD asks for" if crd.label_selector else ""
            raise Unresolved("BackendNotFound", f"{shown}: there is none{labels}")
        try:
            return self._references.resolve(MIDDLEWARE, {"name": name}, owner) + "@kubernetescrd"
        except NotTheirs as error:
            raise Unresolved("RefNotPermitted", f"extensionRef {error}") from None
