"""TLSOptions, TLSStores and certificates of a cluster (kubernetes.md §3.9)."""

import pytest

from pointsman.testing import build
from pointsman_kubernetes.crd import KubernetesCRDProvider
from pointsman_kubernetes.kinds import TLS_OPTION
from pointsman_kubernetes.objects import Objects

from .certificates import CA, PAIR
from .manifests import WEB, cluster
from .secretmanifests import AUTHORITY, CERTIFIED, a_secret, of

STRICT = {"clientAuth": {"secretNames": ["ca"], "clientAuthType": "RequireAndVerifyClientCert"}}
CLOSED = {"clientAuth": {"clientAuthType": "RequireAndVerifyClientCert"}}
SERVED = {"certFile": PAIR[0], "keyFile": PAIR[1]}


def tls(*manifests, **config):
    """The section, and what is wrong."""
    outcome = build(KubernetesCRDProvider, config).build(cluster(WEB, *manifests))
    return outcome.document["tls"], [str(problem) for problem in outcome.problems]


def test_an_option_is_what_its_object_says():
    spec = {
        "minVersion": "VersionTLS13",
        "cipherSuites": ["TLS_AES_128_GCM_SHA256"],
        "sniStrict": True,
        "preferServerCipherSuites": None,
        **STRICT,
    }
    section, problems = tls(of("TLSOption", "strict.one", spec), AUTHORITY)

    assert problems == []
    assert section["options"] == {
        "default-strict.one": {
            "minVersion": "VersionTLS13",
            "cipherSuites": ["TLS_AES_128_GCM_SHA256"],
            "sniStrict": True,
            "clientAuth": {"caFiles": [CA], "clientAuthType": "RequireAndVerifyClientCert"},
        }
    }
    assert list(tls(of("TLSOption", "strict", {}), safeNaming=True)[0]["options"]) == ["default_strict"]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"tls.ca": CA, "ca.crt": "x"}, True),
        ({"ca.crt": CA, "other": "x"}, True),
        ({"other": CA}, True),
        ({"a": CA, "b": CA}, False),
        ({}, False),
        ({"ca.crt": "/etc/ssl/certs/ca.pem"}, False),
    ],
)
def test_the_authority_is_tls_ca_or_ca_crt_or_the_only_key(data, found):
    section, problems = tls(of("TLSOption", "strict", STRICT), a_secret("ca", data))
    assert bool(section["options"]) is found
    assert bool(problems) is not found


def test_an_option_that_lacks_one_of_its_authorities_is_left_out():
    spec = {"clientAuth": {"secretNames": ["ca", "none"], "clientAuthType": "VerifyClientCertIfGiven"}}
    section, problems = tls(of("TLSOption", "strict", spec), AUTHORITY)

    assert section["options"] == {}
    assert problems == [
        "tlsoption default/strict: is left out, and closes the routers that use it: secret default/none: not found"
    ]


def test_a_default_option_that_lacks_an_authority_trusts_nobody():
    section, problems = tls(of("TLSOption", "default", STRICT))

    assert section["options"] == {"default": CLOSED}
    assert problems == [
        "tlsoption default/default: is the default one, and closes the routers with TLS that name no other: "
        "secret default/ca: not found"
    ]


@pytest.mark.parametrize("spec", ["x", {"clientAuth": []}, {"clientAuth": {"secretNames": "ca"}}, {"sniStrict": "yes"}])
def test_an_option_of_the_wrong_shape_is_left_out(spec):
    section, problems = tls(of("TLSOption", "strict", spec))
    assert section["options"] == {}
    assert len(problems) == 1


@pytest.mark.spec("K-80")
def test_where_options_cannot_be_read_the_default_one_may_be_any():
    def options(**known):
        outcome = build(KubernetesCRDProvider, {}).build(Objects({}, (), {TLS_OPTION: "it is forbidden"}, **known))
        return outcome.document["tls"]["options"], len(outcome.problems)

    assert options() == ({"default": CLOSED}, 1)
    assert options(absent=[TLS_OPTION]) == ({}, 0)


@pytest.mark.spec("K-38")
def test_of_two_default_options_none_is_used():
    two = [of("TLSOption", "default", {"minVersion": f"VersionTLS1{at}"}, f"ns{at}") for at in (2, 3)]
    section, problems = tls(*two)

    assert section["options"] == {}
    assert problems == [
        f"tlsoption {one}/default: is not used: {other}/default is called so, too; keep one of them, or set "
        "defaultTLSResourcesNamespace"
        for one, other in (("ns2", "ns3"), ("ns3", "ns2"))
    ]


def test_of_two_default_options_the_one_that_asks_for_certificates_is_not_forgotten():
    section, problems = tls(of("TLSOption", "default", {}, "a"), of("TLSOption", "default", STRICT), AUTHORITY)

    assert section["options"] == {"default": CLOSED}
    assert all("closed" in problem for problem in problems)


@pytest.mark.spec("K-38")
def test_the_default_option_of_the_namespace_that_may_have_one_is_used():
    two = [of("TLSOption", "default", {"minVersion": f"VersionTLS1{at}"}, f"ns{at}") for at in (2, 3)]
    section, problems = tls(*two, defaultTLSResourcesNamespace="ns2")

    assert section["options"] == {"default": {"minVersion": "VersionTLS12"}}
    assert problems == [
        "tlsoption ns3/default: is not used: defaultTLSResourcesNamespace lets only 'ns2' have a default one"
    ]


@pytest.mark.spec("K-40")
def test_a_store_has_the_default_certificate_of_a_secret():
    store = of("TLSStore", "default", {"defaultCertificate": {"secretName": "cert"}})
    section, problems = tls(store, CERTIFIED)
    assert (section["stores"], problems) == ({"default": {"defaultCertificate": SERVED}}, [])

    section, problems = tls(store)
    assert section["stores"] == {}
    assert problems == ["tlsstore default/default: is left out: secret default/cert: not found"]


def test_a_store_may_have_its_certificate_generated():
    spec = {"defaultGeneratedCert": {"resolver": "acme", "domain": {"main": "a.org", "sans": ["b.org"]}}}
    assert tls(of("TLSStore", "default", spec))[0]["stores"] == {"default": spec}


def test_certificates_of_stores_are_served_and_missing_ones_told():
    spec = {"certificates": [{"secretName": "none"}, {"secretName": "cert"}]}
    section, problems = tls(of("TLSStore", "default", spec), of("TLSStore", "other", spec), CERTIFIED)

    assert section["certificates"] == [{**SERVED, "stores": ["default-other", "default"]}]
    assert section["stores"] == {}
    assert problems == [
        f"tlsstore default/{name}: certificates: secret default/none: not found" for name in ("other", "default")
    ]


def test_a_certificate_that_two_routes_and_a_store_name_is_served_once():
    routes = [
        of("IngressRoute", "one", {"routes": [], "tls": {"secretName": "cert"}}),
        of("IngressRouteTCP", "two", {"routes": [], "tls": {"secretName": "cert"}}),
        of("IngressRouteTCP", "three", {"routes": [], "tls": {"secretName": "none", "passthrough": True}}),
        of("IngressRoute", "four", {"routes": [], "tls": {"secretName": "none"}, "ingressClassName": "another"}),
    ]
    section, problems = tls(*routes, of("TLSStore", "other", {"certificates": [{"secretName": "cert"}]}), CERTIFIED)

    assert section["certificates"] == [{**SERVED, "stores": ["default-other", "default"]}]
    assert problems == []


def test_a_route_whose_certificate_is_missing_is_told():
    section, problems = tls(of("IngressRoute", "one", {"routes": [], "tls": {"secretName": "none"}}))
    assert section["certificates"] == []
    assert problems == ["ingressroute default/one: tls.secretName: secret default/none: not found"]
