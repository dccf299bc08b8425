import logging
from collections import Counter

import pytest
from attrs import evolve, frozen
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.dynamic import SECTIONS, structure_document
from pointsman.control.context import Context
from pointsman.dialect.instances import Instance, Instances
from pointsman.errors import ConfigError, Problem
from pointsman.values import allow_empty


class Counting(Context):
    """The context of a provider, which counts how often the labels of each instance are read."""

    def __init__(self):
        super().__init__("docker", {})
        self.read = Counter()

    def from_labels(self, labels):
        self.read[labels.get("id", "")] += 1
        return super().from_labels(labels)


def instances(context=None, **options):
    options = {"exposed_by_default": True, "default_rule": "", "constraints": "", "kind": "docker"} | options
    return Instances(context or Counting(), **options)


def at(host="10.0.0.1", port=80):
    def address(wanted):
        if wanted is None and port is None:
            raise ValueError("port is missing")
        return host, wanted or port

    return address


def one(name="web", labels=(), *, key="", address=None, **more):
    """An instance; labels are given without `traefik.`"""
    named = {f"traefik.{label}" if label != "id" else label: value for label, value in dict(labels).items()}
    return Instance(key or f"container {name}", name, named, address or at(), **more)


def became(*given, **options):
    """What these instances become, checked for shape."""
    document, problems = instances(**options).document(given)
    structured, refused = structure_document(document, {})
    assert structured is not None, refused
    return document, problems


def section(document, path):
    root, _, key = path.partition(".")
    return document[root][key]


def servers(document, name="web", path="http.services"):
    key = "url" if path.startswith("http") else "address"
    return [server[key] for server in section(document, path)[name]["loadBalancer"]["servers"]]


def empty_but(document, *paths):
    return all(not section(document, path) for path in SECTIONS if path not in paths)


# --- what is made implicitly ---


@pytest.mark.spec("P-29")
def test_an_instance_without_labels_gets_a_router_and_a_service():
    document, problems = became(one())
    assert section(document, "http.routers")["web"]["rule"] == "Host(`web`)"
    assert section(document, "http.routers")["web"]["service"] == "web"
    assert servers(document) == ["http://10.0.0.1:80"]
    assert empty_but(document, "http.routers", "http.services")
    assert not problems


def test_no_instances_say_that_everything_is_gone():
    document, problems = became()
    assert set(SECTIONS) == {f"{root}.{key}" for root, keys in document.items() for key in keys}
    assert empty_but(document)
    assert not problems


@pytest.mark.spec("P-33")
def test_a_router_uses_the_implicit_service():
    document, problems = became(one(labels={"http.routers.a.rule": "Host(`x`)"}))
    assert section(document, "http.routers") == {"a": {"rule": "Host(`x`)", "service": "web"}}
    assert servers(document) == ["http://10.0.0.1:80"]
    assert not problems


@pytest.mark.spec("P-34")
def test_routers_without_service_are_linked_to_the_only_one():
    labels = {f"http.routers.{name}.rule": f"Host(`{name}`)" for name in "ab"}
    document, problems = became(one(labels=labels | {"http.services.s.loadBalancer.server.port": "8080"}))
    assert {router["service"] for router in section(document, "http.routers").values()} == {"s"}
    assert len(section(document, "http.routers")) == 2
    assert servers(document, "s") == ["http://10.0.0.1:8080"]
    assert not problems


TWO = {"http.services.s1.loadBalancer.server.port": "1", "http.services.s2.loadBalancer.server.port": "2"}


@pytest.mark.spec("P-35")
def test_a_router_that_could_mean_two_services_is_dropped():
    labels = TWO | {"http.routers.a.rule": "Host(`a`)", "http.routers.b.service": "s2"}
    document, [problem] = became(one(labels=labels))
    assert problem.path == "container web: http.routers.a"
    assert "Router a cannot be linked automatically with multiple Services: s1, s2" in problem.message
    assert not problem.warning
    assert set(section(document, "http.routers")) == {"b"}
    assert set(section(document, "http.services")) == {"s1", "s2"}


@pytest.mark.spec("P-36")
def test_two_services_and_no_router_make_none(caplog):
    with caplog.at_level(logging.INFO):
        document, problems = became(one(labels=TWO))
    assert section(document, "http.routers") == {}
    assert set(section(document, "http.services")) == {"s1", "s2"}
    assert not problems
    assert "container web: could not create a router: too many services" in caplog.text


@pytest.mark.spec("P-45")
def test_tcp_alone_makes_nothing_for_http():
    labels = {"tcp.routers.t.rule": "HostSNI(`*`)", "tcp.services.d.loadBalancer.server.port": "5432"}
    document, problems = became(one(labels=labels))
    assert section(document, "tcp.routers") == {"t": {"rule": "HostSNI(`*`)", "service": "d"}}
    assert servers(document, "d", "tcp.services") == ["10.0.0.1:5432"]
    assert empty_but(document, "tcp.routers", "tcp.services")
    assert not problems


@pytest.mark.parametrize(
    ("labels", "made"),
    [
        ({"tcp.routers.t.rule": "HostSNI(`*`)"}, {"tcp.routers.t", "tcp.services.web"}),
        ({"tcp.services.d.loadBalancer.server.port": "1"}, {"tcp.services.d"}),
        ({"udp.routers.u.entryPoints": "dns"}, {"udp.routers.u", "udp.services.web"}),
        ({"udp.services.d.loadBalancer.server.port": "1"}, {"udp.services.d"}),
        (
            {"tcp.routers.t.rule": "HostSNI(`*`)", "http.middlewares.m.addPrefix.prefix": "/x"},
            {"tcp.routers.t", "tcp.services.web", "http.middlewares.m", "http.routers.web", "http.services.web"},
        ),
        (
            {"udp.routers.u.entryPoints": "dns", "http.routers.r.rule": "Host(`a`)"},
            {"udp.routers.u", "udp.services.web", "http.routers.r", "http.services.web"},
        ),
        (
            {"http.middlewares.m.addPrefix.prefix": "/x"},
            {"http.middlewares.m", "http.routers.web", "http.services.web"},
        ),
        (
            {"tcp.middlewares.m.inFlightConn.amount": "1"},
            {"tcp.middlewares.m", "http.routers.web", "http.services.web"},
        ),
        (
            {"tls.stores.default.defaultGeneratedCert.resolver": "le"},
            {"tls.stores.default", "http.routers.web", "http.services.web"},
        ),
        (
            {"http.services.s.loadBalancer.server.port": "1"},
            {"http.routers.web", "http.services.s"},
        ),
    ],
)
def test_what_labels_leave_out_is_made(labels, made):
    document, problems = became(one(labels=labels))
    assert {f"{path}.{name}" for path in SECTIONS for name in section(document, path)} == made
    assert not problems


def test_an_implicit_router_uses_no_middlewares():
    document, _ = became(one(labels={"http.middlewares.m.addPrefix.prefix": "/x"}))
    assert "middlewares" not in section(document, "http.routers")["web"]


def test_a_tcp_router_without_rule_is_dropped_and_a_udp_router_needs_none():
    labels = {"tcp.routers.t.entryPoints": "db", "tcp.routers.u.rule": "HostSNI(`*`)", "udp.routers.u.entryPoints": "dns"}
    document, [problem] = became(one(labels=labels))
    assert str(problem).startswith("container web: tcp.routers.t: Empty rule")
    assert set(section(document, "tcp.routers")) == {"u"}
    assert section(document, "udp.routers") == {"u": {"entryPoints": ["dns"], "service": "web"}}


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_others_routers_are_linked_alike(protocol):
    labels = {f"{protocol}.services.{name}.loadBalancer.server.port": "1" for name in ("s1", "s2")}
    labels |= {f"{protocol}.routers.a.rule": "HostSNI(`*`)", f"{protocol}.routers.b.rule": "HostSNI(`b`)"}
    if protocol == "udp":
        labels = {label.replace(".rule", ".entryPoints"): value for label, value in labels.items()}
    document, [problem] = became(one(labels=labels | {f"{protocol}.routers.b.service": "s1"}))
    assert "Router a cannot be linked automatically with multiple Services: s1, s2" in str(problem)
    assert set(section(document, f"{protocol}.routers")) == {"b"}


# --- addresses and servers ---


@pytest.mark.spec("P-38")
def test_an_instance_without_port_is_left_out_and_others_are_used():
    document, [problem] = became(one("a", address=at(port=None)), one("b"))
    assert str(problem) == "container a: service 'a' error: port is missing; it is left out"
    assert set(section(document, "http.services")) == set(section(document, "http.routers")) == {"b"}


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ({}, {"url": "http://10.0.0.1:80"}),
        ({"port": "8080"}, {"url": "http://10.0.0.1:8080"}),
        ({"port": ""}, {"url": "http://10.0.0.1:80"}),
        ({"scheme": "h2c", "port": "1"}, {"url": "h2c://10.0.0.1:1"}),
        ({"weight": "7", "preservePath": "true"}, {"url": "http://10.0.0.1:80", "weight": 7, "preservePath": True}),
        ({"url": "http://else.where:1/x", "weight": "2"}, {"url": "http://else.where:1/x", "weight": 2}),
    ],
)
def test_a_server_is_what_its_block_and_the_address_say(server, expected):
    labels = {f"http.services.s.loadBalancer.server.{key}": value for key, value in server.items()}
    document, problems = became(one(labels=labels))
    name = "s" if server else "web"
    assert section(document, "http.services")[name]["loadBalancer"] == {"servers": [expected]}
    assert not problems


def test_a_url_needs_no_address():
    labels = {"http.services.s.loadBalancer.server.url": "http://else.where"}
    document, problems = became(one(labels=labels, address=at(port=None)))
    assert servers(document, "s") == ["http://else.where"]
    assert not problems


@pytest.mark.parametrize("more", [{"port": "1"}, {"scheme": "http"}])
def test_a_url_excludes_port_and_scheme(more):
    block = {"url": "http://else.where"} | more
    labels = {f"http.services.s.loadBalancer.server.{key}": value for key, value in block.items()}
    _, [problem] = became(one(labels=labels))
    assert "service 's' error: defining scheme or port is not allowed when URL is defined" in problem.message


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http", "80/tcp", "8 0"])
@pytest.mark.parametrize("protocol", ["http", "tcp", "udp"])
def test_a_port_that_is_none_leaves_the_instance_out(protocol, port):
    document, [problem] = became(one(labels={f"{protocol}.services.s.loadBalancer.server.port": port}))
    assert f"server.port is '{port}'; expected a number from 1 to 65535" in problem.message
    assert empty_but(document)


def test_addresses_of_ipv6_stand_in_brackets():
    labels = {"tcp.services.t.loadBalancer.server.port": "1", "udp.services.u.loadBalancer.server.port": "2"}
    labels |= {"http.services.s.loadBalancer.server.scheme": "https"}
    document, _ = became(one(labels=labels, address=at("fd00::7", 443)))
    assert servers(document, "s") == ["https://[fd00::7]:443"]
    assert servers(document, "t", "tcp.services") == ["[fd00::7]:1"]
    assert servers(document, "u", "udp.services") == ["[fd00::7]:2"]


def test_a_tcp_server_keeps_its_tls():
    labels = {"tcp.services.t.loadBalancer.server.tls": "true"}
    document, _ = became(one(labels=labels))
    assert section(document, "tcp.services")["t"]["loadBalancer"] == {"servers": [{"address": "10.0.0.1:80", "tls": True}]}


def test_options_of_a_load_balancer_are_kept():
    labels = {"http.services.s.loadBalancer.sticky.cookie.name": "c", "http.services.s.loadBalancer.strategy": "p2c"}
    document, _ = became(one(labels=labels))
    assert section(document, "http.services")["s"]["loadBalancer"] == {
        "sticky": {"cookie": {"name": "c"}},
        "strategy": "p2c",
        "servers": [{"url": "http://10.0.0.1:80"}],
    }


@pytest.mark.parametrize("protocol", ["http", "tcp", "udp"])
def test_a_service_without_load_balancer_leaves_the_instance_out(protocol):
    document, [warning, problem] = became(one(labels={f"{protocol}.services.s.weighted.x": "1"}))
    assert warning.path == f"container web: traefik.{protocol}.services.s.weighted"
    assert str(problem) == "container web: service 's' error: load-balancer is not defined; it is left out"
    assert empty_but(document)


@pytest.mark.spec("P-47")
@pytest.mark.spec("P-48")
def test_an_empty_instance_keeps_its_services_without_servers():
    labels = {"http.services.s.loadBalancer.server.port": "8080", "http.routers.r.rule": "Host(`a`)"}
    labels |= {"tcp.routers.t.rule": "HostSNI(`*`)", "udp.routers.u.entryPoints": "dns"}
    document, problems = became(one(labels=labels, empty=True, address=at(port=None)))
    assert (
        servers(document, "s") == servers(document, "web", "tcp.services") == servers(document, "web", "udp.services") == []
    )
    assert section(document, "http.routers")["r"]["service"] == "s"
    assert not problems


def test_a_transport_means_tls():
    labels = {"tcp.routers.t.rule": "HostSNI(`*`)", "http.routers.r.rule": "Host(`a`)", "udp.routers.u.entryPoints": "x"}
    labels |= {"http.services.s.loadBalancer.server.scheme": "http"}
    document, _ = became(one(labels=labels, transport="tls-mesh"))
    assert section(document, "http.services")["s"]["loadBalancer"] == {
        "serversTransport": "tls-mesh", "servers": [{"url": "https://10.0.0.1:80"}]
    }  # fmt: skip
    assert section(document, "tcp.services")["web"]["loadBalancer"] == {
        "serversTransport": "tls-mesh", "servers": [{"address": "10.0.0.1:80", "tls": True}]
    }  # fmt: skip
    assert section(document, "udp.services")["web"]["loadBalancer"] == {"servers": [{"address": "10.0.0.1:80"}]}


# --- exposure and constraints ---


@pytest.mark.spec("P-31")
@pytest.mark.parametrize(
    ("by_default", "value", "expected"),
    [
        (True, None, True),
        (True, "false", False),
        (True, "F", False),
        (True, "true", True),
        (False, None, False),
        (False, "true", True),
        (False, "TRUE", True),
        (False, "1", True),
        (False, "0", False),
    ],
)
def test_an_instance_counts_if_it_is_exposed(by_default, value, expected):
    labels = {} if value is None else {"enable": value}
    several = instances(exposed_by_default=by_default)
    instance = one(labels=labels)
    document, problems = several.document([instance])
    assert several.exposed(instance.labels) is expected
    assert set(section(document, "http.routers")) == ({"web"} if expected else set())
    assert not problems


def test_the_enable_label_may_be_written_in_any_case():
    assert not instances().exposed({"traefik.Enable": "false"})


@pytest.mark.parametrize("value", ["yes", "", "maybe"])
def test_an_enable_label_that_makes_no_sense_is_told(value):
    several = instances(exposed_by_default=False)
    instance = one(labels={"enable": value})
    assert several.exposed(instance.labels)
    document, [problem] = several.document([instance, one("b", {"enable": "true"})])
    assert problem.path == "container web: traefik.enable"
    assert "expected true or false" in problem.message
    assert set(section(document, "http.routers")) == {"b"}


@pytest.mark.spec("P-46")
def test_constraints_judge_labels():
    constraints = "Label(`tier`,`front`) && !LabelRegex(`env`,`^dev`)"
    several = instances(constraints=constraints)
    given = [
        Instance(f"container {name}", name, labels, at())
        for name, labels in (
            ("a", {"tier": "front"}),
            ("b", {"tier": "front", "env": "dev1"}),
            ("c", {"tier": "front", "env": "mydev"}),
            ("d", {"env": "prod"}),
        )
    ]
    document, problems = several.document(given)
    assert set(section(document, "http.routers")) == {"a", "c"}
    assert [several.exposed(instance.labels) for instance in given] == [True, False, True, False]
    assert not problems


def test_who_is_kept_out_is_not_read():
    context = Counting()
    document, problems = instances(context, constraints="Label(`a`, `b`)").document(
        [one(labels={"http.routers.r.bad": "1", "enable": "nonsense"})]
    )
    assert empty_but(document)
    assert not problems
    assert not context.read


def test_constraints_judge_tags():
    several = instances(constraints="Tag(`public`)", by_tags=True, kind="nomad")
    document, _ = several.document([one("a", tags=("public",)), one("b", tags=("private",)), one("c")])
    assert set(section(document, "http.routers")) == {"a"}
    assert several.exposed({}, ["public"])
    assert not several.exposed({})


def test_a_typo_in_constraints_stops_the_provider():
    with pytest.raises(ConfigError) as caught:
        instances(constraints="Label(`a`, `b`) && Foo(`c`)")
    [problem] = caught.value.problems
    assert problem.path == "providers.docker.constraints"
    assert problem.message.startswith("unsupported function: 'Foo' at column 20")


# --- the default rule ---


def rules(default_rule, *given):
    document, problems = became(*given, default_rule=default_rule)
    return {name: router["rule"] for name, router in section(document, "http.routers").items()}, problems


@pytest.mark.spec("P-53")
@pytest.mark.parametrize(("labels", "expected"), [({"dom": "shop.org"}, "Host(`shop.org`)"), ({}, "Host(`web`)")])
def test_a_default_rule_may_use_labels(labels, expected):
    instance = Instance("container web", "web", labels, at())
    assert rules('Host(`{{ index .Labels "dom" | default .Name }}`)', instance) == ({"web": expected}, [])


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", "Host(`My-App-Été-9-x`)"),
        ("Host(`{{ .Name }}`)", "Host(`My_App.Été-9--x`)"),
        ("Host(`{{ .ContainerName }}`)", "Host(`c1`)"),
        ("Host(`{{ .Labels.missing }}`)", "Host(`<no value>`)"),
        ('Host(`{{ index .Labels "a.b" }}`)', "Host(`c`)"),
        ('Host(`{{ index .Labels "missing" }}x`)', "Host(`x`)"),
        ('{{ (split "_" .Name)._0 }}', "My"),
        ('{{ if hasKey .Labels "a.b" }}yes{{ end }}', "yes"),
    ],
)
def test_a_default_rule_sees_what_is_known(template, expected):
    instance = Instance("container x", "My_App.Été-9--x", {"a.b": "c"}, at(), fields={"ContainerName": "c1"})
    assert rules(template, instance) == ({"My_App.Été-9--x": expected}, [])


def test_only_routers_of_the_default_rule_have_a_loop_guard():
    document, _ = became(one(labels={"http.routers.a.rule": "Host(`a`)", "http.routers.b.priority": "7"}))
    assert {name: router.get("loopGuard") for name, router in section(document, "http.routers").items()} == {
        "a": None,
        "b": True,
    }


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ .Nope }}", "Error while parsing default rule: providers.docker.defaultRule:1:"),
        ('{{ index .Name "x" }}', "Error while parsing default rule"),
        ('{{ fail "never" }}', "never"),
        ("{{ if false }}x{{ end }}", "Undefined rule"),
        (' {{ index .Labels "missing" }}\n', "Undefined rule"),
    ],
)
def test_a_router_without_a_rule_is_dropped_and_its_service_stays(template, text):
    given = one(labels={"http.routers.b.rule": "Host(`b`)", "http.routers.a.priority": "7"})
    document, [problem] = became(given, default_rule=template)
    assert problem.path == "container web: http.routers.a"
    assert text in problem.message
    assert set(section(document, "http.routers")) == {"b"}
    assert set(section(document, "http.services")) == {"web"}


def test_a_rule_that_fails_for_one_instance_does_for_no_other():
    given = [Instance(key, key, labels, at()) for key, labels in (("a", {"n": "1"}), ("b", {"n": "x"}))]
    found, [problem] = rules('{{ if eq (index .Labels "n") "x" }}{{ fail "no" }}{{ end }}Host(`{{ .Name }}`)', *given)
    assert found == {"a": "Host(`a`)"}
    assert problem.path == "b: http.routers.b"


@pytest.mark.spec("P-28")
@pytest.mark.parametrize("template", ["Host(`{{ .Name `)", "{{ nope .Name }}", "{{ if }}"])
def test_a_default_rule_that_is_none_stops_the_provider(template):
    with pytest.raises(ConfigError) as caught:
        instances(default_rule=template)
    assert caught.value.problems[0].path.startswith("providers.docker.defaultRule:1:")


# --- several instances ---


@pytest.mark.spec("P-39")
def test_replicas_become_one_service():
    labels = {"http.routers.r.rule": "Host(`a`)", "http.services.s.loadBalancer.strategy": "p2c"}
    given = [one(f"web{n}", labels, address=at(f"10.0.0.{n}")) for n in (2, 1, 3)]
    document, problems = became(*given, one("web4", labels, address=at("10.0.0.2")))
    assert section(document, "http.routers") == {"r": {"rule": "Host(`a`)", "service": "s"}}
    assert servers(document, "s") == ["http://10.0.0.1:80", "http://10.0.0.2:80", "http://10.0.0.3:80"]
    assert section(document, "http.services")["s"]["loadBalancer"]["strategy"] == "p2c"
    assert not problems


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_other_replicas_become_one_service_too(protocol):
    labels = {f"{protocol}.services.s.loadBalancer.server.port": "1"}
    document, problems = became(*(one(f"web{n}", labels, address=at(f"10.0.0.{n}")) for n in (1, 2)))
    assert servers(document, "s", f"{protocol}.services") == ["10.0.0.1:1", "10.0.0.2:1"]
    assert not problems


def test_a_replica_without_server_adds_none():
    document, _ = became(one(key="a", empty=True), one(key="b"), one(key="c", empty=True))
    assert servers(document) == ["http://10.0.0.1:80"]


@pytest.mark.spec("P-40")
def test_routers_that_differ_are_both_gone_and_their_services_stay():
    given = [one(name, {"http.routers.r.rule": f"Host(`{name}`)"}) for name in ("a", "b")]
    document, [problem] = became(*given)
    assert section(document, "http.routers") == {}
    assert set(section(document, "http.services")) == {"a", "b"}
    assert problem.path == "http.routers.r"
    assert "HTTP router defined multiple times with different configurations" in problem.message
    assert "container a, container b" in problem.message
    assert not problem.warning


@pytest.mark.parametrize(
    ("word", "path", "label", "values"),
    [
        ("HTTP service", "http.services", "http.services.x.loadBalancer.strategy", ("wrr", "p2c")),
        ("HTTP middleware", "http.middlewares", "http.middlewares.x.addPrefix.prefix", ("/a", "/b")),
        ("TCP router", "tcp.routers", "tcp.routers.x.rule", ("HostSNI(`a`)", "HostSNI(`b`)")),
        ("TCP service", "tcp.services", "tcp.services.x.loadBalancer.serversTransport", ("a", "b")),
        ("TCP middleware", "tcp.middlewares", "tcp.middlewares.x.inFlightConn.amount", ("1", "2")),
        ("UDP router", "udp.routers", "udp.routers.x.entryPoints", ("a", "b")),
        ("TLS store", "tls.stores", "tls.stores.default.defaultGeneratedCert.resolver", ("a", "b")),
    ],
)
def test_whatever_differs_is_gone(word, path, label, values):
    first, second = values
    given = [
        one(labels={label: value}, key=f"container {key}") for key, value in zip("abc", (first, first, second), strict=True)
    ]
    document, [problem] = became(*given)
    name = label.split(".")[2]
    assert name not in section(document, path)
    assert problem.message.startswith(f"{word} defined multiple times with different configurations: by container a,")
    assert "container b, container c;" in problem.message
    agreed, problems = became(*given[:2])
    assert set(section(agreed, path)) == {name}
    assert not problems


def test_a_default_that_is_written_out_is_no_difference():
    given = [
        one("a", {"http.routers.r.rule": "Host(`a`)", "http.services.s.loadBalancer.strategy": "wrr"}),
        one("b", {"http.routers.r.rule": "Host(`a`)", "http.services.s.loadBalancer.passHostHeader": "true"}),
        one("c", {"http.routers.r.rule": "Host(`a`)", "http.routers.r.priority": "0", "http.routers.r.service": "s"}),
    ]
    document, problems = became(*given)
    assert set(section(document, "http.routers")) == {"r"}
    assert len(servers(document, "s")) == 1
    assert not problems


def test_many_who_disagree_are_counted():
    given = [one(f"n{n:02}", {"http.middlewares.m.addPrefix.prefix": f"/{n}"}) for n in range(14)]
    _, [problem] = became(*given)
    assert "container n09 and 4 more;" in problem.message


def test_a_router_may_use_the_service_of_another_instance():
    given = [one("a", {"http.routers.r.service": "b"}), one("b")]
    document, problems = became(*given)
    assert section(document, "http.routers")["r"]["service"] == "b"
    assert not problems


@pytest.mark.spec("P-32")
def test_a_misspelt_enable_leaves_its_instance_out():
    document, [problem] = became(one("a", {"enabled": "true"}), one("b"))
    assert set(section(document, "http.routers")) == {"b"}
    assert problem.path == "container a: traefik.enabled"
    assert "field not found, node: enabled" in problem.message


def test_bad_labels_leave_their_instance_out():
    given = [one("a", {"http.routers.r.bad": "1"}), one("b", {"htttp.x": "1"})]
    document, problems = became(*given)
    assert set(section(document, "http.routers")) == {"b"}
    assert [problem.path for problem in problems] == [
        "container a: traefik.http.routers.r.bad",
        "container b: traefik.htttp.x",
    ]
    assert "unknown key 'bad'" in problems[0].message
    assert [problem.warning for problem in problems] == [False, True]


@frozen
class Inner:
    depth: int = 0


class Fussy:
    """A middleware that needs at least one option."""

    name = "fussy"

    @frozen
    class Config:
        inner: Inner | None = allow_empty(default=None)


def test_what_would_refuse_the_document_leaves_its_instance_out():
    labels = {"http.middlewares.m.fussy.inner": "false"}
    several = instances(Context("docker", {"fussy": Fussy}))
    document, [problem] = several.document([one("a", labels), one("b", labels | {"http.middlewares.m.fussy.inner": "true"})])
    assert problem.path.startswith("container a: http.middlewares.m")
    assert section(document, "http.middlewares") == {"m": {"fussy": {"inner": {}}}}
    assert set(section(document, "http.routers")) == {"b"}
    assert structure_document(document, {"fussy": Fussy})[0] is not None


def test_problems_of_the_provider_come_first():
    mine = Problem("container z", "has no network", warning=True)
    _, problems = instances().document([one(address=at(port=None))], [mine])
    assert problems[0] is mine
    assert len(problems) == 2


# --- own options ---


@frozen
class Own:
    network: str = ""
    allow_non_running: bool = False


def test_own_options_are_structured():
    labels = {"traefik.docker.network": "b", "traefik.Docker.AllowNonRunning": "true", "traefik.dockerx": "", "a": "b"}
    assert instances().own(labels, Own) == Own("b", True)
    assert instances().own({}, Own) == Own()
    assert instances(kind="swarm").own(labels, Own, section="docker") == Own("b", True)
    assert instances(kind="swarm").own(labels, Own) == Own()


@pytest.mark.parametrize(
    ("label", "value", "text"),
    [
        ("netwrk", "x", "unknown key 'netwrk'"),
        ("network.x", "x", "unknown key 'network.x'"),
        ("allowNonRunning", "yes", "expected true or false"),
    ],
)
def test_own_options_that_are_wrong_are_told(label, value, text):
    with pytest.raises(ConfigError) as caught:
        instances().own({f"traefik.docker.{label}": value}, Own)
    assert "traefik.docker" in str(caught.value)
    assert text in str(caught.value)


# --- what is remembered ---


def test_only_what_changed_is_read_again():
    context = Counting()
    several = instances(context)
    given = [one(f"n{n}", {"id": f"n{n}"}) for n in range(5)]
    first, _ = several.document(given)
    given[2] = one("n2", {"id": "n2", "http.routers.r.rule": "Host(`x`)"})
    second, _ = several.document([*map(evolve, given[:4])])
    assert context.read == {"n0": 1, "n1": 1, "n2": 2, "n3": 1, "n4": 1}
    assert set(section(second, "http.services")) == {"n0", "n1", "n2", "n3"}
    assert section(second, "http.services")["n0"] is section(first, "http.services")["n0"]
    several.document(given)
    assert context.read["n4"] == 2, "what was gone is forgotten"


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {"traefik.http.routers.x.rule": "Host(`x`)"}},
        {"name": "other"},
        {"fields": {"ContainerName": "x"}},
        {"address": at("10.0.0.9")},
        {"address": at(port=None)},
        {"empty": True},
        {"transport": "t"},
        {"tags": ("a",)},
    ],
)
def test_whatever_changed_is_seen(change):
    several = instances(default_rule="Host(`{{ .Name }}{{ .ContainerName }}`)", constraints="!Tag(`a`)", by_tags=True)
    before = one(fields={"ContainerName": "c"})
    after = evolve(before, **change)
    first, _ = several.document([before])
    second, _ = several.document([after])
    assert second != first
    assert several.document([before])[0] == first


def test_an_address_that_was_missing_is_asked_for_again():
    several = instances()
    assert len(several.document([one(address=at(port=None))])[1]) == 1
    document, problems = several.document([one(address=at(port=81))])
    assert servers(document) == ["http://10.0.0.1:81"]
    assert not problems


def test_labels_that_are_changed_in_place_are_seen():
    several, labels = instances(), {"traefik.enable": "true"}
    instance = Instance("container web", "web", labels, at())
    several.document([instance])
    labels["traefik.enable"] = "false"
    assert empty_but(several.document([instance])[0])


LABELS = st.dictionaries(
    st.sampled_from(
        (
            "enable",
            "http.routers.a.rule",
            "http.routers.b.priority",
            "http.routers.a.service",
            "http.services.s.loadbalancer.server.port",
            "http.services.t.loadbalancer.strategy",
            "http.services.s.loadbalancer.server.url",
            "http.middlewares.m.addprefix.prefix",
            "tcp.routers.a.rule",
            "tcp.services.s.loadbalancer.server.tls",
            "udp.routers.a.entrypoints",
            "udp.services.s.loadbalancer.server.port",
            "tls.stores.default.defaultgeneratedcert.resolver",
        )
    ),
    st.sampled_from(("true", "false", "1", "80", "x", "")),
    max_size=5,
)
FOUND = st.lists(
    st.builds(
        lambda name, labels, port, empty: one(name, labels, address=at(port=port), empty=empty),
        st.sampled_from("abc"),
        LABELS,
        st.sampled_from((80, 81, None)),
        st.booleans(),
    ),
    max_size=3,
    unique_by=lambda instance: instance.key,
)


@given(st.lists(FOUND, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_what_is_remembered_changes_nothing_and_order_does_not_either(rounds, random):
    several = instances()
    for present in rounds:
        shuffled = random.sample(present, len(present))
        document, problems = became(*shuffled)
        assert several.document(present) == (document, problems)
        assert all(
            set(element) <= {"rule", "service", "priority", "loopGuard"} for element in document["http"]["routers"].values()
        )
