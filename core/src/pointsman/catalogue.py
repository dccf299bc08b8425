"""Which package brings which kind: data for one sentence, `pip install ...`, and for nothing else."""

from collections.abc import Iterable
from difflib import get_close_matches

_PROVIDERS = ("docker", "consul", "nomad", "ecs", "etcd", "redis", "zooKeeper", "http", "rest")
_KUBERNETES = ("kubernetesIngress", "kubernetesCRD", "kubernetesGateway", "kubernetesIngressNGINX", "knative")
_PATHS = ("addPrefix", "stripPrefix", "stripPrefixRegex", "replacePath", "replacePathRegex")
_AUTH = ("basicAuth", "digestAuth")
_GATEWAY = ("requestHeaderModifier", "requestRedirect", "responseHeaderModifier", "urlRewrite")
_NGINX = ("appRoot", "authTLSPassCertificateToUpstream", "rewriteTarget", "snippet", "upstreamVHost")
_REDIRECTS = ("redirectRegex", "redirectScheme")
_OWN = (
    "buffering", "chain", "circuitBreaker", "compress", "contentType", "encodedCharacters", "errors", "forwardAuth",
    "grpcWeb", "headers", "ipAllowList", "passTLSClientCert", "rateLimit", "requestId", "retry", "timeout",
)  # fmt: skip

DISTRIBUTIONS: dict[str, dict[str, str]] = {
    "providers": {
        **{name.lower(): f"pointsman-{name.lower()}" for name in _PROVIDERS},
        **{name.lower(): "pointsman-kubernetes" for name in _KUBERNETES},
        "consulcatalog": "pointsman-consul",
        "swarm": "pointsman-docker",
    },
    "certificate_resolvers": {"acme": "pointsman-acme"},
    "middlewares": {
        **{name.lower(): f"pointsman-{name.lower()}" for name in _OWN},
        **{name.lower(): "pointsman-paths" for name in _PATHS},
        **{name.lower(): "pointsman-gatewayapi" for name in _GATEWAY},
        **{name.lower(): "pointsman-nginx" for name in _NGINX},
        **{name.lower(): "pointsman-auth" for name in _AUTH},
        **{name.lower(): "pointsman-redirects" for name in _REDIRECTS},
        "inflightreq": "pointsman-inflight",
        "ipwhitelist": "pointsman-ipallowlist",
    },
    "tcp_middlewares": {
        "inflightconn": "pointsman-inflight",
        "ipallowlist": "pointsman-ipallowlist",
        "ipwhitelist": "pointsman-ipallowlist",
    },
    "metrics_exporters": {name: f"pointsman-{name}" for name in ("prometheus", "datadog", "statsd", "influxdb2", "otlp")},
    "span_exporters": {name: f"pointsman-{name}" for name in ("otlp", "zipkin", "jaeger")},
    "internal_services": {"dashboard": "pointsman-dashboard", "prometheus": "pointsman-prometheus"},
    "log_exporters": {"otlp": "pointsman-otlp"},
    "balancers": {name: f"pointsman-{name}" for name in ("p2c", "hrw", "leasttime", "leastconn")},
}


def missing(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a kind that no installed plugin provides: what to install, or what may have been meant."""
    distribution = DISTRIBUTIONS.get(kind, {}).get(name.lower())
    if distribution:
        return f"no installed plugin provides it; pip install {distribution}"
    close = get_close_matches(name.lower(), {other.lower(): other for other in known}, 1, 0.7)
    meant = next((other for other in known if close and other.lower() == close[0]), None)
    hint = f"did you mean '{meant}'?" if meant else "see 'pointsman plugins' for what is installed"
    return f"no installed plugin provides '{name}'; {hint}"
