"""Where the static configuration comes from."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import field, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.config.flags import read_flags
from pointsman.config.sources import Loaded, read_static
from pointsman.errors import ConfigError


@frozen
class DockerConfig:
    network: str = ""
    watch: bool = True
    namespaces: list[str] = field(factory=list)


class Docker:
    name: ClassVar[str] = "docker"
    Config: ClassVar[type] = DockerConfig

    def __init__(self, config: Any, context: Any) -> None: ...
    async def provide(self, publish: Any) -> None: ...


@frozen
class CollectorConfig:
    endpoint: str = ""


class Collector:
    name: ClassVar[str] = "otlp"
    Config: ClassVar[type] = CollectorConfig

    def __init__(self, config: Any, context: Any) -> None: ...


SECTIONS: dict[str, Any] = {"providers": {"docker": Docker}, "tracing": {"otlp": Collector, "jaeger": Collector}}


class Machine:
    """A file system with nothing in it but what a test puts there."""

    def __init__(self, root: Path) -> None:
        self.cwd, self.etc, self.home, self.xdg = (root / name for name in ("cwd", "etc", "home", "xdg"))
        self.cwd.mkdir()

    def write(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, *argv: str, **environ: str) -> Loaded:
        return read_static(argv, environ, self.cwd, SECTIONS, etc=self.etc)

    def refused(self, *argv: str, **environ: str) -> str:
        with pytest.raises(ConfigError) as caught:
            self.read(*argv, **environ)
        return str(caught.value)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def level(text: str) -> str:
    return f"log: {{level: {text}}}\n"


@pytest.mark.spec("O-1")
def test_without_any_configuration_the_defaults_are_taken_in_silence(machine):
    loaded = machine.read()
    assert loaded.source == "defaults"
    assert loaded.warnings == ()
    assert {name: point.address for name, point in loaded.config.entry_points.items()} == {"http": ":80"}
    assert loaded.config.log.level == "ERROR"


@pytest.mark.spec("O-2")
def test_a_file_wins_over_flags_and_names_those_it_leaves_out(machine):
    machine.write(machine.cwd / "my.yml", level("INFO"))
    loaded = machine.read("--configFile=my.yml", "--log.level=DEBUG", "--api", TRAEFIK_PING="true")
    assert loaded.config.log.level == "INFO"
    assert loaded.config.api is None
    assert loaded.path == machine.cwd / "my.yml"
    assert loaded.source == f"file {loaded.path}"
    texts = [str(warning) for warning in loaded.warnings]
    assert any("flags are ignored" in text and text.endswith("--log.level, --api") for text in texts)
    assert any("environment variables are ignored" in text and "TRAEFIK_PING" in text for text in texts)


@pytest.mark.spec("O-3")
def test_flags_win_over_the_environment(machine):
    loaded = machine.read("--log.level=INFO", TRAEFIK_LOG_LEVEL="DEBUG", TRAEFIK_API="true")
    assert (loaded.source, loaded.config.log.level, loaded.config.api) == ("flags", "INFO", None)


@pytest.mark.spec("O-4")
def test_the_environment_alone_is_taken(machine):
    loaded = machine.read(TRAEFIK_LOG_LEVEL="DEBUG", TRAEFIK_ENTRYPOINTS_WEB_ADDRESS=":8000")
    assert loaded.source == "environment"
    assert loaded.config.log.level == "DEBUG"
    assert {name: point.address for name, point in loaded.config.entry_points.items()} == {"web": ":8000"}


@pytest.mark.spec("O-5")
def test_toml_comes_before_yaml_and_yaml_before_yml(machine):
    machine.write(machine.cwd / "traefik.yml", level("INFO"))
    assert machine.read().config.log.level == "INFO"
    machine.write(machine.cwd / "traefik.yaml", level("WARN"))
    assert machine.read().config.log.level == "WARN"
    machine.write(machine.cwd / "traefik.toml", '[log]\nlevel = "DEBUG"\n')
    assert machine.read().config.log.level == "DEBUG"


@pytest.mark.spec("O-6")
def test_the_places_are_searched_in_order_and_own_names_come_first(machine):
    homes = {"XDG_CONFIG_HOME": str(machine.xdg), "HOME": str(machine.home)}
    places = [
        machine.cwd / "traefik.yml",
        machine.cwd / "pointsman.yml",
        machine.home / ".config" / "traefik.yml",
        machine.xdg / "traefik.yml",
        machine.xdg / "pointsman.yml",
        machine.etc / "traefik" / "traefik.yml",
        machine.etc / "pointsman" / "pointsman.yml",
    ]
    for place in places:
        machine.write(place, level("INFO"))
        assert machine.read(**homes).path == place


@pytest.mark.spec("O-7")
def test_a_missing_file_is_a_warning_and_then_the_flags_count(machine):
    loaded = machine.read("--configFile=missing.yml", "--log.level=DEBUG")
    assert (loaded.source, loaded.config.log.level) == ("flags", "DEBUG")
    assert "'missing.yml' does not exist" in str(loaded.warnings[0])
    assert "does not exist" in machine.refused("--configFile=missing.yml", "--log.level=DEBUG", "--strict")


@pytest.mark.parametrize("argv", [["--configfile", "my.yml"], ["-configFile=$DIR/my.yml"], ["--configFile=${DIR}/my.yml"]])
def test_the_file_may_be_named_in_several_ways(machine, argv):
    path = machine.write(machine.cwd / "my.yml", level("INFO"))
    assert machine.read(*argv, DIR=str(machine.cwd)).path == path


@pytest.mark.parametrize("variable", ["TRAEFIK_CONFIGFILE", "POINTSMAN_CONFIGFILE"])
def test_the_environment_may_name_the_file(machine, variable):
    machine.write(machine.cwd / "my.yml", level("INFO"))
    assert machine.read(**{variable: "my.yml"}).config.log.level == "INFO"


@pytest.mark.spec("O-8")
def test_an_unknown_key_in_the_file_is_fatal(machine):
    machine.write(machine.cwd / "traefik.yml", "api: {foo: true}")
    assert machine.refused() == "api: unknown key 'foo' (field not found, node: foo) (line 1, column 7)"


@pytest.mark.spec("O-9")
def test_an_unknown_root_key_in_the_file_warns(machine):
    machine.write(machine.cwd / "traefik.yml", "apii: {}\nlog: {level: INFO}")
    assert str(machine.read().warnings[0]) == "unknown key 'apii' is ignored; did you mean 'api'? (line 1, column 1)"
    machine.write(machine.cwd / "traefik.yml", "apii: {}")
    assert "no known section" in machine.refused()


@pytest.mark.spec("O-10")
def test_an_empty_file_is_fatal_and_so_is_another_extension(machine):
    machine.write(machine.cwd / "traefik.yml", "")
    assert "is empty" in machine.refused()
    machine.write(machine.cwd / "a.conf", "x")
    assert "unsupported file extension '.conf'" in machine.refused("--configFile=a.conf")
    machine.write(machine.cwd / "a.json", '{"log": {"level": "INFO"}}')
    assert machine.read("--configFile=a.json").config.log.level == "INFO"


def test_a_file_that_is_not_well_formed_tells_where(machine):
    machine.write(machine.cwd / "traefik.yml", "log:\n  level: a: b\n")
    assert f"{machine.cwd}/traefik.yml:2:11: " in machine.refused()


@pytest.mark.spec("O-11")
@pytest.mark.parametrize(("flag", "on"), [("--api", True), ("--api=true", True), ("--API", True), ("--api=false", False)])
def test_a_section_is_switched_by_its_flag(machine, flag, on):
    assert (machine.read(flag, "--ping").config.api is not None) is on


def test_options_of_a_section_switch_it_on(machine):
    api = machine.read("--api.dashboard=false", "--api", "-api.debug").config.api
    assert (api.dashboard, api.debug) == (False, True)


@pytest.mark.spec("O-17")
def test_a_list_given_twice_grows_in_order(machine):
    flag = "--entrypoints.web.http.middlewares"
    loaded = machine.read(
        "--entrypoints.web.address=:80", f"{flag}=a@file", "--entryPoints.web.HTTP.middlewares=b@file, c@file"
    )
    assert loaded.config.entry_points["web"].http.middlewares == ["a@file", "b@file", "c@file"]


@pytest.mark.spec("O-18")
def test_a_list_of_blocks_is_filled_by_index(machine):
    domain = "--entrypoints.web.http.tls.domains[0]"
    loaded = machine.read("--entrypoints.web.address=:80", f"{domain}.main=a.com", f"{domain}.sans=b.a.com,c.a.com")
    (found,) = loaded.config.entry_points["web"].http.tls.domains
    assert (found.main, found.sans) == ("a.com", ["b.a.com", "c.a.com"])


@pytest.mark.spec("O-19")
def test_removed_options_are_fatal_with_a_hint(machine):
    assert "experimental.http3: this option was removed" in machine.refused("--experimental.http3=true")
    assert "export by tracing.otlp instead" in machine.refused("--tracing.jaeger=true", "--strict")
    assert machine.read("--tracing.jaeger=true").config.tracing.exporters == {"jaeger": CollectorConfig()}
    machine.write(machine.cwd / "traefik.yml", "providers: {docker: {swarmMode: true}}\npilot: {token: x}")
    text = machine.refused()
    assert "providers.docker.swarmMode: this option was removed: use providers.swarm instead" in text
    assert "pilot: this option was removed" in text


def test_a_removed_option_is_told_once_whatever_its_source(machine):
    said = "experimental.http3: this option was removed: HTTP/3 needs no switch any more; leave it out"
    assert machine.refused("--experimental.http3") == said
    assert machine.refused(TRAEFIK_EXPERIMENTAL_HTTP3="true") == said
    machine.write(machine.cwd / "traefik.yml", "experimental: {http3: true}")
    assert machine.refused() == said
    machine.write(machine.cwd / "traefik.yml", "log: {level: INFO}")
    assert machine.refused("--experimental.http3").startswith(said)


def test_deprecated_options_warn(machine):
    machine.write(machine.cwd / "traefik.yml", "core: {defaultRuleSyntax: v2}\ntracing: {globalAttributes: {a: b}}")
    loaded = machine.read()
    assert [warning.path for warning in loaded.warnings] == ["core.defaultRuleSyntax", "tracing.globalAttributes"]
    assert loaded.config.tracing.resource_attributes == {"a": "b"}


def test_a_value_may_follow_as_its_own_word_also_under_a_map(machine):
    loaded = machine.read(
        "--entryPoints.Web.address",
        ":80",
        "--log.level",
        "DEBUG",
        "--entryPoints.Web.http.redirections.entryPoint.priority",
        "-5",
        "--entryPoints.Web.http.redirections.entryPoint.to=:443",
    )
    point = loaded.config.entry_points["Web"]
    assert (point.address, point.http.redirections.entry_point.priority, loaded.config.log.level) == (":80", -5, "DEBUG")


@pytest.mark.parametrize("argv", [["--api", "true"], ["run", "--api"], ["--api", "--", "--ping"], ["--log.level=INFO", "x"]])
def test_a_stray_word_fails_loudly(machine, argv):
    assert "stray word" in machine.refused(*argv)


def test_a_repeated_scalar_is_replaced(machine):
    assert machine.read("--log.level=INFO", "--log.level=DEBUG").config.log.level == "DEBUG"


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--foo", "--foo: unknown flag (field not found, node: foo)"),
        ("--entrypoint.web.address=:80", "did you mean 'entryPoints'?"),
        ("--log.levl=INFO", "--log.levl: unknown flag (field not found, node: levl); did you mean 'level'?"),
        ("--log.level.deep=1", "nothing can stand below a single value"),
        ("--log.level[0]=1", "is not a list"),
        ("--entryPoints.web=:80", "entryPoints.web: expected a block of options, got text"),
        ("--entryPoints=:80", "--entryPoints: needs to say which: --entryPoints.<name>.<option>=value"),
        ("--log.level", "--log.level: needs a value"),
        ("--providers.docker.netwrk=x", "did you mean 'network'?"),
        ("--providers.nomad.x=y", "providers.nomad: no installed plugin provides it; pip install pointsman-nomad"),
    ],
)
def test_a_flag_that_is_wrong_says_so(machine, flag, message):
    assert message in machine.refused(flag)


def test_providers_have_flags_and_variables_by_their_own_config(machine):
    loaded = machine.read(
        "--providers.docker.network=x", "--providers.docker.watch=false", "--providers.docker.namespaces=a,b"
    )
    assert loaded.config.providers.kinds == {"docker": DockerConfig("x", False, ["a", "b"])}
    assert machine.read("--providers.docker").config.providers.kinds == {"docker": DockerConfig()}
    assert machine.read(TRAEFIK_PROVIDERS_DOCKER_NETWORK="y").config.providers.kinds == {"docker": DockerConfig("y")}


def test_maps_take_free_names(machine):
    assert machine.read("--tracing.resourceAttributes.Team=blue").config.tracing.resource_attributes == {"Team": "blue"}


def test_the_own_prefix_wins_and_lists_are_not_mixed(machine):
    loaded = machine.read(
        TRAEFIK_LOG_LEVEL="DEBUG",
        POINTSMAN_LOG_LEVEL="INFO",
        TRAEFIK_PROVIDERS_PRECEDENCE="file,docker",
        POINTSMAN_PROVIDERS_PRECEDENCE="docker",
    )
    assert loaded.config.log.level == "INFO"
    assert loaded.config.providers.precedence == ["docker"]


def test_variables_that_name_no_section_are_ignored_and_near_misses_warn(machine):
    loaded = machine.read(
        TRAEFIK_FOO="x", POINTSMAN_PORT_80_TCP="tcp://", traefik_log_level="DEBUG", TRAEFIK_ENTRYPOINT_WEB_ADDRESS=":1"
    )
    assert loaded.source == "defaults"
    assert [str(warning) for warning in loaded.warnings] == [
        "TRAEFIK_ENTRYPOINT_WEB_ADDRESS: names no section and is ignored; did you mean 'ENTRYPOINTS'?"
    ]


def test_an_unknown_deeper_variable_is_fatal(machine):
    assert "TRAEFIK_LOG_LEVL: unknown option (field not found, node: levl); did you mean 'level'?" in machine.refused(
        TRAEFIK_LOG_LEVL="x"
    )


@pytest.mark.parametrize("index", ["_0_MAIN", "[0]_MAIN"])
def test_a_variable_may_index_a_list(machine, index):
    loaded = machine.read(
        **{"TRAEFIK_ENTRYPOINTS_WEB_ADDRESS": ":80", f"TRAEFIK_ENTRYPOINTS_WEB_HTTP_TLS_DOMAINS{index}": "a.com"}
    )
    assert loaded.config.entry_points["web"].http.tls.domains[0].main == "a.com"


def test_every_problem_is_told_at_once_and_the_fatal_ones_first(machine):
    machine.write(
        machine.cwd / "traefik.yml", "apii: {}\napi: {foo: 1, dashboard: yes}\nentryPoints: {web: {adress: x}}\npilot: {}"
    )
    lines = machine.refused().splitlines()
    assert len(lines) == 5
    assert "apii" in lines[-1]


def test_a_secret_is_in_no_message(machine):
    for argv in (["--certificatesresolvers.le.acme.eab.hmacEncoded.x=hush"], ["--metrics.influxdb2.token[0]=hush"]):
        assert "hush" not in machine.refused(*argv)


words = st.text(alphabet=st.sampled_from(list("-=.[]0aπ")), max_size=12)
flags = st.sampled_from(
    ["--api", "--entryPoints", "--entryPoints.web", "--log.level", "--providers.docker", "--metrics.prometheus.buckets"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(words | flags | st.tuples(flags, words).map("".join), max_size=5))
def test_no_arguments_raise_anything_but_a_config_error(machine, argv):
    read_flags(argv, SECTIONS)
    try:
        machine.read(*argv)
    except ConfigError as error:
        assert error.problems  # noqa: PT017 - either outcome is right
