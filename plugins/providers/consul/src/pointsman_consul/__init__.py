"""Routes from Consul: written into its key-value store, or made of the services in its catalogue."""

from pointsman import Provider, hookimpl
from pointsman_consul.catalog import ConsulCatalog
from pointsman_consul.kv import Consul


@hookimpl
def pointsman_providers() -> list[type[Provider]]:
    return [Consul, ConsulCatalog]
