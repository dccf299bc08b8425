"""A provider whose document is what there is, and what it says while it runs."""

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import ClassVar

import pytest

from pointsman.errors import Problem
from pointsman.testing import FakeContext, build, eventually
from pointsman_kubernetes import cluster, following, statuses
from pointsman_kubernetes.kinds import INGRESS, MIDDLEWARE, SECRET, SERVICE
from pointsman_kubernetes.objects import key_of
from pointsman_kubernetes.options import ClusterConfig
from pointsman_kubernetes.outcome import Outcome, StatusUpdate
from pointsman_kubernetes.provider import KubernetesProvider

from .kubernetes_server import kubernetes_server


def service(name, namespace="default", port=80, **labels):
    meta = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [{"port": port}]}}


def ingress(name, **more):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}, "spec": {}, **more}


class Names(KubernetesProvider):
    """The document is what there is: kind -> names. Every Ingress is to have a status."""

    name: ClassVar[str] = "kubernetes"
    Config: ClassVar[type] = ClusterConfig
    selected = (SERVICE,)
    read = (SERVICE, SECRET, MIDDLEWARE)
    address = "192.0.2.1"

    def kinds(self):
        return self.read

    def build(self, objects):
        updates = [
            StatusUpdate(INGRESS, each, {"loadBalancer": {"ingress": [{"ip": self.address}]}})
            for each in objects.all(INGRESS)
        ]
        document = {kind.plural: [key_of(each) for each in objects.all(kind)] for kind in self.read}
        document["missing"] = {kind.plural: why for kind, why in objects.missing.items()}
        return Outcome(document, [Problem("x", "y")], statuses=updates)


class Said:
    """What a provider published."""

    def __init__(self):
        self.documents, self.problems = [], []

    def __call__(self, document, problems=()):
        self.documents.append(document)
        self.problems.append([str(each) for each in problems if each.path != "x"])

    def services(self):
        return self.documents[-1]["services"] if self.documents else None

    async def until(self, *names):
        await eventually(lambda: self.services() == [f"default/{each}" for each in names], f"{names}")

    async def problem(self, *texts):
        """The one problem that there will be."""

        def it_is():
            assert len(self.problems[-1]) == 1, self.problems[-1]
            assert all(each in self.problems[-1][0] for each in texts), self.problems[-1]
            return True

        await eventually(it_is)

    async def no_problem(self):
        await eventually(lambda: self.problems[-1] == [], "no problem")


@asynccontextmanager
async def followed(server, cls=Names, **options):
    """What a provider says while it runs, once it says something. If it fails, so does the block."""
    said = Said()
    source = build(cls, {"endpoint": server.url, **options}, FakeContext("kubernetes"))
    task = asyncio.create_task(source.provide(said))
    try:
        await eventually(lambda: said.documents or task.done(), "the first configuration")
        if not task.done():
            yield said
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def failure(options=(), cls=Names):
    """Why a provider ends without a word."""
    source = build(cls, dict(options), FakeContext("kubernetes"))
    with pytest.raises(OSError) as caught:
        async with asyncio.timeout(10):
            await source.provide(lambda *said: pytest.fail(f"it said {said}"))
    return str(caught.value)


def hurry(monkeypatch):
    """No way to a cluster but what a test gives, and short pauses."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    for module, name, value in (
        (cluster, "LOOK_SECONDS", 0.05),
        (following, "FIRST_SECONDS", 0.05),
        (following, "MAX_SECONDS", 0.1),
        (following, "GRACE_SECONDS", 0.3),
        (following, "BEGIN_SECONDS", 0.3),
        (statuses, "JITTER_SECONDS", 0.05),
        (statuses, "FIRST_SECONDS", 0.1),
    ):
        monkeypatch.setattr(module, name, value)


@contextmanager
def a_server(**options):
    """With one Service, `web`."""
    with kubernetes_server(**options) as running:
        running.apply(service("web"))
        yield running
