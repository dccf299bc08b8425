"""The dynamic configuration: what a source may say, and what refuses all of it."""

from typing import Any, ClassVar

import pytest
from attrs import field, frozen
from attrs.validators import ge
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.dynamic import (
    SECTIONS,
    declared,
    structure_document,
    structure_element,
    structure_router,
    structure_service,
)
from pointsman.config.dynamic import structure_transport as transport
from pointsman.config.http_model import Cookie, HealthPropagation, LoadBalancer, Router, RouterTLS, Server, Service, Sticky
from pointsman.config.load import load_text
from pointsman.config.middlewares import structure_middleware
from pointsman.config.plain import unstructure
from pointsman.config.tcp_model import TCPHealthCheck
from pointsman.values import Duration, option


@frozen
class LimitConfig:
    average: int = field(default=0, validator=ge(0))
    burst: int = 1
    trusted_ips: list[str] = option("trustedIPs", factory=list)


class Limit:
    name: ClassVar[str] = "rateLimit"
    Config: ClassVar[type] = LimitConfig

    def __init__(self, config: Any, context: Any) -> None: ...
    def __call__(self, request: Any, call_next: Any) -> Any: ...


@frozen
class CompressConfig:
    encodings: list[str] = field(factory=list)


class Compress(Limit):
    name: ClassVar[str] = "compress"
    Config: ClassVar[type] = CompressConfig
    allow_empty: ClassVar[bool] = True


KINDS: dict[str, Any] = {"rateLimit": Limit, "compress": Compress}


def document(text: str, source: str = ""):
    return structure_document(load_text(text, "x.yml"), KINDS, source)


def refusals(text: str, source: str = "") -> list[str]:
    structured, problems = document(text, source)
    assert structured is None
    return [str(problem) for problem in problems]


FULL = """
HTTP:
  Routers:
    Shop:
      entryPoints: web, websecure
      RULE: Host(`shop.test`)
      middlewares: [limit]
      service: shop
      priority: "7"
      tls: true
      observability: {accessLogs: "false"}
    plain: {rule: "Path(`/`)", tls: false}
  services:
    shop:
      LOADBALANCER:
        servers: [{url: "http://10.0.0.1:80", weight: "3"}, {url: "http://10.0.0.2:80"}]
        sticky: {cookie: {}}
        responseForwarding: {flushInterval: 5}
    all:
      weighted: {services: [{name: shop}], healthCheck: {}}
  middlewares:
    limit: {rateLimit: {average: 100}}
    zip: {compress: true}
    later: {someFutureKind: {x: 1}}
  serversTransports:
    t: {}
tcp:
  routers: {t: {rule: "HostSNI(`*`)", service: t}}
  services: {t: {loadBalancer: {servers: [{address: "10.0.0.1:5432"}], healthCheck: {}}}}
  middlewares: {m: {inFlightConn: {amount: 10}}}
udp:
  services: {u: {loadBalancer: {servers: [{address: "10.0.0.1:53"}]}}}
tls:
  certificates: [{certFile: a.crt, keyFile: a.key}]
  options: {default: {minVersion: VersionTLS13}}
x-notes: {anything: [goes]}
"""


def test_a_whole_document_is_structured_with_its_defaults():
    structured, problems = document(FULL)
    assert problems == []
    routers = structured["http.routers"]
    assert routers["plain"] == Router(rule="Path(`/`)")
    assert routers["Shop"].tls == RouterTLS()
    assert routers["Shop"].priority == 7
    assert routers["Shop"].entry_points == ["web", "websecure"]
    assert routers["Shop"].observability.access_logs is False
    balancer = structured["http.services"]["shop"].load_balancer
    assert balancer.servers == [Server("http://10.0.0.1:80", 3), Server("http://10.0.0.2:80", 1)]
    assert balancer.sticky == Sticky(Cookie(path="/"))
    assert structured["http.services"]["all"].weighted.health_check == HealthPropagation()
    assert structured["http.middlewares"]["zip"] == {"compress": True}
    assert structured["tcp.services"]["t"].load_balancer.health_check == TCPHealthCheck()
    assert structured["tls.certificates"]["0"].key_file == "a.key"
    assert structured["tls.options"]["default"].min_version == "VersionTLS13"


@pytest.mark.spec("R-36")
def test_a_bare_number_is_seconds_and_half_a_weight_is_refused():
    service, problems = structure_service({"loadBalancer": {"responseForwarding": {"flushInterval": 5}}}, "x")
    assert problems == []
    assert unstructure(service)["loadBalancer"]["responseForwarding"] == {"flushInterval": "5s"}
    (message,) = refusals("http: {services: {s: {loadBalancer: {servers: [{url: x, weight: 1.5}]}}}}")
    assert message.startswith("http.services.s.loadBalancer.servers[0].weight: expected a whole number")


@pytest.mark.spec("R-37")
@pytest.mark.parametrize(("text", "tls"), [("true", RouterTLS()), ("{}", RouterTLS()), ("false", None), ("null", None)])
def test_tls_true_is_an_empty_block_and_tls_false_none(text, tls):
    assert document(f"http: {{routers: {{r: {{rule: x, tls: {text}}}}}}}")[0]["http.routers"]["r"].tls == tls


def test_an_unknown_key_refuses_the_document_and_is_named():
    assert refusals("http: {routers: {r: {rule: x, foo: 1}, s: {rle: y}}}", "file") == [
        "http.routers.r@file: unknown key 'foo' (field not found, node: foo)",
        "http.routers.s@file: unknown key 'rle' (field not found, node: rle); did you mean 'rule'?",
    ]


@pytest.mark.spec("P-7")
def test_a_private_key_in_the_place_of_a_key_is_not_spelled_out():
    raw = {"tls": {"certificates": [{"certFile": "a.pem", "-----BEGIN PRIVATE KEY----- MHcCAQEE": "x"}]}}
    (problem,) = structure_document(raw, KINDS, "file")[1]
    assert "MHcCAQEE" not in str(problem)
    assert "unknown key '...'" in str(problem)


def test_an_unknown_key_at_the_root_is_ignored():
    structured, problems = document("foo: 1\nhttp: {routers: {r: {rule: x}}}")
    assert problems == []
    assert list(structured["http.routers"]) == ["r"]


@pytest.mark.spec("P-8")
def test_keys_are_case_insensitive():
    structured, _ = document("HTTP: {Routers: {r: {RULE: x}}}")
    assert structured["http.routers"]["r"].rule == "x"


def test_an_unknown_section_is_refused_with_a_suggestion():
    assert refusals("http: {router: {r: {rule: x}}}") == [
        "http: unknown key 'router' (field not found, node: router); did you mean 'routers'?"
    ]


@pytest.mark.parametrize(
    "part",
    [
        "services: {s: {loadBalancer: {}}}",
        "services: {s: {loadBalancer: {servers: [], healthCheck: {}}}}",
        "services: {s: {loadBalancer: {servers: [], passiveHealthCheck: {}}}}",
        "services: {s: {loadBalancer: {servers: [], responseForwarding: {}}}}",
        "serversTransports: {t: {forwardingTimeouts: {}}}",
        "routers: {r: {observability: {}}}",
    ],
)
def test_blocks_that_need_an_option_refuse_the_document_when_empty(part):
    assert "cannot be a standalone element" in refusals(f"http: {{{part}}}")[0]


@pytest.mark.parametrize(
    "part",
    [
        "services: {s: {loadBalancer: {servers: [], strategy: odd}}}",
        "services: {s: {mirroring: {service: a, mirrors: [{name: b, percent: 101}]}}}",
        "services: {s: {loadBalancer: {servers: []}, weighted: {services: []}}}",
        "services: {s: {}}",
        "routers: {r: {rule: 'Hots(', priority: 9223372036854775807}}",
        "middlewares: {m: {}, n: {rateLimit: {average: -1}}, o: {nothing: {}}, p: {rateLimit: {burst: 2}, compress: {}}}",
    ],
)
def test_what_only_disables_an_element_does_not_refuse_the_document(part):
    structured, problems = document(f"http: {{{part}}}")
    assert structured is not None
    assert problems == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{rateLimit: {averge: 1}}",
            "m.rateLimit: unknown key 'averge' (field not found, node: averge); did you mean 'average'?",
        ),
        ("{RATELIMIT: {average: 1.5}}", "m.rateLimit.average: expected a whole number without a unit, got 1.5"),
        ("{rateLimit: {}}", "m.rateLimit: cannot be a standalone element; give it at least one option"),
        ("[rateLimit]", "m: expected a block with one middleware kind, got a list"),
    ],
)
def test_the_options_of_known_middlewares_are_checked_for_shape(text, message):
    assert refusals(f"http: {{middlewares: {{m: {text}}}}}") == [f"http.middlewares.{message}"]


def test_a_name_with_an_at_sign_closes_its_element_and_not_the_document():
    structured, (problem,) = document("http: {routers: {a@b: {rule: x}, c: {rule: y}}}", "file")
    assert problem.path == "http.routers.a@b@file"
    assert "holds '@'" in problem.message
    assert list(structured["http.routers"]) == ["c"]


@pytest.mark.parametrize(
    "raw", [[], "text", 5, {"http": []}, {"http": {"routers": []}}, {"tls": {"certificates": {"a": 1}}}]
)
def test_a_document_of_another_shape_is_refused(raw):
    structured, problems = structure_document(raw, KINDS)
    assert structured is None
    assert problems


@pytest.mark.parametrize("raw", [None, {}, {"http": None}, {"http": {"routers": {}}}, {"http": {"routers": {"r": None}}}])
def test_an_empty_document_is_a_document(raw):
    structured, problems = structure_document(raw, KINDS)
    assert structured.empty
    assert problems == []


def test_the_declared_elements_are_listed_with_their_sections_as_spelled():
    found = list(
        declared(
            load_text(
                "HTTP: {SERVERSTRANSPORTS: {T: {a: 1}}, routers: {x@y: {}}, odd: {}}\ntls: {certificates: [{}]}", "x.yml"
            )
        )
    )
    assert found == [("http.serversTransports", "T", {"a": 1}), ("tls.certificates", "0", {})]


def test_every_section_structures_an_empty_element():
    for section in SECTIONS:
        if not section.endswith(".middlewares"):
            value, problems = structure_element(section, {}, section)
            assert problems == []
            assert value == SECTIONS[section]()


def test_single_elements_tell_their_problems_with_the_path_given():
    assert structure_router({"rule": "x"}, "r") == (Router(rule="x"), [])
    assert str(structure_router({"tls": {"x": 1}}, "http.routers.r@file")[1][0]).startswith(
        "http.routers.r@file.tls: unknown key 'x'"
    )
    assert structure_service({"loadBalancer": {"servers": []}}, "s") == (Service(load_balancer=LoadBalancer()), [])
    made, _ = transport({"forwardingTimeouts": {"dialTimeout": "1s"}, "rootCAs": "a.pem", "disableHTTP2": True}, "t")
    assert made.forwarding_timeouts.dial_timeout == Duration(1.0)
    assert made.root_cas == ["a.pem"]
    assert made.disable_http2 is True


@pytest.mark.parametrize(
    "raw", [{"rateLimit": {"average": 5}}, {"RateLimit": {"AVERAGE": "5"}}, {"plugin": {"ratelimit": {"average": 5}}}]
)
def test_a_middleware_is_its_kind_and_its_config(raw):
    assert structure_middleware(raw, "m", KINDS) == ("rateLimit", LimitConfig(average=5), [])


@pytest.mark.parametrize("raw", [{"compress": {}}, {"compress": True}, {"compress": "true", "rateLimit": None}])
def test_a_kind_that_allows_it_may_be_empty(raw):
    assert structure_middleware(raw, "m", KINDS) == ("compress", CompressConfig(), [])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            {"circuitBreaker": {"expression": "x"}},
            "m.circuitBreaker: no installed plugin provides it; pip install pointsman-circuitbreaker",
        ),
        ({"ratelimt": {}}, "m.ratelimt: no installed plugin provides 'ratelimt'; did you mean 'rateLimit'?"),
        ({}, "m: invalid middleware type or middleware does not exist"),
        ({"compress": False}, "m: invalid middleware type or middleware does not exist"),
        ({"rateLimit": None}, "m: invalid middleware type or middleware does not exist"),
        (
            {"plugin": {"foo": {}}},
            "m.plugin: plugin: unknown plugin type: foo; see 'pointsman plugins' for what is installed",
        ),
        ({"plugin": {}}, "m.plugin: plugin: invalid configuration: no configuration or too many plugin definition"),
        ({"rateLimit": {"average": -1}}, "m.rateLimit.average: 'average' must be >= 0: -1"),
        ({"rateLimit": {}}, "m.rateLimit: cannot be a standalone element; give it at least one option"),
    ],
)
def test_a_middleware_that_cannot_be_made_says_why(raw, message):
    _, config, problems = structure_middleware(raw, "m", KINDS)
    assert config is None
    assert [str(problem) for problem in problems] == [message]


def test_two_kinds_under_one_name_are_refused_and_named():
    _, _, (problem,) = structure_middleware({"rateLimit": {"average": 1}, "foo": {}}, "m", KINDS)
    assert problem.message.startswith("cannot create middleware: multi-types middleware not supported")
    assert problem.message.endswith("rateLimit, foo")


KEYS = """
http tcp udp tls routers services middlewares serversTransports certificates options r s@x rateLimit compress
plugin average loadBalancer servers url weight sticky cookie healthCheck rule entryPoints domains main
"""
keys = st.sampled_from(KEYS.split())
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["true", "5s", "a,b"])
)
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5), max_leaves=25
)


@given(st.dictionaries(st.sampled_from(["http", "tcp", "udp", "tls"]), st.dictionaries(keys, documents)) | documents)
def test_no_document_raises_and_what_is_accepted_is_built_from_elements_alone(raw):
    structured, problems = structure_document(raw, KINDS, "file")
    if structured is None:
        assert problems
        return
    names = [(section, name) for section, elements in structured.sections.items() for name in elements]
    assert sorted(names) == sorted((section, name) for section, name, _ in declared(raw))
    for section, name, element in declared(raw):
        if section == "http.middlewares":
            structure_middleware(element, name, KINDS)
        else:
            assert structure_element(section, element, name)[1] == []
