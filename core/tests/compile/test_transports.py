"""`serversTransport`: what connections are made with, what is left out with a word, and what closes its services."""

from typing import Any

import pytest
import trustme

from pointsman.compile import Compiled, Compiler, Surroundings
from pointsman.config.entrypoint_model import EntryPoint
from pointsman.config.static import Static, StaticServersTransport
from pointsman.deadlines import Deadlines
from pointsman.plugins import load_registry
from pointsman.upstream.transport import TransportSettings
from pointsman.values import FileOrContent

ROOT = trustme.CA().cert_pem.bytes().decode()


def compiled(
    transport: dict[str, Any], static: StaticServersTransport | None = None, url: str = "https://127.0.0.1:1"
) -> Compiled:
    """One router over a service that uses transport `t`."""
    around = Static(entry_points={"web": EntryPoint(":80")}, servers_transport=static or StaticServersTransport())
    compiler = Compiler(Surroundings(around, load_registry(entry_point_plugins=False), Deadlines()))
    server = {"loadBalancer": {"servers": [{"url": url}], "serversTransport": "t"}}
    return compiler.compile_now(
        {
            "http.routers": {"r@file": {"rule": "PathPrefix(`/`)", "service": "s"}},
            "http.services": {"s@file": server},
            "http.serversTransports": {"t@file": transport},
        }
    )


def settings(**transport: Any) -> TransportSettings:
    return compiled(transport).transports["t@file"].transport.settings


def words(found: Compiled) -> dict[str, str]:
    """The state of the transport, the service and the router."""
    return {
        section: found.statuses[f"http.{section}"][f"{name}@file"].word
        for section, name in (("serversTransports", "t"), ("services", "s"), ("routers", "r"))
    }


def test_the_defaults_are_the_dialects() -> None:
    made = settings(disableHTTP2=False)
    assert (made.max_idle, made.dial_timeout, made.response_header_timeout, made.idle_timeout) == (2, 30.0, 0.0, 90.0)
    assert (made.read_idle_timeout, made.ping_timeout, made.http2, made.tls.verifies) == (0.0, 15.0, True, True)


def test_everything_that_is_said_reaches_the_connections() -> None:
    timeouts = {
        "dialTimeout": "1s",
        "responseHeaderTimeout": "2s",
        "idleConnTimeout": "3s",
        "readIdleTimeout": "4s",
        "pingTimeout": "5s",
    }
    made = settings(forwardingTimeouts=timeouts, disableHTTP2=True, maxIdleConnsPerHost=7, serverName="n.test")
    assert (made.dial_timeout, made.response_header_timeout, made.idle_timeout) == (1.0, 2.0, 3.0)
    assert (made.read_idle_timeout, made.ping_timeout) == (4.0, 5.0)
    assert (made.http2, made.max_idle, made.tls.server_name) == (False, 7, "n.test")


@pytest.mark.parametrize(("configured", "kept"), [(0, 2), (-1, 0), (5, 5)])
def test_a_negative_number_of_idle_connections_means_none(configured: int, kept: int) -> None:
    assert settings(maxIdleConnsPerHost=configured).max_idle == kept


@pytest.mark.parametrize(
    ("transport", "warning"),
    [
        ({"rootCAs": ["/nowhere.pem", ROOT]}, "rootCAs[0]: left out: the file /nowhere.pem cannot be read"),
        ({"certificates": [{"certFile": "c.pem", "keyFile": "secret"}]}, "certificates[0]: left out: certificate: the file"),
        ({"certificates": [{"certFile": ROOT, "keyFile": "secret"}]}, "certificates[0]: left out: key: it is no PEM text"),
    ],
)
def test_a_certificate_that_cannot_be_read_is_left_out_and_told(transport: dict[str, Any], warning: str) -> None:
    found = compiled(transport)
    assert [str(problem) for problem in found.problems if warning in str(problem)]
    assert "secret" not in str(found.problems)
    assert words(found) == {"serversTransports": "warning", "services": "enabled", "routers": "enabled"}


@pytest.mark.parametrize(
    ("transport", "message"),
    [
        ({"cipherSuites": ["TLS_X"]}, "http.serversTransports.t@file: unknown cipher suite 'TLS_X'"),
        ({"minVersion": "1.2"}, "http.serversTransports.t@file: unknown TLS version '1.2'"),
        ({"minVersion": "VersionTLS13", "maxVersion": "VersionTLS12"}, "is above the maximum"),
        ({"spiffe": {}}, "http.serversTransports.t@file.spiffe: is not supported by this version"),
        ({"peerCertSANs": [{"type": "Email", "value": "a@b"}]}, "peerCertSANs[0].type: unknown type 'Email'"),
    ],
)
def test_a_broken_transport_closes_its_services_and_never_falls_back(transport: dict[str, Any], message: str) -> None:
    found = compiled({"insecureSkipVerify": True, **transport})
    assert any(message in str(problem) for problem in found.problems), found.problems
    assert words(found) == dict.fromkeys(("serversTransports", "services", "routers"), "disabled")


def test_a_minimum_version_alone_drops_nothing() -> None:
    made = settings(minVersion="VersionTLS12", insecureSkipVerify=True)
    assert not made.tls.verifies


def test_a_server_that_speaks_only_what_its_transport_disables_is_told() -> None:
    found = compiled({"disableHTTP2": True}, url="h2c://127.0.0.1:1")
    assert [problem.path for problem in found.problems] == ["http.services.s@file.loadBalancer.servers[0].url"]
    assert words(found)["services"] == "warning"
    assert not compiled({"insecureSkipVerify": True}, url="h2c://127.0.0.1:1").problems


def test_the_static_transport_is_told_about_too() -> None:
    static = StaticServersTransport(root_cas=[FileOrContent("/nowhere.pem")], insecure_skip_verify=True)
    found = compiled({"disableHTTP2": True}, static)
    assert [str(problem) for problem in found.problems] == [
        "serversTransport.rootCAs[0]: left out: the file /nowhere.pem cannot be read: No such file or directory"
    ]


def test_limits_that_have_no_effect_are_named() -> None:
    made = compiled({"forwardingTimeouts": {"readTimeout": "1s", "writeTimeout": "2s"}})
    assert words(made) == {"serversTransports": "warning", "services": "enabled", "routers": "enabled"}
    assert [str(problem) for problem in made.problems] == [
        f"http.serversTransports.t@file.forwardingTimeouts.{key}: has no effect; give the service timeouts.idle"
        for key in ("readTimeout", "writeTimeout")
    ]
