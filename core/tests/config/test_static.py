"""The static configuration: its defaults, and what is wrong with its meaning."""

import re
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config import checks
from pointsman.config.checks import check
from pointsman.config.entrypoint_model import Listen, parse_address
from pointsman.config.help import flag_help
from pointsman.config.implied import with_implied
from pointsman.config.load import load_text
from pointsman.config.static import PRECEDENCE, Static, print_static, structure_static
from pointsman.errors import Problem
from pointsman.values import Secret, Url, option


@frozen
class DockerConfig:
    endpoint: Url = option(default=Url("unix:///var/run/docker.sock"))
    watch: bool = True
    password: Secret = Secret("")


class Docker:
    """Containers and their labels."""

    name: ClassVar[str] = "docker"
    Config: ClassVar[type] = DockerConfig

    def __init__(self, config: Any, context: Any) -> None: ...
    async def provide(self, publish: Any) -> None: ...


@frozen
class CollectorConfig:
    endpoint: str = "https://localhost:4318"
    headers: dict[str, Secret] = field(factory=dict)


class Collector:
    """A collector of spans."""

    name: ClassVar[str] = "otlp"
    Config: ClassVar[type] = CollectorConfig

    def __init__(self, config: Any, context: Any) -> None: ...
    async def export(self, spans: Any) -> None: ...


@frozen
class BoardConfig:
    buckets: list[float] = field(factory=lambda: [0.1, 5.0])
    entry_point: str = "traefik"
    manual_routing: bool = False


class Board:
    """A board that is asked."""

    name: ClassVar[str] = "prometheus"
    Config: ClassVar[type] = BoardConfig

    def __init__(self, config: Any, context: Any) -> None: ...


SECTIONS: dict[str, Any] = {
    "providers": {"docker": Docker},
    "metrics": {"prometheus": Board},
    "tracing": {"otlp": Collector},
    "log": {"otlp": Collector},
    "accessLog": {"otlp": Collector},
}


def problems(text: str) -> list[str]:
    """Errors and warnings of a configuration, from its shape and its meaning."""
    static, found = structure_static(load_text(text, "x.yml"), SECTIONS)
    return [str(problem) for problem in [*found, *(check(static) if static else [])]]


def made(text: str) -> Static:
    static, found = structure_static(load_text(text, "x.yml"), SECTIONS)
    assert static is not None
    assert [problem for problem in [*found, *check(static)] if not problem.warning] == []
    return with_implied(static)[0]


@pytest.mark.spec("O-1")
def test_nothing_at_all_is_one_entry_point_on_port_80():
    static, notes = with_implied(Static())
    assert {name: point.address for name, point in static.entry_points.items()} == {"http": ":80"}
    assert static.log.level == "ERROR"
    assert notes == []
    assert static.worker_count >= 1
    assert static.providers.precedence == list(PRECEDENCE)


def test_the_defaults_of_an_entry_point_are_the_documented_ones():
    point = made("entryPoints: {web: {address: ':80'}}").entry_points["web"]
    assert point.transport.responding_timeouts.read_timeout == 60
    assert point.transport.responding_timeouts.idle_timeout == 180
    assert point.transport.life_cycle.grace_time_out == 10
    assert (point.http.max_header_bytes, point.http.sanitize_path, point.http2.max_concurrent_streams) == (
        1048576,
        True,
        250,
    )
    assert (point.http3, point.http.tls, point.http.encoded_characters, point.udp.timeout) == (None, None, None, 3)


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        (":80", Listen("", 80)),
        ("127.0.0.1:8080", Listen("127.0.0.1", 8080)),
        ("[::1]:80/TCP", Listen("::1", 80)),
        ("localhost:0", Listen("localhost", 0)),
        (":53/Udp", Listen("", 53, "udp")),
    ],
)
def test_an_address_is_host_port_and_protocol(text, listen):
    assert parse_address(text) == listen


@pytest.mark.spec("O-21")
@pytest.mark.parametrize(
    "text", ["127.0.0.1:1/sctp", "abc", "", ":", ":80/", "1.2.3.4", "::1:80", ":99999", ":80/tcp/udp", "a b:80", ":٣"]
)
def test_other_addresses_are_refused_with_their_path(text):
    found = problems(f"entryPoints: {{web: {{address: {text!r}, asDefault: true}}}}")
    assert len(found) == 1
    assert found[0].startswith("entryPoints.web.address: ")


def test_an_entry_point_without_an_address_is_refused():
    assert "needs an address" in problems("entryPoints: {web: {}}")[0]


@pytest.mark.spec("O-8")
def test_an_unknown_key_below_the_root_is_fatal():
    assert problems("api: {foo: true}") == ["api: unknown key 'foo' (field not found, node: foo)"]


@pytest.mark.spec("O-9")
def test_an_unknown_root_key_warns_and_alone_is_fatal():
    static, (warning,) = structure_static({"apii": {}, "api": {}}, {})
    assert static.api is not None
    assert warning.warning
    assert str(warning) == "unknown key 'apii' is ignored; did you mean 'api'?"
    static, found = structure_static({"apii": {}}, {})
    assert static is None
    assert "no known section" in found[-1].message


@pytest.mark.spec("O-10")
@pytest.mark.parametrize("raw", [None, {}, [], "x"])
def test_an_empty_configuration_is_fatal(raw):
    static, found = structure_static(raw, {})
    assert static is None
    assert "is empty" in found[0].message


@pytest.mark.spec("O-11")
@pytest.mark.parametrize(("text", "on"), [("", False), ("{}", True), ("true", True), ("false", False), ("no", False)])
def test_the_api_is_on_when_its_section_is(text, on):
    assert (made(f"api: {text}\nlog: {{}}").api is not None) is on


@pytest.mark.spec("O-12")
def test_metrics_needs_an_exporter():
    assert "metrics cannot be a standalone element" in problems("metrics: {}")[0]
    assert problems("metrics: true") == ["metrics: expected a block of options, got true"]
    for text in ("{prometheus: {}}", "{Prometheus: true}", "{addInternals: true, prometheus: {}}"):
        assert made(f"metrics: {text}").metrics.exporters == {"prometheus": BoardConfig()}


def test_a_metrics_exporter_is_a_plugin():
    assert problems("metrics: {influxDB2: {}}") == [
        "metrics.influxDB2: no installed plugin provides it; pip install pointsman-influxdb2"
    ]
    assert problems("metrics: {prometheus: {bucket: [1]}}")[0].startswith("metrics.prometheus: unknown key 'bucket'")
    assert "did you mean 'prometheus'?" in problems("metrics: {promtheus: {}}")[0]
    static = made("metrics: {prometheus: {buckets: [1]}, maxLabelValues: 7}")
    assert print_static(static)["metrics"] == {
        "addInternals": False,
        "maxLabelValues": 7,
        "prometheus": {"buckets": [1.0], "entryPoint": "traefik", "manualRouting": False},
    }


@pytest.mark.spec("O-13")
def test_yes_is_no_boolean():
    assert problems("api: {dashboard: yes}") == ["api.dashboard: expected true or false, got 'yes'"]
    for word in ('"true"', "1", "TRUE"):
        assert made(f"api: {{dashboard: {word}}}").api.dashboard is True


@pytest.mark.spec("O-14")
def test_a_duration_without_a_unit_is_seconds():
    assert made("accessLog: {filters: {minDuration: 10}}").access_log.filters.min_duration == 10
    assert made("accessLog: {filters: {minDuration: 1h2m3.5s}}").access_log.filters.min_duration == 3723.5
    assert problems("accessLog: {filters: {minDuration: 1.5}}")
    assert problems("accessLog: {filters: {minDuration: 5x}}")


@pytest.mark.spec("O-15")
def test_a_size_with_a_unit_is_refused():
    (message,) = problems("entryPoints: {web: {address: ':80', http: {maxHeaderBytes: 1k}}}")
    assert message.startswith("entryPoints.web.http.maxHeaderBytes: ")


@pytest.mark.spec("O-16")
def test_trusted_addresses_may_be_one_text():
    static = made("entryPoints: {web: {address: ':80', forwardedHeaders: {trustedIPs: '10.0.0.1, 10.0.0.2'}}}")
    assert static.entry_points["web"].forwarded_headers.trusted_ips == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.spec("O-22")
def test_proxy_protocol_needs_somebody_to_trust():
    (message,) = problems("entryPoints: {web: {address: ':80', proxyProtocol: {}}}")
    assert message.startswith("entryPoints.web.proxyProtocol: no trusted IPs provided")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ping: {terminatingStatusCode: 20}", "ping.terminatingStatusCode: must be a status from 200 to 599, got 20"),
        ("ping: {awaitProviders: -1s}", "ping.awaitProviders: must not be negative, got -1s"),
        ("tracing: {sampleSlow: -1s}", "tracing.sampleSlow: must not be negative, got -1s; 0 is off"),
    ],
)
def test_a_number_that_would_mean_something_else_is_refused(text, said):
    assert problems(text) == [said]


@pytest.mark.spec("O-23")
@pytest.mark.parametrize("section", ["log", "accessLog"])
def test_otlp_logs_need_their_switch(section):
    assert problems(f"{section}: {{otlp: {{}}}}") == [f"{section}.otlp: needs experimental.otlpLogs: true"]
    assert problems(f"{section}: {{otlp: {{}}}}\nexperimental: {{otlpLogs: true}}") == []


def test_an_unknown_log_level_only_warns():
    static, _ = structure_static({"log": {"level": "chatty"}}, {})
    (problem,) = check(static)
    assert problem.warning
    assert str(problem) == "log.level: unknown level 'chatty'; ERROR is used"


@pytest.mark.parametrize("area", ["upstream", "providers.file", "pointsman", "pointsman.server.tcp", "plugin.m@file"])
def test_levels_of_areas_that_there_are(area):
    assert problems(f"log: {{levels: {{{area}: DEBUG}}}}") == []


@pytest.mark.parametrize("area", ["upstraem", "pointsman.upstraem.tcp"])
def test_the_level_of_an_unknown_area_only_warns(area):
    static, _ = structure_static({"log": {"levels": {area: "DEBUG"}}}, {})
    (problem,) = check(static)
    assert problem.warning
    assert str(problem) == f"log.levels.{area}: no area of the log begins with 'upstraem'; did you mean 'upstream'?"


def test_every_area_that_says_something_may_have_a_level():
    source = Path(checks.__file__).parents[1]
    said = {
        area for path in source.rglob("*.py") for area in re.findall(r'Logger\(f?"pointsman\.([a-z]+)', path.read_text())
    }
    assert len(said) > 9
    assert said - {"testing"} <= set(checks.AREAS)


@pytest.mark.spec("P-5")
def test_an_unknown_provider_in_the_precedence_is_fatal():
    (message,) = problems("providers: {precedence: [bogus]}")
    assert message == 'providers.precedence: provider "bogus" is not a valid provider name'
    assert made("providers: {precedence: 'Docker, FILE'}").providers.precedence == ["docker", "file"]
    assert made("providers: {precedence: consulCatalog-east}").providers.precedence == ["consulcatalog-east"]
    assert "bogus-east" in problems("providers: {precedence: [bogus-east]}")[0]


WEB = "entryPoints: {web: {address: ':80', %s}}"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (WEB % "forwardedHeaders: {trustedIPs: [10.0.0.0/33]}", "entryPoints.web.forwardedHeaders.trustedIPs"),
        (WEB % "proxyProtocol: {trustedIPs: [x]}", "entryPoints.web.proxyProtocol.trustedIPs"),
        (WEB % "http2: {maxConcurrentStreams: -1}", "entryPoints.web.http2.maxConcurrentStreams"),
        (WEB % "http3: {advertisedPort: -1}", "entryPoints.web.http3.advertisedPort"),
        ("entryPoints: {u: {address: ':53/udp', udp: {timeout: 0}}}", "entryPoints.u.udp.timeout"),
        (WEB % "http: {aliasHeadersStrategy: drop}", "entryPoints.web.http.aliasHeadersStrategy"),
        (WEB % "http: {underscoreHeadersStrategy: drop}", "entryPoints.web.http.underscoreHeadersStrategy"),
        (
            WEB % "http: {aliasHeadersStrategy: keep, underscoreHeadersStrategy: delete}",
            "entryPoints.web.http.aliasHeadersStrategy",
        ),
        ("api: {basePath: 'x y'}", "api.basePath"),
        ('api: {basePath: "/x\\n"}', "api.basePath"),
        ("certificatesResolvers: {le: {acme: {email: a}, tailscale: {}}}", "certificatesResolvers.le"),
        ("certificatesResolvers: {le: {acme: {storage: ''}}}", "certificatesResolvers.le.acme.storage"),
        (
            "certificatesResolvers: {le: {acme: {certificatesDuration: 0}}}",
            "certificatesResolvers.le.acme.certificatesDuration",
        ),
        ("certificatesResolvers: {le: {acme: {clientTimeout: 1}}}", "certificatesResolvers.le.acme.clientTimeout"),
        ("certificatesResolvers: {le: {}}", "certificatesResolvers.le"),
        ("ocsp: {responderOverrides: {'http://a': ''}}", "ocsp.responderOverrides.http://a"),
        ("core: {defaultRuleSyntax: v4}", "core.defaultRuleSyntax"),
        ("experimental: {plugins: {a: {version: '1'}}, localPlugins: {a: {moduleName: x}}}", "experimental"),
        ("accessLog: {filters: {statusCodes: ['500-499']}}", "accessLog.filters.statusCodes"),
        ("metrics: {prometheus: {}, maxLabelValues: 0}", "metrics.maxLabelValues"),
        ("workers: 0", "workers"),
    ],
)
def test_what_a_configuration_must_not_say(text, path):
    static, found = structure_static(load_text(text, "x.yml"), SECTIONS)
    fatal = [problem.path for problem in [*found, *check(static)] if not problem.warning]
    assert fatal == [path]


@pytest.mark.parametrize(
    ("redirect", "place", "words"),
    [
        ("{to: webb}", "to", "non-existing entry point: webb; did you mean 'web'?"),
        ("{to: ':99999'}", "to", "':99999' is not a port"),
        ("{to: ':0'}", "to", "':0' is not a port"),
        ("{permanent: false}", "to", "needs an entry point"),
        ("{to: ':443', scheme: 'h t'}", "scheme", "'h t' is not a scheme"),
    ],
)
def test_a_redirect_to_nowhere_ends_the_start(redirect, place, words):
    static, _ = structure_static(load_text(WEB % f"http: {{redirections: {{entryPoint: {redirect}}}}}", "x.yml"), {})
    (problem,) = check(static)
    assert not problem.warning
    assert problem.path == f"entryPoints.web.http.redirections.entryPoint.{place}"
    assert words in problem.message


@pytest.mark.parametrize("raw", ["{}", "true", "{endpoint: 'tcp://h', watch: 'false'}"])
def test_a_provider_is_structured_by_its_own_config(raw):
    config = made(f"providers: {{DOCKER: {raw}}}").providers.kinds["docker"]
    assert isinstance(config, DockerConfig)


def test_a_provider_that_is_not_installed_names_the_package():
    assert problems("providers: {consulCatalog: {}}") == [
        "providers.consulCatalog: no installed plugin provides it; pip install pointsman-consul"
    ]
    assert "did you mean 'docker'?" in problems("providers: {dokcer: {}}")[0]
    assert problems("providers: {docker: {netwrk: x}}")[0].startswith("providers.docker: unknown key 'netwrk'")
    assert "pip install" not in problems("providers: {plugin: {mine: {a: 1}}}")[0]
    assert made("providers: {plugin: {docker: {}}}").providers.plugin == {"docker": DockerConfig()}


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("ping: {}", True),
        ("api: {insecure: true}", True),
        ("metrics: {prometheus: {}}", True),
        ("metrics: {prometheus: {manualRouting: true}}", False),
        ("metrics: {prometheus: {entryPoint: web}}", False),
        ("api: {}", False),
        ("ping: {entryPoint: web}", False),
        ("ping: {manualRouting: true}", False),
    ],
)
def test_the_internal_entry_point_is_there_when_it_is_needed(text, needed):
    points = made(f"entryPoints: {{web: {{address: ':80'}}}}\n{text}").entry_points
    assert ("traefik" in points) is needed
    if needed:
        assert points["traefik"].address == ":8080"


def test_an_own_internal_entry_point_is_kept():
    static = made("entryPoints: {traefik: {address: '127.0.0.1:9000'}}\nping: {}")
    assert static.entry_points["traefik"].address == "127.0.0.1:9000"
    assert list(static.entry_points) == ["traefik"]


def test_the_default_entry_points():
    text = "entryPoints: {b: {address: ':1'}, a: {address: ':2'%s}, u: {address: ':3/udp'}, traefik: {address: ':4'}}"
    assert made(text % "").default_entry_points == ["a", "b"]
    assert made(text % ", asDefault: true").default_entry_points == ["a"]
    assert made(text % "").udp_entry_points == ["u"]


def test_global_not_append_is_the_default_of_all_entry_points():
    static = made(WEB % "" + "\nglobal: {notAppendXForwardedFor: true}")
    assert static.entry_points["web"].forwarded_headers.not_append_x_forwarded_for is True


@pytest.mark.parametrize("text", ["{}", "true", "{sampleRate: 0.5}", "{otlp: {}}", "{OTLP: true}"])
def test_traces_go_over_otlp_unless_another_way_is_named(text):
    tracing = made(f"tracing: {text}").tracing
    assert tracing is not None
    assert tracing.exporters == {"otlp": CollectorConfig()}


@pytest.mark.parametrize(
    ("written", "shown", "used"),
    [("2", "2", 1), ("-0.5", "-0.5", 0), ("1e300", "1e+300", 1), ("0.25", "", 0.25)],
)
def test_a_rate_that_is_no_share_is_told_once_with_what_is_used_instead(written, shown, used):
    static = made(f"tracing: {{sampleRate: {written}}}")
    assert static.tracing is not None
    assert static.tracing.share == used
    told = [Problem("tracing.sampleRate", f"must be a share from 0 to 1, got {shown}; {used} is used", warning=True)]
    assert check(static) == (told if shown else [])


def test_an_exporter_is_structured_by_its_own_config():
    static = made("tracing: {serviceName: shop, otlp: {endpoint: 'http://c', headers: {token: abc}}}")
    assert static.tracing is not None
    assert static.tracing.service_name == "shop"
    assert static.tracing.exporters == {"otlp": CollectorConfig("http://c", {"token": Secret("abc")})}
    assert print_static(static)["tracing"]["otlp"] == {"endpoint": "http://c", "headers": {"token": "REDACTED"}}


def test_keys_in_queries_of_collectors_are_not_shown():
    static = made("tracing: {otlp: {endpoint: 'https://c/v1?Api-Key=abc&format=zipkin'}}")
    assert print_static(static)["tracing"]["otlp"]["endpoint"] == "https://c/v1?Api-Key=REDACTED&format=REDACTED"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{otlp: {grpc: {}}}", "tracing.otlp: unknown key 'grpc'"),
        ("{zipkin: {}}", "tracing.zipkin: no installed plugin provides it; pip install pointsman-zipkin"),
        ("{otpl: {}}", "(field not found, node: otpl); did you mean 'otlp'?"),
        ("{exporters: {otlp: {}}}", "tracing: unknown key 'exporters'"),
        ("{otlp: 7}", "tracing.otlp: expected a block"),
    ],
)
def test_what_tracing_cannot_mean_is_told(text, said):
    _, (problem,) = structure_static(load_text(f"tracing: {text}", "x.yml"), SECTIONS)
    assert said in str(problem)


def test_without_the_package_for_otlp_tracing_says_what_to_install():
    static, (problem,) = structure_static({"tracing": {}}, {})
    assert static is None
    assert str(problem) == "tracing.otlp: no installed plugin provides it; pip install pointsman-otlp"


def test_tracing_that_is_off_is_off():
    assert made("tracing: false\nworkers: 1").tracing is None


def test_the_older_name_of_resource_attributes_still_counts():
    assert made("tracing: {globalAttributes: {a: b}}").tracing.resource_attributes == {"a": "b"}


def test_the_printed_configuration_shows_providers_and_hides_secrets():
    static = made(
        "providers: {docker: {password: hush}}\ncertificatesResolvers: {le: {acme: {eab: {hmacEncoded: hush}}}}\nlog: {}"
    )
    printed = print_static(static)
    assert printed["providers"]["docker"]["password"] == "REDACTED"
    assert "hush" not in str(printed)
    assert printed["entryPoints"]["http"]["transport"]["respondingTimeouts"]["readTimeout"] == "1m0s"


def test_every_flag_has_a_row():
    rows = {flag: rest for flag, *rest in flag_help(SECTIONS)}
    assert rows["--entryPoints.<name>.transport.respondingTimeouts.readTimeout"][:2] == ["duration", "1m0s"]
    assert rows["--entryPoints.<name>.http.tls.domains[0].sans"][0] == "list of string"
    assert rows["--providers.docker.watch"][:2] == ["bool", "true"]
    assert rows["--providers.docker"] == ["switch", "", "Containers and their labels."]
    assert rows["--providers.docker.endpoint"][0] == "URL"
    assert rows["--api"][0] == "switch"
    assert rows["--tracing.otlp"] == ["switch", "", "A collector of spans."]
    assert "--tracing.exporters" not in "".join(rows)
    assert rows["--metrics.prometheus.buckets"][:2] == ["list of float", "0.1, 5.0"]
    assert rows["--tracing.resourceAttributes.<name>"][0] == "string"


KEYS = """
entryPoints web address http tls providers docker plugin precedence log level api metrics prometheus otlp grpc
tracing workers certificatesResolvers acme storage experimental odd
"""
keys = st.sampled_from(KEYS.split())
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["true", ":80", "file"])
)


@given(
    st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5), max_leaves=25)
)
def test_no_data_makes_the_static_configuration_raise(raw):
    static, found = structure_static(raw, SECTIONS)
    if static is None:
        assert found
    elif all(problem.warning for problem in check(static)):
        complete, _ = with_implied(static)
        assert complete.default_entry_points or complete.entry_points
        assert print_static(complete)
