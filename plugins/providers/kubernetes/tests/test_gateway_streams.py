"""GRPCRoutes, TLSRoutes, TCPRoutes and BackendTLSPolicies (kubernetes.md §4.6)."""

import json

import pytest
import trustme

from pointsman import ListeningPoint

from .gatewayobjects import GATEWAY, gateway, made, parent, reasons, route, status_of
from .manifests import WEB

POINTS = tuple(ListeningPoint(name, port, "tcp") for name, port in (("web", 80), ("tls", 443), ("tcp", 9000)))
PASS = "{name: pass, port: 443, protocol: TLS, tls: {mode: Passthrough}}"
TCP = "{name: tcp, port: 9000, protocol: TCP}"
BACK = "backendRefs: [{name: web, port: 80}]"
ANY = f"rules: [{{{BACK}}}]"
PEOPLE = [{"address": "10.42.0.1:8080"}, {"address": "10.42.0.2:8080"}]
GOOD = ("True", "Accepted")
EXPERIMENTAL = {"experimentalChannel": True}


def built(*manifests, **kwargs):
    return made(*manifests, points=POINTS, **kwargs)


def http(outcome, section="routers"):
    return outcome.document["http"][section]


def tcp(outcome, section="routers"):
    """Without what closes connections for unknown names."""
    return {name: each for name, each in outcome.document["tcp"][section].items() if name != "deny-unknown-host"}


def grpc(*matches, more="", **kwargs):
    return route(
        f"hostnames: [g.org], rules: [{{matches: [{', '.join(matches)}], {BACK}{more}}}]", kind="GRPCRoute", **kwargs
    )


@pytest.mark.spec("K-61")
@pytest.mark.parametrize(
    ("method", "rule"),
    [
        ("{service: a.B, method: Get}", 'Path("/a.B/Get")'),
        ("{service: a.B}", 'PathPrefix("/a.B/")'),
        ("{method: Get}", 'PathRegexp("^/[^/]+/Get$")'),
        ("{}", 'PathPrefix("/")'),
        ("{service: 'a|b', type: RegularExpression}", 'PathRegexp("^/(?:a|b)/[^/]+$")'),
    ],
)
def test_a_method_is_the_whole_path(method, rule):
    outcome = built(GATEWAY, grpc(f"{{method: {method}}}"))

    assert [each["rule"] for each in http(outcome).values()] == [f'Host("g.org") && {rule}']


def test_a_grpc_route_reaches_its_servers_in_h2c_and_errors_are_grpcs_own():
    outcome = built(
        GATEWAY, route("rules: [{backendRefs: [{name: web, port: 80}, {name: gone, port: 80}]}, {}]", kind="GRPCRoute")
    )
    first, second = (each["service"] for each in http(outcome).values())
    good, bad = http(outcome, "services")[first]["weighted"]["services"]

    assert http(outcome, "services")[good["name"]]["loadBalancer"]["servers"][0] == {"url": "h2c://10.42.0.1:8080"}
    assert bad["grpcStatus"] == 14
    assert [each["grpcStatus"] for each in http(outcome, "services")[second]["weighted"]["services"]] == [14]
    assert parent(outcome, kind="GRPCRoute")["ResolvedRefs"] == ("False", "BackendNotFound")


def test_a_filter_that_is_not_known_answers_unavailable():
    outcome = built(GATEWAY, grpc("{}", more=", filters: [{type: Strange}]"))
    (router,) = http(outcome).values()

    assert router["service"].endswith("-err-wrr")
    assert http(outcome, "services")[router["service"]]["weighted"]["services"] == [
        {"name": "invalid-grpcroute-filter", "weight": 1, "grpcStatus": 14}
    ]
    assert parent(outcome, kind="GRPCRoute")["Accepted"] == ("False", "UnsupportedValue")


def test_a_longer_service_goes_before_a_longer_method_and_headers_last():
    matches = [
        "{method: {service: aa}}",
        "{method: {method: Getting}}",
        "{method: {method: Getting}, headers: [{name: X, value: y}]}",
        "{}",
    ]
    outcome = built(GATEWAY, grpc(*reversed(matches)))
    found = sorted(http(outcome).values(), key=lambda router: -router["priority"])

    assert [each["rule"].removeprefix('Host("g.org") && ') for each in found] == [
        'PathPrefix("/aa/")',
        'PathRegexp("^/[^/]+/Getting$") && Header("X","y")',
        'PathRegexp("^/[^/]+/Getting$")',
        'PathPrefix("/")',
    ]


@pytest.mark.parametrize(
    ("old", "young", "meet"),
    [("a.org", "a.org", True), ("'*.a.org'", "x.a.org", True), ("x.a.org", "'*.a.org'", True), ("a.org", "b.org", False)],
)
@pytest.mark.parametrize(("first", "second"), [("HTTPRoute", "GRPCRoute"), ("GRPCRoute", "HTTPRoute")])
def test_where_routes_of_two_kinds_want_one_name_the_older_has_it(old, young, meet, first, second):
    outcome = built(
        GATEWAY,
        route(f"hostnames: [{old}], {ANY}", kind=first, name="old", born="2025-01-01T00:00:00Z"),
        route(f"hostnames: [{young}], {ANY}", kind=second, name="young"),
    )

    assert parent(outcome, "old", first)["Accepted"] == GOOD
    assert parent(outcome, "young", second)["Accepted"] == (("False", "HostnameConflict") if meet else GOOD)
    (listener,) = status_of(outcome, "Gateway", "gw")["listeners"]
    assert len(http(outcome)) == listener["attachedRoutes"] == (1 if meet else 2)


@pytest.mark.spec("K-62")
def test_a_tls_route_leaves_tls_to_its_servers_and_unknown_names_are_closed():
    outcome = built(gateway(PASS), route(f"hostnames: [x.w.org, '*.w.org'], {ANY}", kind="TLSRoute"))
    exact, wildcard = tcp(outcome).values()

    assert exact["rule"] == 'HostSNI("x.w.org")'
    assert wildcard["rule"] == 'HostSNIRegexp("^[a-z0-9-\\\\.]+\\\\.w\\\\.org$")'
    assert exact["priority"] > wildcard["priority"] > 0
    assert exact["tls"] == {"passthrough": True}
    (child,) = tcp(outcome, "services")[exact["service"]]["weighted"]["services"]
    assert tcp(outcome, "services")[child["name"]] == {"loadBalancer": {"servers": PEOPLE}}
    deny = outcome.document["tcp"]["routers"]["deny-unknown-host"]
    closing = {"service": "deny-unknown-host", "tls": {"passthrough": True}}
    assert deny == {"entryPoints": ["tls"], "rule": 'HostSNI("*")', **closing}
    assert outcome.document["tcp"]["services"]["deny-unknown-host"] == {"loadBalancer": {"servers": []}}
    assert parent(outcome, kind="TLSRoute") == {"Accepted": GOOD, "ResolvedRefs": ("True", "ResolvedRefs")}


def test_a_tls_route_for_any_name_leaves_nothing_to_close_and_of_two_the_older_goes_first():
    outcome = built(
        gateway(PASS),
        route(ANY, kind="TLSRoute", name="b", born="2025-01-01T00:00:00Z"),
        route(ANY, kind="TLSRoute", name="a"),
    )
    old, young = tcp(outcome).values()

    assert "-b-" in old["service"]
    assert (old.get("priority"), young.get("priority")) == (None, -2)
    assert "deny-unknown-host" not in outcome.document["tcp"]["routers"]


def test_connections_for_a_service_that_is_not_there_are_closed():
    refs = "[{name: web, port: 80, weight: 3}, {name: gone, port: 80}]"
    outcome = built(gateway(PASS), route(f"hostnames: [x.org], rules: [{{backendRefs: {refs}}}]", kind="TLSRoute"))
    (router,) = tcp(outcome).values()
    good, bad = tcp(outcome, "services")[router["service"]]["weighted"]["services"]

    assert (good["weight"], bad["weight"]) == (3, 1)
    assert tcp(outcome, "services")[bad["name"]] == {"loadBalancer": {"servers": []}}
    assert parent(outcome, kind="TLSRoute")["ResolvedRefs"] == ("False", "BackendNotFound")


def test_a_tcp_route_needs_the_experimental_channel():
    manifests = gateway(TCP), route(ANY, kind="TCPRoute").replace("/v1\nkind: TCPRoute", "/v1alpha2\nkind: TCPRoute")

    assert tcp(built(*manifests)) == {}
    ((name, router),) = tcp(built(*manifests, options=EXPERIMENTAL)).items()
    assert router == {"entryPoints": ["tcp"], "rule": 'HostSNI("*")', "service": f"{name}-wrr"}


AUTHORITY = trustme.CA().cert_pem.bytes().decode()
SECURE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: ca}
data: {ca.crt: %s}
---
""" % json.dumps(AUTHORITY)  # noqa: UP031
BY_CA = 'caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]'
TO_WEB = f"hostnames: [a.org], {ANY}"


def policy(validation=BY_CA, *, name="p", born="2026-01-01", section="", target="web"):
    port = f", sectionName: {section}" if section else ""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: {name}, creationTimestamp: "{born}T00:00:00Z"}}
spec:
  targetRefs: [{{group: "", kind: Service, name: {target}{port}}}]
  validation: {{hostname: sec.org, {validation}}}
---
"""


def ancestor(outcome, name="p"):
    (found,) = status_of(outcome, "BackendTLSPolicy", name)["ancestors"]
    assert found["ancestorRef"] == {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "namespace": "default",
        "name": "gw",
    }
    return reasons(found["conditions"])


def transports(outcome):
    return list(http(outcome, "serversTransports").values())


@pytest.mark.spec("K-63")
def test_a_policy_makes_servers_spoken_to_in_tls_and_says_whom_to_trust():
    outcome = built(GATEWAY, SECURE, policy(), route(TO_WEB))
    ((name, transport),) = http(outcome, "serversTransports").items()

    assert transport == {"serverName": "sec.org", "rootCAs": [AUTHORITY]}
    balancer = http(outcome, "services")[name]["loadBalancer"]
    assert balancer["serversTransport"] == name
    assert [server["url"] for server in balancer["servers"]] == ["https://10.42.0.1:8080", "https://10.42.0.2:8080"]
    assert ancestor(outcome) == {"Accepted": GOOD, "ResolvedRefs": ("True", "ResolvedRefs")}


def test_names_are_verified_in_place_of_the_host_name_and_the_system_may_be_trusted():
    names = "subjectAltNames: [{type: Hostname, hostname: alt.org}, {type: URI, uri: 'spiffe://a/b'}]"
    outcome = built(GATEWAY, policy(f"wellKnownCACertificates: System, {names}"), route(TO_WEB))

    assert transports(outcome) == [
        {
            "serverName": "sec.org",
            "insecureSkipVerify": True,
            "peerCertSANs": [{"type": "DNSName", "value": "alt.org"}, {"type": "URI", "value": "spiffe://a/b"}],
        }
    ]


@pytest.mark.parametrize(
    ("validation", "accepted", "resolved"),
    [
        ('caCertificateRefs: [{group: "", kind: ConfigMap, name: gone}]', "NoValidCACertificate", "InvalidCACertificateRef"),
        ('caCertificateRefs: [{group: "", kind: Secret, name: gone}]', "NoValidCACertificate", "InvalidCACertificateRef"),
        ("caCertificateRefs: [{group: x, kind: Bundle, name: ca}]", "NoValidCACertificate", "InvalidKind"),
        ("caCertificateRefs: []", "NoValidCACertificate", ""),
        ("wellKnownCACertificates: Mine", "Invalid", ""),
        ("wellKnownCACertificates: System, subjectAltNames: [{type: Email}]", "Invalid", ""),
        ('wellKnownCACertificates: System, hostname: ""', "Invalid", ""),
    ],
)
def test_a_policy_that_cannot_be_used_makes_requests_errors_and_never_speaks_plainly(validation, accepted, resolved):
    outcome = built(GATEWAY, policy(validation), route(TO_WEB))
    (router,) = http(outcome).values()

    assert http(outcome, "services") == {
        router["service"]: {
            "weighted": {"services": [{"name": f"{router['service'][:-4]}-svc-default-web-0", "weight": 1, "status": 500}]}
        }
    }
    assert transports(outcome) == []
    assert ancestor(outcome)["Accepted"] == ("False", accepted)
    assert ancestor(outcome)["ResolvedRefs"] == (("False", resolved) if resolved else ("True", "ResolvedRefs"))
    assert parent(outcome)["ResolvedRefs"] == ("False", "RefNotPermitted")


def test_a_ca_that_is_no_certificate_is_never_taken_for_the_name_of_a_file():
    outcome = built(
        GATEWAY, SECURE.replace(json.dumps(AUTHORITY), "/etc/ssl/certs/ca-certificates.crt"), policy(), route(TO_WEB)
    )

    assert transports(outcome) == []
    assert ancestor(outcome)["Accepted"] == ("False", "NoValidCACertificate")


@pytest.mark.spec("K-63")
def test_of_two_policies_the_older_counts_also_if_it_cannot_be_used():
    young = policy("wellKnownCACertificates: System", name="young", born="2026-02-01")
    for validation, good in ((BY_CA, True), ("caCertificateRefs: []", False)):
        outcome = built(GATEWAY, SECURE, policy(validation), young, route(TO_WEB))

        assert bool(transports(outcome)) is good
        assert ancestor(outcome, "young")["Accepted"] == ("False", "Conflicted")


def test_a_policy_for_the_port_goes_before_one_for_the_whole_service():
    old = policy("wellKnownCACertificates: System", name="old", born="2025-01-01")
    outcome = built(GATEWAY, SECURE, old, policy(section="http"), policy(section="other", name="not"), route(TO_WEB))

    assert transports(outcome) == [{"serverName": "sec.org", "rootCAs": [AUTHORITY]}]
    assert ancestor(outcome)["Accepted"] == GOOD
    assert [each.object["metadata"]["name"] for each in outcome.statuses if each.kind.name == "BackendTLSPolicy"] == ["p"]


def test_a_policy_counts_where_tls_ends_here_and_not_where_it_is_passed_on():
    refs = route(f"hostnames: [x.org], {ANY}", kind="TLSRoute")
    assert tcp(built(gateway(PASS), SECURE, policy(), refs), "serversTransports") == {}


def test_what_others_say_of_a_policy_stays_and_what_we_said_goes_with_its_reason():
    ours, ref = "traefik.io/gateway-controller", "ancestorRef: {name: gw}, conditions: []"
    status = f"status: {{ancestors: [{{controllerName: other, {ref}}}, {{controllerName: {ours}, {ref}}}]}}"
    outcome = built(GATEWAY, policy(target="nobody").replace("---", status + "\n---"))

    (left,) = status_of(outcome, "BackendTLSPolicy", "p")["ancestors"]
    assert left["controllerName"] == "other"


def test_odd_objects_break_nothing():
    for kind in ("GRPCRoute", "TLSRoute"):
        for spec in (
            "rules: 7",
            "rules: [{matches: [7], backendRefs: [7]}]",
            "rules: [{matches: [{method: 7, headers: 7}]}]",
        ):
            built(GATEWAY, gateway(PASS), route(spec, kind=kind))
    built(GATEWAY, policy("caCertificateRefs: [7], subjectAltNames: [7]"), route(TO_WEB), web=WEB)
