"""Labels to documents: what they say, what is worth a warning, and what skips the container."""

from typing import Any, ClassVar, Literal

import pytest
from attrs import field, frozen

from pointsman.config.dynamic import structure_document, structure_middleware
from pointsman.config.labels import from_labels
from pointsman.errors import ConfigError
from pointsman.values import Duration, allow_empty

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


WARNED: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "1 is true": ({R + "tls": "1"}, of_router(tls={}), "taken as true"),
    "t is true": ({R + "tls": "t", R + "tls.certresolver": "x"}, of_router(tls={"certResolver": "x"}), "taken as true"),
    "yes is off": ({R + "tls": "yes", R + "tls.certresolver": "x"}, of_router(), "turns it off"),
    "a near miss": ({"traefik.httpx.routers.r.rule": "x"}, {}, "did you mean 'http'"),
    "other parts of tls": ({"traefik.tls.certificates[0].certfile": "x"}, {}, "can only say"),
    "another store": ({"traefik.tls.stores.other.defaultgeneratedcert.resolver": "x"}, {}, "can only say"),
    "a certificate": ({"traefik.tls.stores.default.defaultcertificate.certfile": "x"}, {}, "cannot say this"),
    "parents": ({R + "parentrefs": "x"}, of_router(), "cannot say this"),
    "a transport": ({"traefik.http.serverstransports.t.servername": "x"}, {}, "cannot say this"),
    "a composite": (
        {"traefik.http.services.s.weighted.services[0].name": "x"},
        {"http": {"services": {"s": {}}}},
        "cannot say this",
    ),
    "two spellings": ({R + "Rule": "x", R + "rule": "y"}, of_router(rule="y"), "given twice"),
    "a list in two ways": ({R + "entrypoints": "a", R + "entrypoints[0]": "b"}, of_router(entryPoints=["a"]), "by number"),
    "blocks as text": ({R + "tls.domains": "a.b"}, of_router(tls={}), "write domains[0].<option>"),
    "a value and options": (
        {S + "healthcheck": "false", S + "healthcheck.path": "/"},
        of_balancer(healthCheck={"path": "/"}),
        "has no effect",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WARNED)
def test_what_traefik_takes_in_silence_is_warned_of(case):
    labels, expected, message = WARNED[case]
    document, (warning,) = from_labels(labels, {})
    assert document == expected
    assert warning.warning
    assert message in warning.message
    assert warning.path in labels or any(label.lower().startswith(warning.path.lower()) for label in labels)


@frozen
class SourceConfig:
    depth: int = 0


@frozen
class LimitConfig:
    average: int
    source: SourceConfig | None = allow_empty(default=None)
    rewrites: dict[str, int] = field(factory=dict)
    wait: Duration = Duration(1.0)
    mode: Literal["soft", "hard"] = "soft"
    names: list[str] = field(factory=list)


class Limit:
    name: ClassVar[str] = "rateLimit"
    Config: ClassVar[type] = LimitConfig
    allow_empty: ClassVar[bool] = True

    def __init__(self, config: Any, context: Any) -> None: ...
    def __call__(self, request: Any, call_next: Any) -> Any: ...


M = "traefik.http.middlewares.m."


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({M + "ratelimit": ""}, {"rateLimit": {}}),
        ({M + "ratelimit": "false", M + "ratelimit.average": "1"}, {}),
        ({M + "RateLimit.Average": "5"}, {"rateLimit": {"average": 5}}),
        ({M + "ratelimit.source": "true"}, {"rateLimit": {"source": {}}}),
        ({M + "ratelimit.rewrites.418": "404"}, {"rateLimit": {"rewrites": {"418": 404}}}),
        ({M + "ratelimit.names[0]": "a,b", M + "ratelimit.names[1]": "c"}, {"rateLimit": {"names": ["a,b", "c"]}}),
        ({M + "ratelimit.mode": "odd"}, {"rateLimit": {"mode": "odd"}}),
        ({M + "plugin.ratelimit.average": "5"}, {"plugin": {"rateLimit": {"average": 5}}}),
        ({M + "plugin.other": "true"}, {"plugin": {"other": {}}}),
    ],
)
def test_a_middleware_is_read_as_its_plugin_says(labels, expected):
    assert from_labels(labels, {"rateLimit": Limit}) == ({"http": {"middlewares": {"m": expected}}}, [])


@pytest.mark.parametrize(
    ("label", "text", "message"),
    [
        ("ratelimit.avrage", "5", "did you mean 'average'"),
        ("ratelimit.average", "many", "whole number"),
        ("ratelimit.wait", "soon", "a duration"),
        ("ratelimit.rewrites", "x", "standalone"),
        ("plugin", "x", "standalone"),
    ],
)
def test_an_option_that_its_plugin_does_not_have_is_refused(label, text, message):
    with pytest.raises(ConfigError, match=message):
        from_labels({M + label: text}, {"rateLimit": Limit})


def test_a_kind_that_is_not_installed_leaves_its_middleware_to_be_named():
    document, warnings = from_labels({M + "ratelimit.average": "5", M + "ratelimit.redis.endpoints": "a,b"}, {})
    assert warnings == []
    written = document["http"]["middlewares"]["m"]
    assert structure_document(document, {})[0] is not None
    (problem,) = structure_middleware(written, "http.middlewares.m", {})[2]
    assert "pip install pointsman-ratelimit" in problem.message


@pytest.mark.parametrize("label", ["r.nope{}", "r{}.priority", "r{}..rule"])
def test_of_thousands_of_mistakes_the_first_are_told(label):
    with pytest.raises(ConfigError) as refusal:
        from_labels({f"traefik.http.routers.{label.format(number)}": "x" for number in range(3000)}, {})
    assert len(refusal.value.problems) == 100


def test_no_label_is_too_deep_for_a_plugin_with_free_keys():
    deep = M + "plugin.p" + ".x" * 50
    assert from_labels({deep: "v"}, {})[1] == []
    with pytest.raises(ConfigError, match="longer than"):
        from_labels({deep + ".x" * 50: "v"}, {})
