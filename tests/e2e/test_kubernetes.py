"""A gateway in a cluster: pods come and go while it serves."""

import asyncio
import itertools
import json
from contextlib import AsyncExitStack

import pytest

from pointsman.testing import answer, connect, eventually, gateway, upstream
from pointsman_kubernetes.kinds import ENDPOINT_SLICE
from tests.servers.kubernetes_server import kubernetes_server

WEB = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.43.0.1, ports: [{name: http, port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - {host: web.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}}
"""
SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-%d, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: %d}]
endpoints: [{addresses: [%s], conditions: {ready: %s, serving: true, terminating: %s}}]
"""
CLIENTS = 4


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.spec("K-20")
async def test_pods_are_replaced_under_load_and_no_request_fails():
    async with AsyncExitStack() as stack:
        cluster = stack.enter_context(kubernetes_server(WEB))
        cluster.tokens = {"t"}

        hosts = itertools.count(2)

        async def a_pod():
            pod = await stack.enter_async_context(upstream(host=f"127.0.0.{next(hosts)}"))
            pod.answers(answer(200, {}, b"x" * 100))
            cluster.apply(SLICE % (pod.port, pod.port, pod.host, "true", "false"))
            return pod

        pods = [await a_pod() for _ in range(2)]
        providers = {"kubernetesIngress": {"endpoint": cluster.url, "token": "t"}}
        static = {"api": {"insecure": True, "dashboard": False}, "providers": providers}
        running = await stack.enter_async_context(gateway({}, static))

        async def served():
            async with connect(running.port("traefik")) as client:
                found = json.loads((await client.get("/api/http/services/default-web-http@kubernetes", "127.0.0.1")).body)
            return {server["url"] for server in found["loadBalancer"]["servers"] if not server.get("fenced")}

        async def serves(*those):
            async def it_does():
                assert await served() == {pod.url for pod in those}
                return True

            await eventually(it_does)

        await serves(*pods)
        statuses, over = [], asyncio.Event()

        async def load():
            while not over.is_set():
                async with connect(running.port("web")) as client:
                    for _ in range(20):
                        statuses.append((await client.get("/", "web.test")).status)

        clients = [asyncio.create_task(load()) for _ in range(CLIENTS)]
        for old in tuple(pods):
            new = await a_pod()
            cluster.apply(SLICE % (old.port, old.port, old.host, "false", "true"))
            pods = [pod for pod in pods if pod is not old] + [new]
            await serves(*pods)
            await new.received(5)
            cluster.delete(ENDPOINT_SLICE, f"web-{old.port}")
            await old.aclose()
        over.set()
        await asyncio.gather(*clients)
        assert set(statuses) == {200}
        assert len(statuses) > 50
