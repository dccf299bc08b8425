"""IngressRoutes and what they come to (kubernetes.md §3.3, §3.11)."""

import pytest

from plugins.providers.kubernetes.tests.manifests import WEB, cluster
from pointsman.testing import build
from pointsman_kubernetes.crd import KubernetesCRDProvider


def made(*manifests, **config):
    return build(KubernetesCRDProvider, config).build(cluster(WEB, *manifests))


@pytest.mark.spec("K-22")
def test_a_route_and_its_service_share_their_name():
    outcome = made(
        """
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: shop}
spec:
  entryPoints: [web]
  routes: [{match: Host(`a.org`), kind: Rule, services: [{name: web, port: 80}]}]
"""
    )

    assert outcome.problems == []
    name = "default-shop-25b4b3b4ecb93a4458c5"
    assert outcome.document["http"]["routers"] == {name: {"rule": "Host(`a.org`)", "entryPoints": ["web"], "service": name}}
    assert outcome.document["http"]["services"] == {
        name: {"loadBalancer": {"servers": [{"url": "http://10.42.0.1:8080"}, {"url": "http://10.42.0.2:8080"}]}}
    }
