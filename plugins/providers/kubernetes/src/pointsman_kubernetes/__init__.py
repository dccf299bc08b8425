"""Routers and services from a Kubernetes cluster: Ingress, custom resources, Gateway API, ingress-nginx, Knative."""
