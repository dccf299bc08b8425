"""Routers and services from Ingresses (kubernetes.md §2)."""

from pointsman_kubernetes.ingress.provider import KubernetesIngressProvider as KubernetesIngressProvider
