"""Which package brings which kind: data for one sentence, `pip install ...`, and for nothing else."""

_PROVIDERS = (
    "docker", "swarm", "consul", "consulCatalog", "nomad", "ecs", "etcd", "redis", "zooKeeper", "http", "rest",
    "kubernetesIngress", "kubernetesCRD", "kubernetesGateway", "kubernetesIngressNGINX", "knative",
)  # fmt: skip
_PATHS = ("addPrefix", "stripPrefix", "stripPrefixRegex", "replacePath", "replacePathRegex")
_AUTH = ("basicAuth", "digestAuth")
_REDIRECTS = ("redirectRegex", "redirectScheme")
_OWN = (
    "buffering", "chain", "circuitBreaker", "compress", "contentType", "encodedCharacters", "errors", "forwardAuth",
    "grpcWeb", "headers", "inFlightReq", "ipAllowList", "passTLSClientCert", "rateLimit", "retry",
)  # fmt: skip

DISTRIBUTIONS: dict[str, dict[str, str]] = {
    "providers": {name.lower(): f"pointsman-{name.lower()}" for name in _PROVIDERS},
    "middlewares": {
        **{name.lower(): f"pointsman-{name.lower()}" for name in _OWN},
        **{name.lower(): "pointsman-paths" for name in _PATHS},
        **{name.lower(): "pointsman-auth" for name in _AUTH},
        **{name.lower(): "pointsman-redirects" for name in _REDIRECTS},
        "ipwhitelist": "pointsman-ipallowlist",
    },
    "balancers": {name: f"pointsman-{name}" for name in ("p2c", "hrw", "leasttime")},
}
