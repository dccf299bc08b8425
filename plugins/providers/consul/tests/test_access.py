"""How an agent is reached: options, environment, and what is refused."""

import pytest

from pointsman.errors import ConfigError
from pointsman.testing import build
from pointsman_consul import Consul, ConsulCatalog
from pointsman_consul.access import Wanted, reach
from pointsman_consul.catalog_config import ConsulCatalogConfig
from pointsman_consul.kv import ConsulConfig


@pytest.fixture(autouse=True)
def without_environment(monkeypatch):
    for name in ("HTTP_ADDR", "HTTP_TOKEN", "HTTP_TOKEN_FILE", "HTTP_AUTH", "HTTP_SSL", "CACERT", "NAMESPACE"):
        monkeypatch.delenv(f"CONSUL_{name}", raising=False)


def wanted(**options):
    return Wanted(
        path="providers.consul", address_path="providers.consul.endpoints", tls_path="providers.consul.tls", **options
    )


@pytest.mark.parametrize(
    ("address", "url", "socket"),
    [
        ("", "http://127.0.0.1:8500", ""),
        ("consul.example:8501", "http://consul.example:8501", ""),
        ("https://consul.example/behind/", "https://consul.example/behind", ""),
        ("[::1]:8500", "http://[::1]:8500", ""),
        ("unix:///run/consul.sock", "http://localhost", "/run/consul.sock"),
    ],
)
def test_an_address_is_written_as_for_consuls_own_tools(address, url, socket):
    access = reach(wanted(address=address))
    assert (access.url, access.socket) == (url, socket)
    assert (access.tls is not None) == url.startswith("https")


def test_the_environment_counts_where_an_option_is_not_given(monkeypatch, tmp_path):
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "10.0.0.1:8500")
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", "from-environment")
    monkeypatch.setenv("CONSUL_HTTP_AUTH", "me:secret")
    monkeypatch.setenv("CONSUL_HTTP_SSL", "true")
    monkeypatch.setenv("CONSUL_NAMESPACE", "east")

    access = reach(wanted())
    assert access.url == "https://10.0.0.1:8500"
    assert access.headers == {"X-Consul-Token": "from-environment", "Authorization": "Basic bWU6c2VjcmV0"}
    assert access.query == {"ns": "east"}

    access = reach(
        wanted(address="10.0.0.2:80", scheme="http", token="mine", namespace="west", username="you", datacenter="dc2")
    )
    assert access.url == "http://10.0.0.2:80"
    assert access.headers == {"X-Consul-Token": "mine", "Authorization": "Basic eW91Og=="}
    assert access.query == {"dc": "dc2", "ns": "west"}


def test_a_file_of_the_environment_holds_the_token_unless_there_is_one(monkeypatch):
    monkeypatch.setenv("CONSUL_HTTP_TOKEN_FILE", "/run/token")
    assert reach(wanted()).token_file == "/run/token"
    assert reach(wanted(token="mine")).token_file == ""


@pytest.mark.parametrize(
    ("provider", "options", "problem"),
    [
        (Consul, {"endpoints": ["a:1", "b:1"]}, "providers.consul.endpoints: names several agents"),
        (Consul, {"endpoints": ["ftp://a"]}, "providers.consul.endpoints: 'ftp://a' is no address of an agent"),
        (Consul, {"endpoints": ["unix://x"]}, "providers.consul.endpoints: is no path of a socket"),
        (Consul, {"endpoints": ["a:0"]}, "providers.consul.endpoints: 'a:0' is no address"),
        (Consul, {"endpoints": ["http://a:1"], "tls": {"insecureSkipVerify": True}}, "providers.consul.tls: has no effect"),
        (Consul, {"tls": {"cert": "a.pem"}}, "providers.consul.tls: both TLS cert and key must be defined"),
        (Consul, {"rootKey": "/"}, "providers.consul.rootKey: names no key"),
        (ConsulCatalog, {"stale": True, "requireConsistent": True}, "providers.consulCatalog.stale: contradicts"),
        (ConsulCatalog, {"connectByDefault": True}, "providers.consulCatalog.connectByDefault: leaves no service"),
        (ConsulCatalog, {"refreshInterval": 0}, "providers.consulCatalog.refreshInterval: must be more than 0"),
        (ConsulCatalog, {"strictChecks": ["good"]}, "providers.consulCatalog.strictChecks: 'good' is no state"),
        (ConsulCatalog, {"prefix": ""}, "providers.consulCatalog.prefix: cannot be empty"),
        (ConsulCatalog, {"endpoint": {"scheme": "tcp"}}, "providers.consulCatalog.endpoint.scheme: is 'tcp'"),
        (
            ConsulCatalog,
            {"endpoint": {"endpointWaitTime": "1h"}},
            "providers.consulCatalog.endpoint.endpointWaitTime: must be",
        ),
        (ConsulCatalog, {"constraints": "Label(`a`, `b`)"}, "providers.consulCatalog.constraints: "),
        (ConsulCatalog, {"defaultRule": "{{ nope }}"}, "providers.consulCatalog.defaultRule"),
    ],
)
def test_options_that_cannot_be_used_are_refused_with_their_path(provider, options, problem):
    with pytest.raises(ConfigError) as refused:
        build(provider, options)
    assert str(refused.value).startswith(problem)


@pytest.mark.parametrize(
    ("provider", "options"),
    [
        (Consul, {"endpoints": ["http://me:s3cret@a"]}),
        (Consul, {"token": "s3cret\nX-Other: 1"}),
        (ConsulCatalog, {"endpoint": {"address": "me:s3cret@a:1"}}),
    ],
)
def test_no_secret_is_in_a_refusal(provider, options):
    with pytest.raises(ConfigError) as refused:
        build(provider, options)
    assert "s3cret" not in str(refused.value)


def test_a_flag_of_the_environment_is_true_or_false(monkeypatch):
    monkeypatch.setenv("CONSUL_HTTP_SSL", "perhaps")
    with pytest.raises(ConfigError, match="CONSUL_HTTP_SSL: is 'perhaps', and should be true or false"):
        build(Consul, {})


@pytest.mark.spec("P-60")
def test_each_namespace_is_a_provider_of_its_own():
    assert Consul.instances(ConsulConfig()) == {"consul": ConsulConfig()}
    assert Consul.instances(ConsulConfig(namespaces=["b", "a", "b"])) == {
        "consul-b": ConsulConfig(namespaces=["b"]),
        "consul-a": ConsulConfig(namespaces=["a"]),
    }
    assert list(ConsulCatalog.instances(ConsulCatalogConfig(namespaces=["ns1"]))) == ["consulcatalog-ns1"]
    assert list(ConsulCatalog.instances(ConsulCatalogConfig())) == ["consulcatalog"]
    with pytest.raises(ConfigError, match=r"providers\.consul\.namespaces: cannot be '\*'"):
        Consul.instances(ConsulConfig(namespaces=["a", "*"]))
