"""Tenants of a cluster who mean harm, and API servers on a bad day: nobody else is worse off."""

import json

import pytest

from pointsman.cli import main
from pointsman.control.context import Context
from pointsman.plugins import load_registry
from pointsman.testing import build
from pointsman_kubernetes.crd import KubernetesCRDProvider
from pointsman_kubernetes.kinds import (
    ENDPOINT_SLICE,
    INGRESS,
    INGRESS_ROUTE,
    INGRESS_ROUTE_UDP,
    MIDDLEWARE,
    SERVICE,
)
from pointsman_kubernetes.nginx import KubernetesIngressNGINXProvider
from pointsman_kubernetes.objects import Objects
from pointsman_kubernetes.reading import DEEPEST, read

REGISTRY = load_registry()


def thing(name, namespace="default", **parts):
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": parts.pop("born", "2026-01-01T00:00:00Z")}
    return {"metadata": {**metadata, **parts.pop("metadata", {})}, **parts}


def served(namespace, ip, protocol="TCP"):
    ports = [{"name": "p", "port": 80, "protocol": protocol}]
    labels = {"labels": {"kubernetes.io/service-name": "web"}}
    return (
        thing("web", namespace, spec={"ports": ports}),
        thing(
            "web-1",
            namespace,
            metadata=labels,
            addressType="FQDN" if ip == "localhost" else "IPv4",
            ports=ports,
            endpoints=[{"addresses": [ip]}],
        ),
    )


def built(found, **config):
    pairs = [served("a", "10.0.0.1"), served("a-b", "10.0.0.2"), served("default", "10.0.0.3")]
    known = {SERVICE: [each for each, _ in pairs], ENDPOINT_SLICE: [each for _, each in pairs], **found}
    return build(KubernetesCRDProvider, config).build(Objects(known))


def test_an_annotation_beyond_all_numbers_closes_its_own_ingress_alone():
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}

    def ingress(name, **annotations):
        notes = {f"nginx.ingress.kubernetes.io/{key}": value for key, value in annotations.items()}
        notes["kubernetes.io/ingress.class"] = "nginx"
        rules = [{"host": f"{name}.test", "http": {"paths": [path]}}]
        return thing(name, metadata={"annotations": notes}, spec={"rules": rules})

    service, piece = served("default", "10.0.0.3")
    ingresses = [ingress("odd", **{"proxy-read-timeout": "9" * 17, "proxy-buffering": "on"}), ingress("good")]
    context = Context("x", REGISTRY.middlewares, REGISTRY.tcp_middlewares)
    provider = KubernetesIngressNGINXProvider(KubernetesIngressNGINXProvider.Config(), context)
    outcome = provider.build(Objects({INGRESS: ingresses, SERVICE: [service], ENDPOINT_SLICE: [piece]}))

    assert context.shape.check(outcome.document).accepted
    assert outcome.document["http"]["services"].keys() >= {"default-good-web-80"}
    assert "default-odd-web-80" not in outcome.document["http"]["services"]
    assert any("default-odd-web-80" in str(problem) for problem in outcome.problems)


def test_names_in_slices_are_external_names():
    service, piece = served("default", "localhost")
    route = thing("r", spec={"routes": [{"match": "Path(`/`)", "services": [{"name": "web", "port": 80}]}]})
    found = {SERVICE: [service], ENDPOINT_SLICE: [piece], INGRESS_ROUTE: [route]}

    assert not built(found).document["http"]["routers"]
    assert built(found, allowExternalNameServices=True).document["http"]["routers"]


@pytest.mark.parametrize("kind", ["authTLSPassCertificateToUpstream", "authtlspasscertificatetoupstream"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_no_middleware_reads_authorities_from_files(kind, wrapped):
    options = {"caFiles": ["/etc/hostname"], "clientAuthType": "RequestClientCert"}
    spec = {"plugin": {kind: options}} if wrapped else {kind: options}
    outcome = built({MIDDLEWARE: [thing("m", spec=spec)]})

    assert outcome.document["http"]["middlewares"] == {}
    assert len(outcome.problems) == 1


def test_a_route_of_udp_takes_no_older_ones_place():
    def route(name, namespace, born, count=1):
        return thing(name, namespace, born=born, spec={"routes": [{"services": [{"name": "web", "port": 80}] * count}]})

    old, new = route("c", "a-b", "2025-01-01T00:00:00Z"), route("b-c", "a", "2026-01-01T00:00:00Z")
    outcome = built({INGRESS_ROUTE_UDP: [new, old]})

    udp = outcome.document["udp"]
    assert udp["services"][udp["routers"]["a-b-c-0"]["service"]]["loadBalancer"]["servers"] == [{"address": "10.0.0.2:80"}]
    assert [str(problem).split(":")[0] for problem in outcome.problems] == ["ingressrouteudp a/b-c"]


def test_services_of_udp_take_no_older_ones_place():
    both = [{"name": "web", "port": 80}] * 2
    old = thing("c", "a-b", born="2025-01-01T00:00:00Z", spec={"routes": [{"services": both}]})
    many = [{}] * 80 + [{"services": both[:1]}]
    udp = built({INGRESS_ROUTE_UDP: [old, thing("b-c-0-web", "a", spec={"routes": many})]}).document["udp"]

    assert udp["services"]["a-b-c-0-web-80"]["loadBalancer"]["servers"] == [{"address": "10.0.0.2:80"}]
    taken = udp["routers"]["a-b-c-0-web-80"]["service"]
    assert udp["services"][taken]["loadBalancer"]["servers"] == [{"address": "10.0.0.1:80"}]


def test_nobody_is_below_a_router_of_another_namespace_that_has_the_same_name():
    top = {"routes": [{"match": "Path(`/`)"}]}
    below = {"parentRefs": [{"name": "b-c"}], "routes": [{"match": "Path(`/x`)", "services": [{"name": "web", "port": 80}]}]}
    theirs, mine = thing("c", "a-b", born="2025-01-01T00:00:00Z", spec=top), thing("b-c", "a", spec=top)
    outcome = built({INGRESS_ROUTE: [thing("child", "a", born="2024-01-01T00:00:00Z", spec=below), theirs, mine]})

    assert [router["rule"] for router in outcome.document["http"]["routers"].values()] == ["Path(`/`)"]
    assert any("none of its parents" in str(problem) for problem in outcome.problems)


def test_what_is_nested_too_deeply_is_cut_off():
    deep = b'{"a":' * 3000 + b'"}]"' + b"}" * 3000
    found = read(b'[{"x":"\\"[{"},' + deep + b',{"y":[1,"]"]}]')

    assert (found[0], found[2]) == ({"x": '"[{'}, {"y": [1, "]"]})
    inner, depth = found[1], 1
    while inner is not None:
        inner, depth = inner["a"], depth + 1
    assert depth == DEEPEST
    for text in (b'{"a":' * 3000, b'{"a":' * 3000 + b"}" * 2999, b"]" * 3000):
        with pytest.raises(ValueError, match=r"."):
            read(text)


@pytest.mark.parametrize("kind", ["middlewares", "services"])
def test_what_doubles_or_goes_too_deep_is_refused_alone(kind, tmp_path, capsys):
    """Two dozen small objects could be millions of instances."""
    elements = {f"{kind}{i}": {"chain": {"middlewares": [f"{kind}{i + 1}"] * 2}} for i in range(15)}
    if kind == "services":
        elements = {f"{kind}{i}": {"weighted": {"services": [{"name": f"{kind}{i + 1}"}]}} for i in range(3000)}
    here = {"rule": "Path(`/`)", "service": "good"}
    bad = {"service": "services0"} if kind == "services" else {"middlewares": ["middlewares0"]}
    good = {"good": {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1"}]}}}
    http = {
        "routers": {"bad": {**here, **bad}, "good": here},
        "services": good,
        "middlewares": {"middlewares15": {"compress": {}}},
    }
    http[kind] = {**http[kind], **elements}
    file = tmp_path / "dynamic.yml"
    file.write_text(json.dumps({"http": http}))

    assert main(["check", str(file)]) == 1
    assert "1 of 2 routers can be served" in capsys.readouterr().err
