"""Routers from Ingresses that were written for ingress-nginx (kubernetes.md §5)."""

from pointsman_kubernetes.nginx.provider import KubernetesIngressNGINXProvider as KubernetesIngressNGINXProvider
