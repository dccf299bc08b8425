"""The options of `providers.knative`."""

from attrs import frozen

from pointsman import option
from pointsman_kubernetes.options import ClusterConfig


@frozen
class ServiceRefConfig:
    """A Service of the cluster."""

    name: str = option(default="", help="Name of the Service")
    namespace: str = option(default="", help="Namespace of the Service")


@frozen(kw_only=True)
class KnativeConfig(ClusterConfig):
    public_entrypoints: tuple[str, ...] = option(
        default=(), help="Entry points of public rules; those that are default if unset"
    )
    private_entrypoints: tuple[str, ...] = option(
        default=(), help="Entry points of rules for the cluster alone; such rules are left out if unset"
    )
    public_service: ServiceRefConfig = option(
        factory=ServiceRefConfig, help="Service through which the public entry points are reached"
    )
    private_service: ServiceRefConfig = option(
        factory=ServiceRefConfig, help="Service through which the private entry points are reached"
    )
    allow_external_name_services: bool = option(default=False, help="Whether splits may go to Services of type ExternalName")
