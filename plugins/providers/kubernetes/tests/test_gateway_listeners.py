"""Which Gateways are served, and what their listeners are told (kubernetes.md §4.2, §4.3)."""

import base64

import pytest

from pointsman import ListeningPoint
from pointsman.errors import ConfigError
from pointsman.testing import FakeContext, build
from pointsman_kubernetes.gateway.provider import KubernetesGateway

from .certificates import PAIR, SECOND
from .gatewayobjects import CLASS, GATEWAY, POINTS, gateway, listener, made, parent, reasons, route, routers, status_of

GOOD = ("True", "Accepted")
HTTPS = "{name: http, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: pair%s}]}}"
ANY = "rules: [{backendRefs: [{name: web, port: 80}]}]"
GRANT = """
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: g, namespace: %s}
spec:
  from: [{group: gateway.networking.k8s.io, kind: %s, namespace: default}]
  to: [{group: "", kind: %s%s}]
---
"""


def secret(certificate, key, namespace="default"):
    data = {name: base64.b64encode(value.encode()).decode() for name, value in (("tls.crt", certificate), ("tls.key", key))}
    return f"""
apiVersion: v1
kind: Secret
metadata: {{name: pair, namespace: {namespace}}}
type: kubernetes.io/tls
data: {{tls.crt: "{data["tls.crt"]}", tls.key: "{data["tls.key"]}"}}
---
"""


@pytest.mark.spec("K-48")
def test_a_class_of_ours_is_accepted_with_what_can_be_done_and_others_are_left_alone():
    outcome = made(GATEWAY, CLASS.replace("name: ours", "name: theirs").replace("traefik.io/", "another.example/"))
    status = status_of(outcome, "GatewayClass", "ours")
    assert reasons(status["conditions"]) == {"Accepted": ("True", "Handled")}
    features = [each["name"] for each in status["supportedFeatures"]]
    assert features == sorted(features)
    assert {"HTTPRoute", "HTTPRouteRequestMirror", "HTTPRouteRequestTimeout", "HTTPRouteCORS"} <= set(features)
    with pytest.raises(KeyError):
        status_of(outcome, "GatewayClass", "theirs")


def test_a_gateway_whose_listeners_are_fine_is_programmed():
    status = status_of(made(GATEWAY), "Gateway", "gw")
    assert reasons(status["conditions"]) == {"Accepted": GOOD, "Programmed": ("True", "Programmed")}
    (only,) = status["listeners"]
    assert [kind["kind"] for kind in only["supportedKinds"]] == ["HTTPRoute", "GRPCRoute"]
    assert {each["observedGeneration"] for each in only["conditions"]} == {3}


@pytest.mark.spec("K-49")
def test_a_port_without_entry_point_and_a_second_listener_of_the_same_kind_are_refused():
    listeners = """{name: http, port: 80, protocol: HTTP}, {name: twin, port: 80, protocol: HTTP},
      {name: other, port: 80, protocol: HTTP, hostname: a.org}, {name: nowhere, port: 81, protocol: HTTP}"""
    outcome = made(gateway(listeners), route(ANY))
    assert listener(outcome, "nowhere")["Accepted"] == ("False", "PortUnavailable")
    assert listener(outcome, "twin")["Conflicted"] == ("True", "DuplicateListener")
    assert listener(outcome, "other")["Accepted"] == GOOD
    gateway_conditions = reasons(status_of(outcome, "Gateway", "gw")["conditions"])
    assert gateway_conditions == {"Accepted": ("True", "ListenersNotValid"), "Programmed": ("True", "Programmed")}
    assert parent(outcome)["Accepted"] == GOOD
    assert "entry points are on 80 (web), 443 (websecure)" in str(outcome.problems)


def test_a_gateway_without_any_good_listener_is_not_accepted():
    outcome = made(gateway("{name: http, port: 81, protocol: HTTP}"), route(ANY))
    conditions = reasons(status_of(outcome, "Gateway", "gw")["conditions"])
    assert conditions == {"Accepted": ("False", "ListenersNotValid"), "Programmed": ("False", "Invalid")}
    assert parent(outcome)["Accepted"] == ("False", "NotAllowedByListeners")
    assert not routers(outcome)


def test_an_entry_point_that_is_all_for_tls_takes_no_plain_listener():
    points = (ListeningPoint("web", 80, "tcp", tls=True), ListeningPoint("dns", 443, "udp"))
    assert listener(made(GATEWAY, points=points))["Accepted"] == ("False", "PortUnavailable")
    assert listener(made(gateway(HTTPS % ""), points=points))["Accepted"] == ("False", "PortUnavailable")


@pytest.mark.parametrize(
    ("spec", "kind", "expected"),
    [
        ("protocol: UDP", "Accepted", ("False", "UnsupportedProtocol")),
        ("protocol: TCP", "Conflicted", ("True", "ProtocolConflict")),
        ("protocol: HTTP, tls: {}", "Accepted", ("False", "InvalidTLSConfiguration")),
        ("protocol: HTTPS", "Accepted", ("False", "InvalidTLSConfiguration")),
        ("protocol: HTTPS, tls: {mode: Passthrough}", "Accepted", ("False", "UnsupportedProtocol")),
        ("protocol: HTTPS, tls: {}", "ResolvedRefs", ("False", "InvalidCertificateRef")),
        ("protocol: HTTPS, tls: {certificateRefs: [{name: none}]}", "ResolvedRefs", ("False", "InvalidCertificateRef")),
        ("protocol: HTTPS, tls: {certificateRefs: [{name: none}]}", "Programmed", ("False", "Invalid")),
        (
            "protocol: HTTPS, tls: {certificateRefs: [{kind: ConfigMap, name: x}]}",
            "ResolvedRefs",
            ("False", "InvalidCertificateRef"),
        ),
        ("protocol: HTTP, allowedRoutes: {kinds: [{kind: TLSRoute}]}", "ResolvedRefs", ("False", "InvalidRouteKinds")),
        (
            "protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {matchExpressions: [{key: a}]}}}",
            "ResolvedRefs",
            ("False", "InvalidRouteNamespacesSelector"),
        ),
    ],
)
def test_what_is_wrong_with_a_listener_is_said_by_its_conditions(spec, kind, expected):
    outcome = made(gateway(f"{{name: http, port: 443, {spec}}}"))
    assert listener(outcome)[kind] == expected
    assert any("listener http" in problem.message for problem in outcome.problems)


def test_tls_listeners_pass_through_or_end_tls_and_tcp_ones_need_the_experimental_channel():
    listeners = """{name: pass, port: 443, protocol: TLS, tls: {mode: Passthrough}},
      {name: end, port: 443, protocol: TLS, hostname: a.org, tls: {certificateRefs: [{name: pair}]}},
      {name: tcp, port: 80, protocol: TCP}"""
    outcome = made(gateway(listeners), secret(*PAIR), options={"experimentalChannel": True})
    assert all(listener(outcome, name)["Accepted"] == GOOD for name in ("pass", "end", "tcp"))
    kinds = {each["name"]: each["supportedKinds"] for each in status_of(outcome, "Gateway", "gw")["listeners"]}
    assert [kind["kind"] for kind in kinds["tcp"] + kinds["pass"]] == ["TCPRoute", "TLSRoute"]


def test_the_certificate_of_a_listener_is_served_and_its_routers_are_for_tls():
    outcome = made(gateway(HTTPS % ""), secret(*PAIR), route(ANY))
    assert outcome.document["tls"]["certificates"] == [{"certFile": PAIR[0], "keyFile": PAIR[1]}]
    assert [(each["tls"], each["entryPoints"]) for each in routers(outcome)] == [({}, ["websecure"])]


@pytest.mark.parametrize(
    "spec",
    [
        ", tls: {frontend: {default: {validation: {}}}}",
        ", tls: {frontend: {perPort: [{port: 443, tls: {validation: {}}}]}}",
        "",
    ],
)
def test_a_listener_that_asks_clients_for_certificates_is_closed_not_open(spec):
    asking = HTTPS % "" if spec else (HTTPS % "").replace("tls: {", "tls: {frontendValidation: {}, ")
    outcome = made(gateway(asking, spec=spec), secret(*PAIR), route(ANY))
    assert listener(outcome)["Accepted"] == ("False", "UnsupportedValue")
    assert not routers(outcome)


@pytest.mark.parametrize("broken", ["no certificate", "no key", "another's key"])
def test_a_pair_that_is_none_is_refused_and_nothing_of_it_is_told(broken):
    certificate, key = PAIR
    held = {
        "no certificate": ("garbage", key),
        "no key": (certificate, "garbage"),
        "another's key": (certificate, SECOND[1]),
    }
    outcome = made(gateway(HTTPS % ""), secret(*held[broken]), route(ANY))
    assert listener(outcome)["ResolvedRefs"] == ("False", "InvalidCertificateRef")
    assert not outcome.document["tls"]["certificates"]
    assert not routers(outcome)
    assert "BEGIN" not in repr(outcome.problems)
    assert "garbage" not in repr(outcome)


@pytest.mark.spec("K-50")
def test_a_secret_of_another_namespace_needs_a_grant():
    objects = gateway(HTTPS % ", namespace: certs"), secret(*PAIR, "certs"), route(ANY)
    refused = made(*objects)
    assert listener(refused) == {"ResolvedRefs": ("False", "RefNotPermitted"), "Programmed": ("False", "Invalid")}
    assert not routers(refused)
    granted = made(*objects, GRANT % ("certs", "Gateway", "Secret", ", name: pair"))
    assert listener(granted)["Programmed"] == ("True", "Programmed")
    assert len(routers(granted)) == 1
    for other in (
        GRANT % ("certs", "Gateway", "Secret", ", name: another"),
        GRANT % ("certs", "HTTPRoute", "Secret", ""),
        GRANT % ("default", "Gateway", "Secret", ""),
        GRANT % ("certs", "Gateway", "ConfigMap", ""),
    ):
        assert listener(made(*objects, other))["ResolvedRefs"] == ("False", "RefNotPermitted")


def test_a_listener_without_service_still_counts_its_routes():
    outcome = made(gateway(HTTPS % ""), route(ANY), route(ANY, name="s"))
    (only,) = status_of(outcome, "Gateway", "gw")["listeners"]
    assert only["attachedRoutes"] == 2
    assert parent(outcome)["Accepted"] == ("False", "NoMatchingParent")


@pytest.mark.spec("K-64")
def test_only_the_gateways_that_are_named_are_served_and_told():
    second = gateway("{name: http, port: 80, protocol: HTTP}", name="other")
    to_both = route(ANY).replace("parentRefs: [{name: gw, namespace: default}]", "parentRefs: [{name: gw}, {name: other}]")
    outcome = made(GATEWAY, second, to_both, options={"gateways": [{"name": "gw", "namespace": "default"}]})
    assert parent(outcome)["Accepted"] == GOOD
    assert len(routers(outcome)) == 1
    assert status_of(outcome, "GatewayClass", "ours")
    with pytest.raises(KeyError):
        status_of(outcome, "Gateway", "other")


def test_an_entry_in_the_options_without_namespace_is_refused():
    with pytest.raises(ConfigError, match="gateways"):
        build(KubernetesGateway, {"gateways": [{"name": "gw"}]}, FakeContext(entry_points=POINTS))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"ip": "1.2.3.4"}, [{"type": "IPAddress", "value": "1.2.3.4"}]),
        ({"hostname": "gw.example"}, [{"type": "Hostname", "value": "gw.example"}]),
        (
            {"service": {"name": "lb", "namespace": "default"}},
            [{"type": "IPAddress", "value": "5.6.7.8"}, {"type": "Hostname", "value": "lb.example"}],
        ),
    ],
)
def test_gateways_tell_the_address_of_the_options(said, told):
    service = """
apiVersion: v1
kind: Service
metadata: {name: lb}
status: {loadBalancer: {ingress: [{ip: 5.6.7.8}, {hostname: lb.example}]}}
"""
    assert status_of(made(GATEWAY, service, options={"statusAddress": said}), "Gateway", "gw")["addresses"] == told


def test_an_address_of_nothing_is_refused_and_a_service_that_is_missing_is_a_warning():
    with pytest.raises(ConfigError, match="statusAddress: is empty"):
        build(KubernetesGateway, {"statusAddress": {"ip": ""}}, FakeContext(entry_points=POINTS))
    outcome = made(GATEWAY, route(ANY), options={"statusAddress": {"service": {"name": "lb", "namespace": "x"}}})
    assert "addresses" not in status_of(outcome, "Gateway", "gw")
    assert [problem.message for problem in outcome.problems] == ["service x/lb: not found"]
    assert len(routers(outcome)) == 1


def test_a_condition_keeps_its_time_while_its_status_does_not_change():
    before = """
status:
  conditions:
  - {type: Accepted, status: "True", reason: Old, lastTransitionTime: "2020-01-01T00:00:00Z"}
  - {type: Programmed, status: "False", reason: Old, lastTransitionTime: "2020-01-01T00:00:00Z"}
---
"""
    outcome = made(GATEWAY.rstrip("\n-") + before)
    times = {each["type"]: each["lastTransitionTime"] for each in status_of(outcome, "Gateway", "gw")["conditions"]}
    assert times["Accepted"] == "2020-01-01T00:00:00Z"
    assert times["Programmed"] > "2026"


def test_kinds_of_the_experimental_channel_are_read_only_there():
    def plurals(options):
        provider = build(KubernetesGateway, options, FakeContext(entry_points=POINTS))
        return {kind.plural for kind in provider.kinds()}

    assert "tcproutes" in plurals({"experimentalChannel": True})
    assert "tcproutes" not in plurals({})
    assert {"gateways", "httproutes", "namespaces", "secrets"} <= plurals({})


def test_objects_of_odd_shapes_take_nothing_with_them():
    odd = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: odd}
spec: {gatewayClassName: ours, listeners: [1, {name: [], port: "80", protocol: 7, hostname: {}, allowedRoutes: [], tls: 3}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: odder}
spec: [1]
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: odd}
spec: {from: 1, to: [2]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: odd}
spec: {parentRefs: [{name: gw}, {name: [1]}, 7], hostnames: [1, {}], rules: [{
  matches: [{path: 1, headers: {}, queryParams: 7}],
  filters: [{type: 1}, {}], backendRefs: [{name: 7, weight: x, port: y}, 1], timeouts: 9}, 8]}
---
"""
    outcome = made(GATEWAY, odd, route(ANY))
    assert parent(outcome)["Accepted"] == GOOD
    assert listener(outcome)["Accepted"] == GOOD
