"""The options of kubernetesCRD (kubernetes.md §3.1)."""

from attrs import frozen

from pointsman import option
from pointsman_kubernetes.options import CrossingConfig


@frozen(kw_only=True)
class KubernetesCRDConfig(CrossingConfig):
    """`providers.kubernetesCRD`."""

    ingress_class: str = option(default="", help="Serve only the routes of this class; if unset, those of none or 'traefik'")
    allow_cross_namespace: bool = option(default=False, help="Let objects refer to those of other namespaces")
    allow_external_name_services: bool = option(default=False, help="Let services of the type ExternalName be used")
    allow_empty_services: bool = option(default=False, help="Keep routes to services without endpoints, which answer 503")
    native_lb_by_default: bool = option(
        "nativeLBByDefault", default=False, help="Send to cluster IPs where a service does not say otherwise"
    )
    allow_snippet_middlewares: bool = option(
        default=False, help="Let Middlewares be of the kind snippet, directives of nginx's configuration"
    )
    disable_cluster_scope_resources: bool = option(default=False, help="Do not read nodes, which nodePortLB needs")
    safe_naming: bool = option(default=False, help="Make names that cannot collide, such as default_web_0")
    default_tls_resources_namespace: str = option(
        "defaultTLSResourcesNamespace",
        default="",
        help="The namespace whose TLSOption and TLSStore 'default' count; any if unset",
    )
