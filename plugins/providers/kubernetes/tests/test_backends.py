"""From Services to servers (kubernetes.md §1.3), also where objects are odd."""

import pytest

from pointsman_kubernetes.backends import Allowed, Unservable, find
from pointsman_kubernetes.kinds import ENDPOINT_SLICE, INGRESS, NODE, SERVICE
from pointsman_kubernetes.objects import NOT_WATCHED, Objects, born, key_of

from .manifests import WEB, cluster

ALL = Allowed(external_names=True)
SERVICES = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  clusterIP: "fd00::1"
  ports: [{name: http, port: 80, nodePort: 30080}, {name: https-x, port: 8443}, {name: tls, port: 443}]
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: away}
spec: {type: ExternalName, externalName: shop.example, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: bad-away}
spec: {type: ExternalName, externalName: "shop.example/x@evil", ports: [{port: 80}]}
"""
NODES = """
apiVersion: v1
kind: Node
metadata: {name: one}
status:
  addresses:
  - {type: Hostname, address: one}
  - {type: InternalIP, address: 192.0.2.1}
  - {type: InternalIP, address: "2001:db8::1"}
---
apiVersion: v1
kind: Node
metadata: {name: two}
status: {addresses: [{type: InternalIP, address: 192.0.2.2}, {type: ExternalIP, address: 198.51.100.2}]}
"""


def a_slice(name, *endpoints, ports=({"name": "http", "port": 8080},), kind="IPv4", born="2026-01-01T00:00:00Z"):
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "web"},
            "creationTimestamp": born,
        },
        "addressType": kind,
        "ports": list(ports),
        "endpoints": list(endpoints),
    }


def an_endpoint(*addresses, **conditions):
    return {"addresses": list(addresses), "conditions": conditions}


def with_slices(*slices):
    web = {"metadata": {"name": "web", "namespace": "default"}, "spec": {"ports": [{"name": "http", "port": 80}]}}
    return Objects({SERVICE: [web], ENDPOINT_SLICE: slices})


def servers(objects, name="web", port=80, scheme="", allowed=ALL, **how):
    return find(objects, "default", name, port, allowed, **how).servers(scheme)


def addresses(objects, **how):
    return [str(each) for each in find(objects, "default", "web", 80, ALL, **how).addresses]


def refused(objects, name="web", port=80, allowed=ALL, namespace="default", **how):
    with pytest.raises(Unservable) as caught:
        find(objects, namespace, name, port, allowed, **how)
    return str(caught.value)


@pytest.mark.parametrize("port", [80, "http"])
def test_a_port_is_found_by_number_and_by_name(port):
    assert servers(cluster(WEB), port=port) == [{"url": "http://10.42.0.1:8080"}, {"url": "http://10.42.0.2:8080"}]


@pytest.mark.parametrize(
    ("port", "said"),
    [
        (81, "service default/web: has no port 81; it has 80 (http)"),
        ("80", "service default/web: has no port '80'; it has 80 (http)"),
        ("", "service default/web: no port was named; it has 80 (http)"),
        (None, "service default/web: no port was named; it has 80 (http)"),
        (0, "service default/web: no port was named; it has 80 (http)"),
        (True, "service default/web: has no port True; it has 80 (http)"),
    ],
)
def test_a_port_that_is_not_there_is_told_with_those_that_are(port, said):
    assert refused(cluster(WEB), port=port) == said


def test_a_service_that_is_not_there_or_not_watched_is_told():
    assert refused(cluster(WEB), "nope") == "service default/nope: not found"
    told = refused(cluster(WEB, namespaces=["other"]))
    assert told == f"service default/web: {NOT_WATCHED}"


def test_slices_come_in_the_order_in_which_they_were_made_and_addresses_once():
    objects = with_slices(
        a_slice("b", an_endpoint("10.0.0.3"), an_endpoint("10.0.0.1"), born="2026-01-01T00:00:02Z"),
        a_slice("a", an_endpoint("10.0.0.4"), born="2026-01-01T00:00:02Z"),
        a_slice("z", an_endpoint("10.0.0.1", "10.0.0.2"), born="2026-01-01T00:00:01Z"),
        a_slice("v6", an_endpoint("2001:db8::7"), kind="IPv6", born="2026-01-01T00:00:03Z"),
    )

    assert addresses(objects) == [
        f"{host}:8080" for host in ("10.0.0.1", "10.0.0.2", "10.0.0.4", "10.0.0.3", "[2001:db8::7]")
    ]


def test_one_address_may_serve_on_several_ports():
    objects = with_slices(
        a_slice("a", an_endpoint("10.0.0.1")),
        a_slice("b", an_endpoint("10.0.0.1"), ports=[{"name": "http", "port": 9}]),
    )

    assert addresses(objects) == ["10.0.0.1:8080", "10.0.0.1:9"]


def test_a_slice_without_the_port_of_that_name_is_passed_over():
    objects = with_slices(
        a_slice("a", an_endpoint("10.0.0.1"), ports=[{"name": "other", "port": 1}]),
        a_slice("b", an_endpoint("10.0.0.2"), ports=[{"name": "other", "port": 1}, {"name": "http", "port": 9}]),
    )

    assert addresses(objects) == ["10.0.0.2:9"]


@pytest.mark.spec("K-11", "K-12")
@pytest.mark.parametrize(
    ("conditions", "serving", "ready"),
    [
        ({}, True, True),
        ({"ready": True}, True, True),
        ({"ready": False}, False, False),
        ({"ready": False, "serving": True}, True, False),
        ({"ready": True, "serving": False}, False, True),
        ({"ready": False, "serving": True, "terminating": True}, "fenced", False),
        ({"ready": False, "serving": False, "terminating": True}, False, False),
        ({"ready": True, "serving": True, "terminating": True}, "fenced", True),
        ({"ready": None, "serving": None, "terminating": None}, True, True),
    ],
)
def test_which_endpoints_count(conditions, serving, ready):
    objects = with_slices(a_slice("a", an_endpoint("10.0.0.1", **conditions)))
    url = "http://10.0.0.1:8080"
    expected = {True: [{"url": url}], "fenced": [{"url": url, "fenced": True}], False: []}

    assert servers(objects) == expected[serving]
    assert servers(objects, which="ready") == expected[ready]


@pytest.mark.spec("K-16")
@pytest.mark.parametrize(
    ("port", "explicit", "url"),
    [
        (80, "", "http://[fd00::1]:80"),
        (443, "", "https://[fd00::1]:443"),
        ("https-x", "", "https://[fd00::1]:8443"),
        (443, "http", "http://[fd00::1]:443"),
        (80, "h2c", "h2c://[fd00::1]:80"),
    ],
)
def test_the_scheme_is_said_or_follows_from_the_port(port, explicit, url):
    assert servers(cluster(SERVICES), port=port, scheme=explicit, native=True) == [{"url": url}]


def test_native_balancing_needs_a_cluster_ip():
    assert refused(cluster(SERVICES), "headless", native=True) == (
        "service default/headless: has no cluster IP, so nativeLB cannot be used"
    )


@pytest.mark.spec("K-15")
def test_node_ports_are_served_by_all_addresses_of_all_nodes():
    found = find(cluster(SERVICES, NODES), "default", "web", 80, ALL, node_port=True)

    assert [str(each) for each in found.addresses] == ["192.0.2.1:30080", "[2001:db8::1]:30080", "192.0.2.2:30080"]


def test_without_nodes_or_a_node_port_there_are_no_servers():
    assert "no node has an InternalIP" in refused(cluster(SERVICES), node_port=True)
    assert "port 443 has no nodePort" in refused(cluster(SERVICES, NODES), port=443, node_port=True)
    told = refused(cluster(SERVICES, NODES), allowed=Allowed(nodes=False), node_port=True)
    assert told == "service default/web: nodePortLB needs nodes, which disableClusterScopeResources leaves out"


def test_node_ports_are_for_services_of_that_type_only():
    assert servers(cluster(WEB, NODES), node_port=True)[0] == {"url": "http://10.42.0.1:8080"}


@pytest.mark.spec("K-13")
def test_external_names_are_served_if_that_is_allowed():
    objects = cluster(SERVICES)

    assert servers(objects, "away", "http") == [{"url": "http://shop.example:8080"}]
    assert servers(objects, "away", 443) == [{"url": "https://shop.example:443"}]
    assert "set allowExternalNameServices" in refused(objects, "away", allowed=Allowed())
    assert "has no port 'x'" in refused(objects, "away", "x")
    assert "no port was named" in refused(objects, "away", None)
    assert "has no port 65536" in refused(objects, "away", 65536)


def test_an_external_name_that_would_say_more_in_a_url_is_refused():
    assert refused(cluster(SERVICES), "bad-away") == "service default/bad-away: its externalName is no name of a host"


@pytest.mark.parametrize(
    "piece",
    [
        {"endpoints": 5, "ports": 5},
        a_slice("a", "x", 7, None),
        a_slice("a", {"addresses": 5}, {"addresses": "10.0.0.1"}, {"addresses": [5, None, ["x"]], "conditions": 3}),
        a_slice("a", an_endpoint("10.0.0.1/x", "fe80::1%eth0", "")),
        a_slice("a", an_endpoint("a b", "a@b", "a:1", "-a"), kind="FQDN"),
        *[
            a_slice("a", an_endpoint("10.0.0.1"), ports=[{"name": "http", "port": port}])
            for port in (0, 65536, "x", None, True)
        ],
        a_slice("a", an_endpoint("10.0.0.1"), ports=["x", None]),
    ],
)
def test_odd_slices_have_no_addresses(piece):
    labels = {"name": "a", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}}

    assert addresses(with_slices({"metadata": labels, **piece})) == []


@pytest.mark.parametrize(
    "spec",
    [
        None,
        5,
        {"ports": 5},
        {"ports": [5, None]},
        {"ports": [{"port": None}, {"port": "80"}, {"name": "http"}, {"port": True}]},
    ],
)
@pytest.mark.parametrize("how", [{}, {"native": True}, {"node_port": True}])
def test_odd_services_have_no_ports(spec, how):
    objects = Objects({SERVICE: [{"metadata": {"name": "web", "namespace": "default"}, "spec": spec}]})

    for port in (80, "http", None):
        assert "it has none" in refused(objects, port=port, **how)


def test_odd_nodes_have_no_addresses():
    nodes = [
        5,
        {"status": 5},
        {"status": {"addresses": [5, {"type": "InternalIP"}, {"type": "InternalIP", "address": "a/b"}]}},
    ]
    services = cluster(SERVICES).all(SERVICE)

    assert "no node has an InternalIP" in refused(Objects({SERVICE: services, NODE: nodes}), node_port=True)


def test_a_host_of_a_slice_may_be_a_name():
    assert addresses(with_slices(a_slice("a", an_endpoint("a-1.example."), kind="FQDN"))) == ["a-1.example.:8080"]


def test_objects_are_by_namespace_and_name_whatever_they_are():
    named = [{"metadata": {"namespace": space, "name": name}} for space, name in (("b", "a"), ("a", "b"), ("a", "a"))]
    objects = Objects({INGRESS: [*named, 5, {}, {"metadata": 3}]}, ["a"], {NODE: "forbidden"})

    assert [key_of(each) for each in objects.all(INGRESS)] == ["", "a/a", "a/b", "b/a"]
    assert objects.get(INGRESS, "b", "a") is named[1]
    assert objects.get(INGRESS, "b", "c") is None
    assert objects.all(SERVICE) == []
    assert (objects.watches("a"), objects.watches("b")) == (True, False)
    assert Objects({}).watches("b")
    assert objects.missing == {NODE: "forbidden"}


def test_the_oldest_comes_first_and_then_the_name():
    def made(name, when):
        return {"metadata": {"name": name, "namespace": "x", "creationTimestamp": when}}

    things = [made("a", "2026-01-02T00:00:00Z"), made("c", "2026-01-01T00:00:00Z"), made("b", "2026-01-01T00:00:00Z")]

    assert [each["metadata"]["name"] for each in sorted(things, key=born)] == ["b", "c", "a"]
