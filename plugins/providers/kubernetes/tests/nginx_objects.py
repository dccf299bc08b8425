"""Ingresses with annotations of ingress-nginx, and what they refer to, as plain data."""

import json
from base64 import b64encode

import trustme

from pointsman.testing import FakeContext, build
from pointsman_kubernetes.nginx import KubernetesIngressNGINXProvider

from .manifests import cluster

PREFIX = "nginx.ingress.kubernetes.io/"
AUTHORITY = trustme.CA()
CA = AUTHORITY.cert_pem.bytes().decode()
_ISSUED = AUTHORITY.issue_cert("t.test")
CERTIFICATE = "".join(each.bytes().decode() for each in _ISSUED.cert_chain_pems)
KEY = _ISSUED.private_key_pem.bytes().decode()
CLASS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "IngressClass",
    "metadata": {"name": "nginx"},
    "spec": {"controller": "k8s.io/ingress-nginx"},
}


def path(path="/", service="web", port=80, kind="Prefix"):
    number = {"number": port} if isinstance(port, int) else {"name": port}
    return {"path": path, "pathType": kind, "backend": {"service": {"name": service, "port": number}}}


def rule(host, *paths):
    return {
        **({"host": host} if host else {}),
        "http": {"paths": [path(each) if isinstance(each, str) else each for each in paths]},
    }


def ingress(name="web", annotations=None, *rules, namespace="default", born="2026-01-01T00:00:00Z", cls="nginx", **spec):
    """Serves / on <name>.test, if it is given no rules."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "creationTimestamp": born,
            "annotations": {PREFIX + key if "/" not in key else key: value for key, value in (annotations or {}).items()},
        },
        "spec": {**({"ingressClassName": cls} if cls else {}), "rules": list(rules) or [rule(f"{name}.test", "/")], **spec},
    }


def service(name, *ips, ports=({"name": "http", "port": 80},), slices=True, namespace="default", **spec):
    found = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"clusterIP": "10.43.0.9", "ports": list(ports), **spec},
        }
    ]
    if slices:
        endpoints = [{"addresses": [each], "conditions": {"ready": True}} for each in ips]
        found.append(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": f"{name}-1",
                    "namespace": namespace,
                    "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": "IPv4",
                "ports": [{"name": port.get("name", ""), "port": 8080 + index} for index, port in enumerate(ports)],
                "endpoints": endpoints,
            }
        )
    return found


def secret(name, data, namespace="default"):
    encoded = {key: b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": encoded}


def config_map(name, data, namespace="default"):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


USERS = secret("users", {"auth": "u:$apr1$x$y\n# nobody\n\n"})
SURROUNDINGS = [
    CLASS,
    *service("web", "10.42.0.1", "10.42.0.2"),
    *service("fallback", "10.42.2.1"),
    *service("canary", "10.42.3.1"),
    *service("empty"),
    USERS,
    secret("map", {"u": "$apr1$x$y"}),
    secret("digest", {"auth": "u:realm:0123"}),
    secret("nobody", {}),
    secret("ca", {"ca.crt": CA}),
    secret("pair", {"ca.crt": CA, "tls.crt": CERTIFICATE, "tls.key": KEY}),
    secret("broken", {"ca.crt": "nonsense", "tls.crt": "nonsense", "tls.key": KEY, "auth": "u"}),
    secret("ca", {"ca.crt": CA}, "other"),
    secret("users", {"auth": "u:p"}, "other"),
    config_map("headers", {"X-Ok": "v 1"}),
    config_map("odd", {"X-Ok": "é"}),
    config_map("more", {"X-Other": "1"}),
]
TLS = [{"hosts": ["t.test"], "secretName": "pair"}]


class Built:
    """What these objects come to."""

    def __init__(self, *things, points=(), namespaces=(), **config):
        self.provider = build(KubernetesIngressNGINXProvider, config, FakeContext(entry_points=points))
        self.outcome = self.provider.build(cluster(*map(json.dumps, [*SURROUNDINGS, *things]), namespaces=namespaces))
        self.document = self.outcome.document
        self.http = self.document["http"]
        self.problems = list(map(str, self.outcome.problems))

    @property
    def routers(self):
        return self.http["routers"]

    def router(self, name="web", index=0, end="", rule=0):
        return self.routers.get(f"default-{name}-rule-{rule}-path-{index}{end}")

    def middleware(self, suffix, name="web"):
        return self.http["middlewares"].get(f"default-{name}-rule-0-path-0-{suffix}")

    def service(self, router):
        return self.http["services"][router["service"]]
