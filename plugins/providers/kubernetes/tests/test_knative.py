"""What Ingresses of Knative come to."""

import base64

import pytest

from pointsman.errors import ConfigError
from pointsman.testing import build
from pointsman_kubernetes.kinds import KNATIVE_INGRESS
from pointsman_kubernetes.knative import KnativeProvider

from .certificates import PAIR
from .manifests import WEB, cluster

HEAD = """
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata:
  name: hello
  generation: 3
  annotations: {networking.knative.dev/ingress.class: traefik.ingress.networking.knative.dev}
"""
HELLO = f"""{HEAD}
spec:
  rules:
  - hosts: [hello.default, hello.example.com]
    visibility: ExternalIP
    http:
      paths:
      - path: /shop
        headers: {{Knative-Serving-Tag: {{exact: blue}}}}
        appendHeaders: {{X-Path: "1"}}
        splits:
        - {{serviceName: web, serviceNamespace: default, servicePort: 80, percent: 90, appendHeaders: {{X-Revision: a}}}}
        - {{serviceName: web, serviceNamespace: default, servicePort: http, percent: 10}}
"""
PLAIN = "[{serviceName: web, serviceNamespace: default, servicePort: 80, percent: 7}]"
NAME = "default-hello-rule-0-path-0"


def built(*manifests, **config):
    return build(KnativeProvider, config).build(cluster(WEB, *manifests))


def http(outcome, section):
    return outcome.document["http"][section]


def conditions(outcome, number=0):
    return {each["type"]: each for each in outcome.statuses[number].status["conditions"]}


def test_a_path_becomes_a_router_over_its_splits_each_with_headers_of_its_own():
    outcome = built(HELLO, publicEntrypoints=["web"])

    assert outcome.problems == []
    assert http(outcome, "routers") == {
        NAME: {
            "entryPoints": ["web"],
            "rule": '(Host("hello.default") || Host("hello.example.com")) && (Header("Knative-Serving-Tag","blue"))'
            ' && PathPrefix("/shop")',
            "middlewares": [f"{NAME}-append-headers"],
            "service": f"{NAME}-wrr",
        }
    }
    assert http(outcome, "middlewares") == {f"{NAME}-append-headers": {"headers": {"customRequestHeaders": {"X-Path": "1"}}}}
    server = {"loadBalancer": {"servers": [{"url": "http://10.43.0.1:80"}]}}
    assert http(outcome, "services") == {
        f"{NAME}-split-0": server,
        f"{NAME}-split-1": server,
        f"{NAME}-wrr": {
            "weighted": {
                "services": [
                    {"name": f"{NAME}-split-0", "weight": 90, "headers": {"X-Revision": "a"}},
                    {"name": f"{NAME}-split-1", "weight": 10},
                ]
            }
        },
    }


def one(rule="", spec="", splits=PLAIN, path=""):
    """An Ingress with one rule and one path."""
    return f"{HEAD}\nspec:\n  rules:\n  - {{hosts: [a.org], http: {{paths: [{{{path} splits: {splits}}}]}}, {rule}}}\n{spec}"


def test_a_single_split_has_all_of_it_and_hosts_that_are_no_text_open_nothing():
    assert http(built(one()), "services")[f"{NAME}-wrr"]["weighted"]["services"][0]["weight"] == 100
    odd = built(one().replace("a.org", "7"))
    assert http(odd, "routers") == {}
    assert "its hosts are not all text" in odd.problems[0].message


def test_only_ingresses_of_our_class_count():
    outcome = built(HELLO.replace("traefik.ingress", "kourier.ingress"))

    assert http(outcome, "routers") == {}
    assert outcome.statuses == []


@pytest.mark.parametrize(
    ("visibility", "private", "points"),
    [("ExternalIP", (), ["web"]), ("ClusterLocal", ["inside"], ["inside"]), ("ClusterLocal", (), None), ("", (), ["web"])],
)
def test_rules_for_the_cluster_alone_go_to_the_private_entry_points_or_nowhere(visibility, private, points):
    outcome = built(one(f'visibility: "{visibility}"'), publicEntrypoints=["web"], privateEntrypoints=list(private))

    assert [router["entryPoints"] for router in http(outcome, "routers").values()] == ([points] if points else [])
    assert outcome.problems == []


def test_a_port_for_h2c_is_spoken_to_in_it():
    h2c = WEB.replace("port: 80", "port: 80, appProtocol: kubernetes.io/h2c").replace("name: web", "name: fast")
    outcome = built(h2c, one(splits=PLAIN.replace("web", "fast").replace(": 80", ': "80"')))

    assert http(outcome, "services")[f"{NAME}-split-0"]["loadBalancer"]["servers"] == [{"url": "h2c://10.43.0.1:80"}]


TLS = "  tls: [{hosts: [a.org], secretName: cert, secretNamespace: default}]\n"


def secret(name="cert", certificate=PAIR[0], key=PAIR[1]):
    data = {"tls.crt": certificate, "tls.key": key}
    encoded = ", ".join(f"{part}: {base64.b64encode(value.encode()).decode()}" for part, value in data.items())
    return f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ndata: {{{encoded}}}"


def test_tls_gives_each_router_a_twin_and_serves_the_certificate_by_its_text():
    outcome = built(secret(), one(spec=TLS))

    plain, twin = http(outcome, "routers")[NAME], http(outcome, "routers")[f"{NAME}-tls"]
    assert twin == {**plain, "tls": {}}
    assert outcome.document["tls"]["certificates"] == [{"certFile": PAIR[0], "keyFile": PAIR[1]}]


def test_redirected_sends_whoever_comes_in_the_clear_to_the_twin_where_there_is_one():
    redirected = http(built(secret(), one(spec=f"{TLS}  httpOption: Redirected\n")), "routers")

    assert redirected[NAME]["middlewares"] == [f"{NAME}-redirect"]
    assert "middlewares" not in redirected[f"{NAME}-tls"]
    assert "middlewares" not in http(built(one(spec="  httpOption: Redirected\n")), "routers")[NAME]


@pytest.mark.parametrize(
    ("manifest", "spec", "said"),
    [
        ("", TLS, "secret default/cert: not found"),
        (secret(key=""), TLS, "secret default/cert: has no tls.key"),
        (secret(certificate="/etc/passwd"), TLS, "holds no certificate in PEM"),
        (secret(), TLS.replace("default", "other"), "secret other/cert is in another namespace"),
    ],
)
def test_without_its_certificate_an_ingress_is_served_and_says_what_is_missing(manifest, spec, said):
    outcome = built(manifest, one(spec=spec))

    assert outcome.problems[0].path == "knative ingress default/hello"
    assert said in outcome.problems[0].message
    assert outcome.document["tls"]["certificates"] == []
    assert NAME in http(outcome, "routers")
    assert conditions(outcome)["Ready"]["status"] == "False"


def test_a_split_without_its_service_answers_503_and_takes_no_other_with_it():
    splits = f"[{PLAIN.strip('[]')}, {{serviceName: gone, serviceNamespace: default, servicePort: 80, percent: 5}}]"
    outcome = built(one(splits=splits))

    assert http(outcome, "services")[f"{NAME}-wrr"]["weighted"]["services"] == [
        {"name": f"{NAME}-split-0", "weight": 7},
        {"name": f"{NAME}-split-1", "weight": 5, "status": 503},
    ]
    assert "service default/gone" in outcome.problems[0].message
    assert conditions(outcome)["NetworkConfigured"]["message"] == outcome.problems[0].message


def test_an_external_name_is_used_if_allowed_and_the_host_is_rewritten_for_it():
    """As a DomainMapping has it: its requests come back through the private entry point."""
    mapped = (
        WEB.partition("---")[0]
        .replace("web}", "far}")
        .replace("spec: {", "spec: {type: ExternalName, externalName: in.org, ")
    )
    ingress = one(splits=PLAIN.replace("web", "far"), path="rewriteHost: hello.default,")
    allowed = built(mapped, ingress, allowExternalNameServices=True)

    assert http(allowed, "services")[f"{NAME}-split-0"]["loadBalancer"]["servers"] == [{"url": "http://in.org:80"}]
    assert http(allowed, "middlewares")[f"{NAME}-rewrite-host"] == {
        "headers": {"customRequestHeaders": {"Host": "hello.default"}}
    }
    assert "allowExternalNameServices" in built(mapped, ingress).problems[0].message


def test_the_status_says_that_it_is_ready_and_through_which_services(monkeypatch):
    outcome = built(
        HELLO,
        publicService={"name": "gateway", "namespace": "edge"},
        privateService={"name": "inside", "namespace": "edge"},
    )
    (update,) = outcome.statuses

    assert (update.kind, update.object["metadata"]["name"]) == (KNATIVE_INGRESS, "hello")
    assert update.status["observedGeneration"] == 3
    assert {each["type"]: each["status"] for each in update.status["conditions"]} == {
        "LoadBalancerReady": "True",
        "NetworkConfigured": "True",
        "Ready": "True",
    }
    public, private = update.status["publicLoadBalancer"], update.status["privateLoadBalancer"]
    assert public["ingress"][0]["domainInternal"].startswith("gateway.edge.svc.")
    assert private["ingress"][0]["domainInternal"].startswith("inside.edge.svc.")
    assert built(HELLO).statuses[0].status["publicLoadBalancer"] == {}


def test_of_two_ingresses_whose_routers_share_a_name_the_older_has_it():
    first = one().replace("name: hello", "name: b-c\n  namespace: a")
    second = one().replace("name: hello", 'name: c\n  namespace: a-b\n  creationTimestamp: "2026-02-01T00:00:00Z"')
    outcome = built(first, second.replace("a.org", "b.org"))

    assert [router["rule"] for router in http(outcome, "routers").values()] == ['(Host("a.org"))']
    (problem,) = outcome.problems
    assert problem.path == "knative ingress a-b/c"
    assert "as those of a/b-c" in problem.message


def test_values_in_rules_say_nothing_but_themselves():
    outcome = built(one().replace("a.org", "'a`) || Host(\"'"))

    assert http(outcome, "routers")[NAME]["rule"] == '(Host("a`) || Host(\\""))'


def test_odd_objects_break_nothing():
    for spec in ("spec: 7", "spec: {rules: {}, tls: [1]}", "spec: {rules: [1, {http: {paths: [7, {splits: [3]}]}}]}"):
        built(f"{HEAD}\n{spec}")


def test_an_option_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="publicEntryPoint"):
        build(KnativeProvider, {"publicEntryPoint": ["web"]})
