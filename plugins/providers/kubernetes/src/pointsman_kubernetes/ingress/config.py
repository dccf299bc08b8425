"""The options of kubernetesIngress (kubernetes.md §2.1)."""

import ipaddress
from collections.abc import Iterator

from attrs import frozen

from pointsman import option
from pointsman.errors import Problem
from pointsman_kubernetes.options import CrossingConfig

PATH = "providers.kubernetesIngress"


@frozen(kw_only=True)
class IngressEndpoint:
    """What Ingresses are told of where the gateway is reached."""

    ip: str = option(default="", help="Address for the status of Ingresses")
    hostname: str = option(default="", help="Name for the status of Ingresses")
    published_service: str = option(default="", help="namespace/name of the Service whose addresses Ingresses are told")


@frozen(kw_only=True)
class IngressConfig(CrossingConfig):
    ingress_class: str = option(default="", help="Only Ingresses of this class; all of ours, and those without, if unset")
    ingress_endpoint: IngressEndpoint | None = option(default=None, help="What to write into the status of Ingresses")
    allow_empty_services: bool = option(default=False, help="Answer 503 for Services without endpoints, not 404")
    allow_external_name_services: bool = option(default=False, help="Serve Services of type ExternalName")
    native_lb_by_default: bool = option(
        "nativeLBByDefault", default=False, help="Send to the cluster IP of Services, unless they say otherwise"
    )
    strict_prefix_matching: bool = option(default=False, help="Prefix /foo does not match /foobar")
    disable_cluster_scope_resources: bool = option(default=False, help="Read neither IngressClasses nor nodes")
    disable_ingress_class_lookup: bool = option(
        default=False, help="Read no IngressClasses (deprecated: disableClusterScopeResources)"
    )
    report_node_internal_ips: bool = option(
        "reportNodeInternalIPs", default=False, help="Write the InternalIPs of all nodes into the status of Ingresses"
    )
    default_backend_fallback: bool = option(
        default=False, help="The default backend of an Ingress with rules answers for what none of its paths matches"
    )

    @property
    def reads_classes(self) -> bool:
        return not (self.disable_cluster_scope_resources or self.disable_ingress_class_lookup)


def mistakes(config: IngressConfig) -> Iterator[Problem]:
    """Options that cannot be used, or not together."""
    endpoint = config.ingress_endpoint
    if config.report_node_internal_ips:
        if endpoint is not None:
            yield Problem(f"{PATH}.reportNodeInternalIPs", "excludes ingressEndpoint: both say what Ingresses are told")
        if config.disable_cluster_scope_resources:
            yield Problem(f"{PATH}.reportNodeInternalIPs", "needs nodes, which disableClusterScopeResources leaves out")
    if endpoint is None:
        return
    published = endpoint.published_service
    if not (published or endpoint.ip or endpoint.hostname):
        yield Problem(f"{PATH}.ingressEndpoint", "publishedService or ip or hostname must be defined")
    if published and [bool(part) for part in published.split("/")] != [True, True]:
        yield Problem(f"{PATH}.ingressEndpoint.publishedService", f"must be namespace/name, got '{published}'")
    if endpoint.ip and not published and not _is_ip(endpoint.ip):
        yield Problem(f"{PATH}.ingressEndpoint.ip", f"is no IP address: '{endpoint.ip}'; a name is a 'hostname'")


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
