"""IngressRouteTCPs and IngressRouteUDPs of a cluster (kubernetes.md §3.5, §3.6)."""

import pytest

from pointsman.testing import build
from pointsman_kubernetes.crd import KubernetesCRDProvider

from .manifests import WEB, cluster
from .secretmanifests import of

MATCH = "HostSNI(`t.org`)"
NAME = "default-db-ab4cc1b474081bafdcdd"
SERVERS = [{"address": "10.42.0.1:8080"}, {"address": "10.42.0.2:8080"}]
ODD = """
apiVersion: v1
kind: Service
metadata: {name: odd}
spec: {clusterIP: 10.43.0.2, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: odd-1, labels: {kubernetes.io/service-name: odd}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.42.0.3], conditions: {ready: false, serving: true, terminating: true}}]
"""


def made(protocol, *manifests, **config):
    outcome = build(KubernetesCRDProvider, config).build(cluster(WEB, *manifests))
    section = outcome.document[protocol]
    return section["routers"], section["services"], [str(problem) for problem in outcome.problems]


def tcp(*services, route=None, tls=None, **config):
    """What a route to these services becomes; numbers of ports may be left out."""
    services = [{"name": "web", "port": 80, **service} for service in services]
    spec = {"routes": [{"match": MATCH, "services": services, **(route or {})}], **({"tls": tls} if tls is not None else {})}
    return made("tcp", of("IngressRouteTCP", "db", spec), **config)


def test_a_route_to_one_service():
    routers, services, problems = tcp({}, tls={}, route={"priority": 7, "syntax": "v2"})

    assert problems == []
    assert routers == {NAME: {"rule": MATCH, "priority": 7, "ruleSyntax": "v2", "tls": {}, "service": NAME}}
    assert services == {NAME: {"loadBalancer": {"servers": SERVERS}}}


def test_what_a_service_says_beside_its_servers():
    service = {"tls": True, "serversTransport": "t", "terminationDelay": 100, "proxyProtocol": {"version": 1}, "weight": 3}
    _, services, _ = tcp(service)
    assert services[NAME]["loadBalancer"] == {
        "servers": [{**server, "tls": True} for server in SERVERS],
        "proxyProtocol": {"version": 1},
        "serversTransport": "default-t",
    }
    assert tcp({"terminationDelay": 100})[1][NAME]["loadBalancer"]["terminationDelay"] == 100


def test_a_route_to_several_services_has_a_choice_by_weight():
    routers, services, problems = tcp({"weight": 3}, {"port": "http"})

    assert problems == []
    assert routers[NAME]["service"] == NAME
    assert services[NAME] == {
        "weighted": {"services": [{"name": f"{NAME}-web-80", "weight": 3}, {"name": f"{NAME}-web-http"}]}
    }
    assert services[f"{NAME}-web-http"] == {"loadBalancer": {"servers": SERVERS}}


def test_a_service_named_twice_is_there_twice():
    _, services, _ = tcp({}, {"tls": True})
    assert [child["name"] for child in services[NAME]["weighted"]["services"]] == [f"{NAME}-web-80", f"{NAME}-web-80-1"]


@pytest.mark.spec("K-43")
def test_of_a_good_service_and_a_missing_one_the_good_one_is_used():
    _, services, problems = tcp({"name": "none"}, {})

    assert services[NAME] == {"weighted": {"services": [{"name": f"{NAME}-web-80"}]}}
    assert problems == ["ingressroutetcp default/db: routes[0]: service default/none: not found"]


@pytest.mark.parametrize("services", [[{"name": "none"}], [{"name": "none"}, {"port": 81}], []])
def test_without_a_service_the_router_names_what_is_not_there(services):
    routers, found, problems = tcp(*services)
    assert NAME in routers
    assert found == {}
    assert len(problems) == max(len(services), 1)


def test_only_ready_endpoints_are_servers():
    route = of("IngressRouteTCP", "db", {"routes": [{"match": MATCH, "services": [{"name": "odd", "port": 80}]}]})
    assert made("tcp", route, ODD)[1] == {}
    assert made("tcp", route, ODD, allowEmptyServices=True)[1] == {NAME: {"loadBalancer": {"servers": []}}}


def test_the_cluster_may_balance_itself():
    native = {"loadBalancer": {"servers": [{"address": "10.43.0.1:80"}]}}
    assert tcp({"nativeLB": True})[1] == {NAME: native}
    assert tcp({}, nativeLBByDefault=True)[1] == {NAME: native}
    assert tcp({"nativeLB": False}, nativeLBByDefault=True)[1] != {NAME: native}


def test_middlewares_and_options_of_the_namespace_and_of_providers():
    routers, _, problems = tcp(
        {}, route={"middlewares": [{"name": "few"}, {"name": "office@file"}]}, tls={"options": {"name": "strict"}}
    )
    assert problems == []
    assert routers[NAME]["middlewares"] == ["default-few", "office@file"]
    assert routers[NAME]["tls"] == {"options": "default-strict"}


@pytest.mark.parametrize(
    ("route", "tls"),
    [
        ({"middlewares": [{"name": "few", "namespace": "other"}]}, None),
        ({"middlewares": ["few"]}, None),
        ({"middlewares": "few"}, None),
        ({"middlewares": [{"name": "other-few@kubernetescrd"}]}, None),
        ({}, {"options": {"name": "strict", "namespace": "other"}}),
        ({}, {"options": {"namespace": "default"}}),
        ({}, {"options": "strict"}),
        ({}, "yes"),
        ({"match": ""}, None),
        ({"match": 7}, None),
        ({"priority": "high"}, None),
    ],
)
def test_a_route_that_refers_to_what_it_may_not_is_left_out_and_the_next_stays(route, tls):
    services = [{"name": "web", "port": 80}]
    spec = {"routes": [{"match": MATCH, "services": services, **route}]}
    good = of("IngressRouteTCP", "good", {"routes": [{"match": MATCH, "services": services}]})
    routers, _, problems = made("tcp", of("IngressRouteTCP", "db", {**spec, **({"tls": tls} if tls else {})}), good)

    assert [name.rsplit("-", 1)[0] for name in routers] == ["default-good"]
    assert len(problems) == 1
    assert problems[0].startswith("ingressroutetcp default/db: routes[0]: ")


def test_a_service_of_another_namespace_may_be_used_when_that_is_allowed():
    elsewhere = WEB.replace("{name: web", "{namespace: other, name: web")
    route = {"routes": [{"match": MATCH, "services": [{"name": "web", "namespace": "other", "port": 80}]}]}
    _, services, problems = made("tcp", of("IngressRouteTCP", "db", route), elsewhere)
    assert services == {}
    assert problems == [
        "ingressroutetcp default/db: routes[0]: service 'web': namespace 'other' is not its own; set allowCrossNamespace to "
        "refer to others"
    ]

    _, services, problems = made("tcp", of("IngressRouteTCP", "db", route), elsewhere, allowCrossNamespace=True)
    assert problems == []
    assert list(services) == [NAME]


def test_a_match_written_twice_is_served_once():
    services = [{"name": "web", "port": 80}]
    both = of("IngressRouteTCP", "db", {"routes": [{"match": MATCH, "services": services}] * 2})
    routers, _, problems = made("tcp", both)
    assert list(routers) == [NAME]
    assert problems == [
        "ingressroutetcp default/db: routes[1]: has the match of another route of this object; set safeNaming, or remove one"
    ]
    assert list(made("tcp", both, safeNaming=True)[0]) == ["default_db_0", "default_db_1"]


@pytest.mark.spec("K-46")
def test_safe_names_cannot_collide():
    routers, services, _ = tcp({}, {}, safeNaming=True)
    assert routers["default_db_0"]["service"] == "default_db_0_wrr"
    assert list(services) == ["default_db_0_wrr_0_default_web_80", "default_db_0_wrr_1_default_web_80", "default_db_0_wrr"]
    assert list(tcp({}, safeNaming=True)[1]) == ["default_db_0_lb"]


@pytest.mark.spec("K-45")
def test_a_route_of_udp_is_called_by_its_place():
    one, two = [{"name": "web", "port": 80}], [{"name": "web", "port": 80, "weight": 2}, {"name": "web", "port": "http"}]
    spec = {"entryPoints": ["dns"], "routes": [{"services": one}, {"services": two}]}
    routers, services, problems = made("udp", of("IngressRouteUDP", "dns", spec))

    assert problems == []
    assert routers == {name: {"entryPoints": ["dns"], "service": name} for name in ("default-dns-0", "default-dns-1")}
    assert services["default-dns-0"] == {"loadBalancer": {"servers": SERVERS}}
    assert services["default-dns-1"] == {
        "weighted": {"services": [{"name": "default-dns-1-web-80", "weight": 2}, {"name": "default-dns-1-web-http"}]}
    }


@pytest.mark.parametrize("kind", ["IngressRouteTCP", "IngressRouteUDP"])
def test_routes_of_another_class_are_not_ours(kind):
    route = {"match": MATCH, "services": [{"name": "web", "port": 80}]}
    protocol = kind[-3:].lower()
    assert made(protocol, of(kind, "x", {"ingressClassName": "other", "routes": [route]})) == ({}, {}, [])
    assert made(protocol, of(kind, "x", {"ingressClassName": "traefik", "routes": [route]}))[0]
    assert made(protocol, of(kind, "x", {"routes": [route]}), ingressClass="other")[0] == {}


@pytest.mark.parametrize("spec", ["x", {"routes": "x"}, {"routes": ["x"]}, {"routes": [{"services": "x", "match": 1}]}])
@pytest.mark.parametrize("kind", ["IngressRouteTCP", "IngressRouteUDP"])
def test_what_is_no_spec_takes_nothing_else_with_it(kind, spec):
    good = of("IngressRouteTCP", "db", {"routes": [{"match": MATCH, "services": [{"name": "web", "port": 80}]}]})
    assert NAME in made("tcp", of(kind, "a", spec), good)[0]
