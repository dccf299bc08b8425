"""GRPCRoutes, TLSRoutes, TCPRoutes, BackendTLSPolicies and Ingresses of Knative, from the API server to the wire."""

import asyncio
import base64
import json
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest
import pytest_asyncio
import trustme
from attrs import frozen

from pointsman.testing import Gateway, Upstream, answer, connect, eventually, free_port, gateway, upstream
from pointsman_kubernetes.kinds import BACKEND_TLS_POLICY, KNATIVE_INGRESS, Kind
from tests.e2e.stage import started

from .kubernetes_server import KubernetesServer, kubernetes_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS, THEIRS, OTHER = trustme.CA(), trustme.CA(), trustme.CA()
SOON = 5


@frozen
class Stage:
    front: Gateway
    cluster: KubernetesServer
    plain: Upstream
    secure: Upstream


def context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(made)
    return made


def service(name: str, port: int) -> str:
    """A Service whose only pod listens on that port of this machine."""
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{clusterIP: 127.0.0.1, ports: [{{name: main, port: {port}, protocol: TCP}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: main, port: {port}}}]
endpoints: [{{addresses: [127.0.0.1], conditions: {{ready: true}}}}]
---
"""


def route(kind: str, name: str, spec: str, *, version: str = "v1") -> str:
    return f"""
apiVersion: gateway.networking.k8s.io/{version}
kind: {kind}
metadata: {{name: {name}}}
spec: {{parentRefs: [{{name: gw}}], {spec}}}
---
"""


def to(name: str, port: int) -> str:
    return f"backendRefs: [{{name: {name}, port: {port}}}]"


def policy(name: str, target: str, authority: str, born: str = "2026-01-01") -> str:
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: {name}, creationTimestamp: "{born}T00:00:00Z"}}
spec:
  targetRefs: [{{group: "", kind: Service, name: {target}}}]
  validation: {{hostname: pod.test, caCertificateRefs: [{{group: "", kind: ConfigMap, name: {authority}}}]}}
---
"""


def authority(name: str, made: trustme.CA) -> str:
    text = json.dumps(made.cert_pem.bytes().decode())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{ca.crt: {text}}}\n---\n"


def pair(name: str) -> str:
    issued = OURS.issue_cert("t.test")
    data = {"tls.crt": issued.cert_chain_pems[0].bytes(), "tls.key": issued.private_key_pem.bytes()}
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded}) + "\n---\n"


def split(name: str, port: int, revision: str) -> str:
    target = f"serviceName: {name}, serviceNamespace: default, servicePort: {port}"
    return f"{{{target}, percent: 50, appendHeaders: {{X-Revision: {revision}}}}}"


def manifests(ports: dict[str, int], grpc_port: int, plain: Upstream, secure: Upstream) -> str:
    named = dict.fromkeys(("split-a", "split-b"), plain.port)
    by_policy = {"good": "theirs", "bad": "other", "closed": "missing"}
    return (
        f"""
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: c}}
spec: {{controllerName: traefik.io/gateway-controller}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: gw}}
spec:
  gatewayClassName: c
  listeners:
  - {{name: web, port: {ports["web"]}, protocol: HTTP}}
  - {{name: pass, port: {ports["pass"]}, protocol: TLS, tls: {{mode: Passthrough}}}}
  - {{name: term, port: {ports["term"]}, protocol: TLS, tls: {{mode: Terminate, certificateRefs: [{{name: cert}}]}}}}
  - {{name: tcp, port: {ports["tcp"]}, protocol: TCP}}
---
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata:
  name: k
  annotations: {{networking.knative.dev/ingress.class: traefik.ingress.networking.knative.dev}}
spec:
  rules:
  - hosts: [k.test]
    http:
      paths:
      - splits: [{split("split-a", plain.port, "a")}, {split("split-b", plain.port, "b")}]
---
"""
        + "".join(service(name, port) for name, port in named.items())
        + service("calls", grpc_port)
        + service("plain", plain.port)
        + "".join(service(name, secure.port) for name in by_policy)
        + "".join(policy(f"for-{name}", name, by) for name, by in by_policy.items())
        + policy("young", "good", "other", "2026-02-01")
        + authority("theirs", THEIRS)
        + authority("other", OTHER)
        + pair("cert")
        + route(
            "GRPCRoute",
            "g",
            f"""hostnames: [g.test], rules: [
              {{matches: [{{method: {{service: shop.Shop, method: Get}}}}], {to("calls", grpc_port)}}},
              {{matches: [{{method: {{service: shop.Gone}}}}], {to("gone", 1)}}}]""",
        )
        + "".join(
            route("HTTPRoute", name, f"hostnames: [{name}.test], rules: [{{{to(name, secure.port)}}}]") for name in by_policy
        )
        + route("TLSRoute", "t", f"hostnames: [t.test], rules: [{{{to('good', secure.port)}}}]")
        + route("TCPRoute", "c", f"rules: [{{{to('plain', plain.port)}}}]", version="v1alpha2")
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> Any:
    calls = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(lambda request, call: request[::-1])
    methods = {"Get": handler, "GetAll": handler}
    calls.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", methods),))
    grpc_port = calls.add_insecure_port("127.0.0.1:0")
    calls.start()
    ports = {name: free_port() for name in ("web", "pass", "term", "tcp")}
    async with AsyncExitStack() as stack:
        stack.callback(lambda: calls.stop(None).wait())
        plain = await stack.enter_async_context(upstream(answer(200, {}, b"plain")))
        secure = await stack.enter_async_context(upstream(answer(200, {}, b"secure"), tls=context(THEIRS, "pod.test")))
        cluster = stack.enter_context(kubernetes_server(manifests(ports, grpc_port, plain, secure)))
        static = {
            "entryPoints": {name: {"address": f"127.0.0.1:{port}"} for name, port in ports.items()},
            "experimental": {"knative": True},
            "providers": {
                "kubernetesGateway": {"endpoint": cluster.url, "experimentalChannel": True},
                "knative": {"endpoint": cluster.url, "publicEntrypoints": ["web"]},
            },
        }
        front = await started(stack, lambda: gateway({}, static))
        for host in ("good.test", "k.test"):
            await eventually(lambda host=host: _answers(front, host), f"{host} is served")
        yield Stage(front, cluster, plain, secure)


async def _answers(front: Gateway, host: str) -> bool:
    async with connect(front.port()) as client:
        return (await client.get("/", host)).status != 404


async def status(stage: Stage, host: str) -> int:
    async with connect(stage.front.port()) as client:
        return (await client.get("/", host)).status


@pytest.mark.spec("K-61")
async def test_only_the_method_that_is_named_is_routed_and_errors_are_grpcs(stage: Stage):
    options = [("grpc.default_authority", "g.test")]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{stage.front.port()}", options) as channel:
        assert await channel.unary_unary("/shop.Shop/Get")(b"abc", timeout=SOON) == b"cba"
        for method, code in (
            ("/shop.Shop/GetAll", grpc.StatusCode.UNIMPLEMENTED),
            ("/x/shop.Shop/Get", grpc.StatusCode.UNIMPLEMENTED),
            ("/shop.Gone/Get", grpc.StatusCode.UNAVAILABLE),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await channel.unary_unary(method)(b"abc", timeout=SOON)
            assert error.value.code() == code, method
            if code == grpc.StatusCode.UNAVAILABLE:
                assert error.value.details() == "Service Unavailable"


async def handshake(port: int, trusted: trustme.CA, name: str, *protocols: str, proven: str = "") -> bytes:
    """The answer to a request over TLS; the server is called `name`, and proves to be `proven`."""
    trust = ssl.create_default_context()
    trusted.configure_trust(trust)
    trust.check_hostname = not proven
    if protocols:
        trust.set_alpn_protocols(protocols)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=name)
    try:
        if proven:
            certificate: Any = writer.get_extra_info("peercert")
            assert ("DNS", proven) in certificate["subjectAltName"]
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return await asyncio.wait_for(reader.read(), SOON)
    finally:
        writer.close()


@pytest.mark.spec("K-62")
async def test_a_passed_on_connection_shows_the_servers_own_certificate(stage: Stage):
    assert b"secure" in await handshake(stage.front.port("pass"), THEIRS, "t.test", proven="pod.test")


@pytest.mark.spec("K-62")
@pytest.mark.parametrize("protocols", [(), ("h2", "http/1.1")], ids=["without-alpn", "as-browsers"])
@pytest.mark.parametrize("point", ["pass", "term"])
async def test_connections_for_unknown_names_are_closed(stage: Stage, point: str, protocols: tuple[str, ...]):
    with pytest.raises((ssl.SSLError, ConnectionError)) as error:
        await handshake(stage.front.port(point), OURS, "unknown.test", *protocols)
    assert not isinstance(error.value, ssl.SSLCertVerificationError)


async def test_where_tls_ends_here_it_begins_anew_to_a_server_that_has_a_policy(stage: Stage):
    assert b"secure" in await handshake(stage.front.port("term"), OURS, "t.test")


async def test_a_tcp_route_takes_every_connection(stage: Stage):
    async with connect(stage.front.port("tcp")) as client:
        assert (await client.get("/", "whatever")).body == b"plain"


@pytest.mark.spec("K-63")
async def test_servers_with_a_policy_are_verified_against_its_ca_and_called_by_its_name(stage: Stage):
    assert await status(stage, "good.test") == 200
    assert await status(stage, "bad.test") == 502
    before = stage.secure.connections
    assert await status(stage, "closed.test") == 500
    assert stage.secure.connections == before


@pytest.mark.spec("K-63")
async def test_policies_and_ingresses_are_told_what_became_of_them(stage: Stage):
    def reasons(kind: Kind, name: str) -> dict[str, tuple[str, str]]:
        told = stage.cluster.get(kind, name).get("status", {})
        found = [*told.get("conditions", []), *(each for one in told.get("ancestors", []) for each in one["conditions"])]
        return {each["type"]: (each["status"], each.get("reason", "")) for each in found}

    await eventually(lambda: reasons(KNATIVE_INGRESS, "k").get("Ready") == ("True", ""), "the ingress is ready")
    for name, told in {
        "for-good": ("True", "Accepted"),
        "young": ("False", "Conflicted"),
        "for-closed": ("False", "NoValidCACertificate"),
    }.items():
        what = f"{name} is told {told}"
        await eventually(lambda name=name, told=told: reasons(BACKEND_TLS_POLICY, name).get("Accepted") == told, what)


async def test_splits_of_knative_share_out_requests_each_with_its_headers(stage: Stage):
    stage.plain.requests.clear()
    for _ in range(4):
        assert await status(stage, "k.test") == 200
    assert sorted(request.get("x-revision") for request in stage.plain.requests) == ["a", "a", "b", "b"]
