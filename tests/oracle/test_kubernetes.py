"""What becomes of a cluster in both gateways, as both show it: the simplest."""

from tests.servers.test_kubernetes_server import CLUSTER

from .harness import ORACLE
from .kubernetes import both

pytestmark = ORACLE


async def test_the_simplest_cluster_is_the_same_in_both():
    async with both("kubernetesIngress", CLUSTER.replace("PORT", "80")) as cluster:
        assert not cluster.differing()
