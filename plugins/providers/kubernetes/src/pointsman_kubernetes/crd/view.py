"""One look at a cluster: what every part of the mapping asks."""

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from pointsman.dialect.lookups import text
from pointsman_kubernetes.crd.names import Names
from pointsman_kubernetes.crd.options import KubernetesCRDConfig
from pointsman_kubernetes.crd.references import References
from pointsman_kubernetes.crd.services import Services
from pointsman_kubernetes.kinds import Kind
from pointsman_kubernetes.objects import Object, Objects, born

CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"


@frozen
class View:
    """The objects, and what is decided about them once."""

    objects: Objects
    config: KubernetesCRDConfig
    names: Names
    references: References
    services: Services

    @classmethod
    def of(cls, objects: Objects, config: KubernetesCRDConfig) -> "View":
        names = Names(config.safe_naming)
        references = References(objects, config, names)
        return cls(objects, config, names, references, Services(objects, config, names, references))

    def served(self, kind: Kind) -> Iterator[Object]:
        """The IngressRoutes, IngressRouteTCPs or IngressRouteUDPs of our class, the oldest first."""
        wanted = (self.config.ingress_class,) if self.config.ingress_class else ("", "traefik")
        for thing in sorted(self.objects.all(kind), key=born):
            said = text(thing, "spec", "ingressClassName") or text(thing, "metadata", "annotations", CLASS_ANNOTATION)
            if said in wanted:
                yield thing
