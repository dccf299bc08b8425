"""Routers and services from a Kubernetes cluster: Ingress, custom resources, Gateway API, ingress-nginx, Knative."""

from pointsman import Provider, hookimpl
from pointsman_kubernetes.crd import KubernetesCRDProvider
from pointsman_kubernetes.gateway.provider import KubernetesGateway
from pointsman_kubernetes.ingress import KubernetesIngressProvider
from pointsman_kubernetes.knative import KnativeProvider
from pointsman_kubernetes.nginx import KubernetesIngressNGINXProvider


@hookimpl
def pointsman_providers() -> list[type[Provider]]:
    return [
        KnativeProvider,
        KubernetesCRDProvider,
        KubernetesIngressNGINXProvider,
        KubernetesIngressProvider,
        KubernetesGateway,
    ]
