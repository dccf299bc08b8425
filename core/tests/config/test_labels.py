"""Labels to documents: what they say, what is worth a warning, and what skips the container."""

from typing import Any

import pytest

from pointsman.config.dynamic import structure_document
from pointsman.config.labels import from_labels
from pointsman.errors import ConfigError

R = "traefik.http.routers.r."
S = "traefik.http.services.s.loadbalancer."


def of_router(**said: Any) -> dict[str, Any]:
    return {"http": {"routers": {"r": said}}}


def of_balancer(**said: Any) -> dict[str, Any]:
    return {"http": {"services": {"s": {"loadBalancer": said}}}}


GOOD: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "nothing": ({"com.example": "x", "traefik": "y", "traefik.enable": "true", "traefik.docker.network": "n"}, {}),
    "one": ({R + "rule": "Host(`a`)"}, of_router(rule="Host(`a`)")),
    "fields in any case": ({"traefik.HTTP.Routers.r.RULE": "x"}, of_router(rule="x")),
    "names keep theirs": ({"traefik.http.routers.MyR.rule": "x"}, {"http": {"routers": {"MyR": {"rule": "x"}}}}),
    "one name": (
        {"traefik.http.routers.App.rule": "x", "traefik.http.routers.app.service": "s"},
        {"http": {"routers": {"App": {"rule": "x", "service": "s"}}}},
    ),
    "a list": ({R + "entrypoints": "web, websecure"}, of_router(entryPoints=["web", "websecure"])),
    "a list by index": ({R + "entrypoints[1]": "b", R + "entrypoints[0]": "a"}, of_router(entryPoints=["a", "b"])),
    "an empty list": ({R + "entrypoints": ""}, of_router(entryPoints=[])),
    "numbers in order": (
        {f"{R}tls.domains[{index}].main": f"{index}.example" for index in (10, 2, 0)},
        of_router(tls={"domains": [{"main": "0.example"}, {"main": "2.example"}, {"main": "10.example"}]}),
    ),
    "tls on": ({R + "tls": "TRUE"}, of_router(tls={})),
    "tls by its option": ({R + "tls.certresolver": "x"}, of_router(tls={"certResolver": "x"})),
    "a server": (
        {S + "server.port": "80", S + "server.preservepath": "T", S + "passhostheader": "0"},
        of_balancer(server={"port": "80", "preservePath": True}, passHostHeader=False),
    ),
    "a duration": ({S + "healthcheck.interval": "1m30s"}, of_balancer(healthCheck={"interval": "1m30s"})),
    "nothing but a name": ({"traefik.http.routers.r": "true"}, of_router()),
    "the default store": (
        {"traefik.tls.stores.Default.defaultgeneratedcert.domain.sans": "a,b"},
        {"tls": {"stores": {"default": {"defaultGeneratedCert": {"domain": {"sans": ["a", "b"]}}}}}},
    ),
    "a kind nobody knows": (
        {"traefik.http.middlewares.m.plugin.p.List[1]": "b", "traefik.http.middlewares.m.plugin.p.List[0]": "a"}
        | {"traefik.http.middlewares.m.plugin.p.Sub.Key": "v"},
        {"http": {"middlewares": {"m": {"plugin": {"p": {"List": ["a", "b"], "Sub": {"Key": "v"}}}}}}},
    ),
}  # fmt: skip


@pytest.mark.spec("P-42", "P-43")
@pytest.mark.parametrize("case", GOOD)
def test_labels_say_a_document(case):
    labels, expected = GOOD[case]
    document, warnings = from_labels(labels, {})
    assert document == expected
    assert warnings == []
    for service in document.get("http", {}).get("services", {}).values():
        service["loadBalancer"].pop("server", None)
    assert structure_document(document, {})[1] == []


@pytest.mark.spec("P-41")
def test_tls_false_takes_its_options_with_it():
    assert from_labels({R + "tls": "false", R + "tls.certresolver": "x"}, {})[0] == of_router()


BAD = {
    "traefik.http.routers.r.nope": ("x", "field not found, node: nope"),
    "traefik.http.routers.r.rul": ("x", "did you mean 'rule'"),
    "traefik.http.rooters.r.rule": ("x", "did you mean 'routers'"),
    "traefik.http": ("x", "http cannot be a standalone element"),
    "traefik.http.routers": ("x", "routers cannot be a standalone element"),
    "traefik.http.services.s.loadbalancer.healthcheck": ("true", "healthcheck cannot be a standalone element"),
    "traefik.http.services.s.loadbalancer.servers[0].url": ("x", "write server.port"),
    "traefik.http.services.s.loadbalancer.passhostheader": ("yes", "expected true or false, got 'yes'"),
    "traefik.http.routers.r.priority": ("", "expected a whole number"),
    "traefik.http.routers..rule": ("x", "invalid element"),
    "traefik.http.routers.[0].rule": ("x", "invalid field name"),
    "traefik.http.routers.r.rule.x": ("x", "field not found, node: x"),
    "TRAEFIK.http.routers.r.rule": ("x", "invalid label root TRAEFIK"),
    "traefik.enable.x": ("true", "field not found, node: x"),
    "traefik." + "http." * 100 + "x": ("x", "longer than"),
    "traefik.http." + "x" * 10_000: ("x", "longer than"),
}


@pytest.mark.parametrize("label", BAD, ids=[label[:60] for label in BAD])
def test_labels_of_no_use_are_refused_by_their_names(label):
    value, expected = BAD[label]
    with pytest.raises(ConfigError, match=expected.replace("[", r"\[")) as refusal:
        from_labels({label: value}, {})
    (problem,) = refusal.value.problems
    assert label.startswith(problem.path)


@pytest.mark.spec("P-32")
def test_enabled_is_told_to_be_enable():
    with pytest.raises(ConfigError, match="did you mean 'enable'"):
        from_labels({"traefik.enabled": "true"}, {})
