"""ServersTransports and ServersTransportTCPs of a cluster (kubernetes.md §3.10)."""

import pytest

from pointsman.testing import build
from pointsman_kubernetes.crd import KubernetesCRDProvider

from .certificates import CA, PAIR
from .manifests import WEB, cluster
from .secretmanifests import AUTHORITY, CERTIFIED, a_config_map, a_secret, of

SANS = [{"type": "dns", "value": "db.example"}]
MATERIALS = {"rootCAs": [{"configMap": "ca"}, {"secret": "ca"}], "certificatesSecrets": ["cert"]}
MATERIALIZED = {"rootCAs": [CA, CA], "certificates": [{"certFile": PAIR[0], "keyFile": PAIR[1]}]}


def transports(protocol, *manifests):
    outcome = build(KubernetesCRDProvider, {}).build(cluster(WEB, *manifests))
    return outcome.document[protocol]["serversTransports"], [str(problem) for problem in outcome.problems]


def refused(spec, *manifests, kind="ServersTransport"):
    """Why there is none."""
    found, (problem,) = transports("http" if kind == "ServersTransport" else "tcp", of(kind, "t", spec), *manifests)
    assert found == {}
    start = f"{kind.lower()} default/t: is left out, and closes the services that use it: "
    assert problem.startswith(start)
    return problem.removeprefix(start)


@pytest.mark.spec("K-41")
def test_a_transport_has_its_certificates_as_text():
    spec = {
        "serverName": "db.example",
        "peerCertSANs": SANS,
        "maxIdleConnsPerHost": -1,
        "disableHTTP2": True,
        "forwardingTimeouts": {"dialTimeout": 3, "pingTimeout": "1500ms"},
        "spiffe": {},
    }
    found, problems = transports(
        "http", of("ServersTransport", "t", {**spec, **MATERIALS}), a_config_map("ca", {"ca.crt": CA}), AUTHORITY, CERTIFIED
    )

    assert problems == []
    timeouts = {"dialTimeout": "3", "pingTimeout": "1500ms"}
    assert found == {"default-t": {**spec, "forwardingTimeouts": timeouts, **MATERIALIZED}}


@pytest.mark.spec("K-42")
def test_a_tcp_transport_has_the_names_that_servers_must_prove():
    spec = {"dialKeepAlive": 0, "terminationDelay": "1s", "proxyProtocol": {}, "tls": {"peerCertSANs": SANS, **MATERIALS}}
    found, problems = transports(
        "tcp", of("ServersTransportTCP", "t", spec), a_config_map("ca", {"tls.ca": CA}), AUTHORITY, CERTIFIED
    )

    assert problems == []
    assert found == {
        "default-t": {
            "dialTimeout": "30s",
            "dialKeepAlive": "0",
            "terminationDelay": "1s",
            "proxyProtocol": {},
            "tls": {"peerCertSANs": SANS, **MATERIALIZED},
        }
    }


def test_the_deprecated_way_to_name_authorities_works():
    found, _ = transports("http", of("ServersTransport", "t", {"rootCAsSecrets": ["ca"]}), AUTHORITY)
    assert found["default-t"]["rootCAs"] == [CA]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"rootCAs": [{"secret": "none"}]}, "secret default/none: not found"),
        ({"rootCAs": [{"configMap": "none"}]}, "configmap default/none: not found"),
        ({"rootCAs": [{"secret": "ca", "configMap": "ca"}]}, "rootCAs: each must name either a 'secret' or a 'configMap'"),
        ({"rootCAs": [{}]}, "rootCAs: each must name either a 'secret' or a 'configMap'"),
        ({"rootCAs": [{"secret": "path"}]}, "secret default/path: ca.crt holds no certificate in PEM"),
        ({"certificatesSecrets": ["none"]}, "secret default/none: not found"),
        ({"peerCertSANs": "x"}, "peerCertSANs: must be a list"),
        ({"insecureSkipVerify": "no"}, "insecureSkipVerify: must be true or false"),
    ],
)
def test_a_transport_that_would_trust_others_than_it_says_is_left_out(spec, message):
    more = AUTHORITY, a_secret("path", {"ca.crt": "/etc/shadow"})
    assert refused(spec, *more) == message
    assert refused({"tls": spec}, *more, kind="ServersTransportTCP").removeprefix("tls.") == message


@pytest.mark.parametrize("kind", ["ServersTransport", "ServersTransportTCP"])
def test_a_transport_that_says_nothing_is_one_nevertheless(kind):
    (found,), _ = transports("http" if kind == "ServersTransport" else "tcp", of(kind, "t", {"forwardingTimeouts": {}}))
    assert found == "default-t"
