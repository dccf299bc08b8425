"""The options of `providers.kubernetesIngressNGINX` (kubernetes.md §5.1)."""

from collections.abc import Sequence

from attrs import frozen
from attrs.validators import ge

from pointsman import option
from pointsman_kubernetes.options import AccessConfig

PATH = "providers.kubernetesIngressNGINX"


@frozen
class IPStrategyConfig:
    """How the address of a client is found for allow lists."""

    depth: int = option(default=0, validator=ge(0), help="Which address of X-Forwarded-For, counted from the right")
    excluded_ips: tuple[str, ...] = option("excludedIPs", default=(), help="Addresses of X-Forwarded-For to skip")
    ipv6_subnet: int = option("ipv6Subnet", default=0, help="Bits of IPv6 addresses that count; 0: all")


@frozen(kw_only=True)
class KubernetesIngressNGINXConfig(AccessConfig):
    ingress_class: str = option(default="nginx", help="Class that Ingresses name in their annotation")
    controller_class: str = option(default="k8s.io/ingress-nginx", help="Controller of the IngressClasses that are served")
    ingress_class_by_name: bool = option(default=False, help="Serve the IngressClass called as ingressClass, too")
    watch_ingress_without_class: bool = option(default=False, help="Serve Ingresses that name no class")
    watch_namespace: str = option(default="", help="The only namespace to watch; all if unset")
    watch_namespace_selector: str = option(default="", help="Labels of the namespaces to watch")
    http_entry_point: str = option(default="", help="Entry point of plaintext routers; all without TLS if unset")
    https_entry_point: str = option(default="", help="Entry point of TLS routers; those that are default if unset")
    publish_service: str = option(default="", help="Service, namespace/name, whose address goes into statuses")
    publish_status_address: tuple[str, ...] = option(default=(), help="Addresses that go into statuses instead")
    default_backend_service: str = option(default="", help="Service, namespace/name, for what no Ingress serves")
    disable_svc_external_name: bool = option(default=False, help="Refuse Services of type ExternalName")
    global_auth_url: str = option("globalAuthURL", default="", help="URL that is asked about every request", repr=False)
    ip_allow_list_strategy: IPStrategyConfig = option(
        factory=IPStrategyConfig, allow_empty=True, help="How the address of a client is found for allow lists"
    )
    proxy_request_buffering: bool = option(default=False, help="Take in requests whole before servers get them")
    proxy_buffering: bool = option(default=False, help="Take in answers whole before clients get them")
    client_body_buffer_size: int = option(default=16384, validator=ge(0), help="Bytes of a request kept in memory")
    proxy_body_size: int = option(default=1048576, validator=ge(0), help="Most bytes of a request; 0: no limit")
    proxy_buffer_size: int = option(default=8192, validator=ge(0), help="Bytes of one buffer for answers")
    proxy_buffers_number: int = option(default=4, validator=ge(0), help="How many such buffers there are")
    proxy_connect_timeout: int = option(default=60, validator=ge(0), help="Seconds to connect to a server")
    proxy_read_timeout: int = option(default=60, validator=ge(0), help="Seconds between two reads from a server")
    proxy_send_timeout: int = option(default=60, validator=ge(0), help="Seconds between two writes to a server")
    upstream_keepalive_timeout: int = option(default=60, validator=ge(0), help="Seconds that idle connections are kept")
    proxy_next_upstream: str = option(default="error timeout", help="When another server is tried")
    proxy_next_upstream_tries: int = option(default=3, help="How often; 0: as often as there are servers")
    proxy_next_upstream_timeout: int = option(default=0, help="Seconds for all tries; 0: no limit")
    custom_http_errors: tuple[str, ...] = option(
        "customHTTPErrors", default=(), help="Statuses in whose place the default backend answers"
    )
    allow_cross_namespace_resources: bool = option(
        default=False, help="Ingresses may use Secrets and ConfigMaps of other namespaces"
    )
    global_allowed_response_headers: tuple[str, ...] = option(
        default=(), help="Headers that ConfigMaps of custom-headers may set"
    )
    allow_snippet_annotations: bool = option(default=False, help="Serve Ingresses with snippets of nginx's configuration")
    strict_validate_path_type: bool = option(
        default=True, help="Refuse Ingresses with expressions in paths of type Prefix or Exact"
    )

    @property
    def scope(self) -> tuple[Sequence[str], str]:
        return (self.watch_namespace,) if self.watch_namespace else (), ""
