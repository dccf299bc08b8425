"""Routers from the Ingresses that Knative makes (kubernetes.md §6)."""

from pointsman_kubernetes.knative.provider import KnativeProvider as KnativeProvider
