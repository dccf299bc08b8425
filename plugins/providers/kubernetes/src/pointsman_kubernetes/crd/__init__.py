"""Routes from the custom resources of the dialect, `traefik.io/v1alpha1` (kubernetes.md §3)."""

from pointsman_kubernetes.crd.provider import KubernetesCRDProvider as KubernetesCRDProvider
