"""Which engine is asked: options and environment (providers.md §5.1, §7 row 11)."""

import pytest

from pointsman import Secret
from pointsman.errors import ConfigError
from pointsman_docker.config import DEFAULT_ENDPOINT, DockerConfig
from pointsman_docker.endpoint import endpoint
from pointsman_docker.engine import agreed

ENVIRONMENT = {
    "DOCKER_HOST": "tcp://10.0.0.1:2376",
    "DOCKER_API_VERSION": "1.40",
    "DOCKER_CERT_PATH": "/certs/",
    "DOCKER_TLS_VERIFY": "1",
}


def found(written=DEFAULT_ENDPOINT, environment=(), **options):
    return endpoint(DockerConfig(endpoint=written, **options), dict(environment), "providers.docker")


@pytest.mark.parametrize(
    ("written", "base"),
    [
        ("tcp://10.0.0.1", "http://10.0.0.1:2375"),
        ("http://docker.test:80/behind/", "http://docker.test:80/behind"),
        ("HTTPS://[fd00::1]", "https://[fd00::1]:2376"),
    ],
)
def test_by_tcp(written, base):
    assert found(written).base == base


def test_by_a_unix_socket():
    assert found().socket == "/var/run/docker.sock"
    assert found("unix:///run/a b.sock").socket == "/run/a b.sock"


def test_a_tls_block_makes_it_tls():
    tls = found(environment=ENVIRONMENT).tls

    assert found("tcp://a", tls=tls).base == "https://a:2376"
    assert found("http://a:1", tls=tls).tls is tls


def test_the_environment_counts_where_no_endpoint_is_configured():
    engine = found(environment=ENVIRONMENT)

    assert (engine.base, engine.version) == ("https://10.0.0.1:2376", "1.40")
    assert (engine.tls.ca, engine.tls.cert, engine.tls.key) == ("/certs/ca.pem", "/certs/cert.pem", "/certs/key.pem")
    assert engine.tls.insecure_skip_verify is False
    assert found(environment={**ENVIRONMENT, "DOCKER_TLS_VERIFY": ""}).tls.insecure_skip_verify is True


def test_what_is_configured_wins_over_the_environment():
    engine = found("tcp://other:1", ENVIRONMENT)

    assert (engine.base, engine.version, engine.tls) == ("http://other:1", "", None)


def test_by_ssh_as_dockers_own_client_does():
    usual = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-T")

    assert found("ssh://host").command == (*usual, "--", "host", "docker", "system", "dial-stdio")
    assert found("ssh://me@host:22/run/d.sock").command == (
        *usual, "-l", "me", "-p", "22", "--", "host", "docker", "--host", "unix:///run/d.sock", "system", "dial-stdio",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("npipe:////./pipe/docker_engine", "write unix:///path"),
        ("/var/run/docker.sock", "write unix:///path"),
        ("", "write unix:///path"),
        ("unix://run/docker.sock", "needs the path of a socket"),
        ("tcp://", "needs a host"),
        ("tcp://host?x=1", "needs a host, and no query"),
        ("tcp://host:port", "port"),
        ("tcp://host:99999", "Port"),
        ("ssh://me:hush@host", "must not hold a password"),
    ],
)
def test_what_is_no_endpoint_is_refused_with_its_path_and_without_its_password(written, why):
    with pytest.raises(ConfigError, match=rf"^providers\.docker\.endpoint: .*{why}") as refused:
        found(written)
    assert "hush" not in str(refused.value)


def test_a_password_in_the_url_is_used_and_not_shown():
    engine = found("http://me:hu%20sh@host")

    assert (engine.user, engine.password, engine.base) == ("me", "hu sh", "http://host:2375")
    assert "hu" not in engine.shown.replace("http", "")


def test_user_and_password_go_together():
    with pytest.raises(ConfigError, match=r"^providers\.docker: username and password go together"):
        found(username="me")
    assert found(username="me", password=Secret("x")).password == "x"


@pytest.mark.parametrize(
    ("theirs", "spoken"),
    [("1.41", "1.41"), ("1.24", "1.24"), ("1.99", "1.52"), ("2.0", "1.52"), ("", "1.24"), ("x", "1.24"), ("1.2.3", "1.24")],
)
def test_the_version_is_the_newest_that_both_speak(theirs, spoken):
    assert agreed(theirs) == spoken
