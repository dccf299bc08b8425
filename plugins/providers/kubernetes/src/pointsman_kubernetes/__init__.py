"""Routers and services from a Kubernetes cluster: Ingress, custom resources, Gateway API, ingress-nginx, Knative."""

from pointsman import Provider, hookimpl


@hookimpl
def pointsman_providers() -> list[type[Provider]]:
    return []
