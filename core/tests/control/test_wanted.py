"""Which certificates the configuration wants (operations.md §7.3)."""

import pytest
import trustme

from pointsman.config.static import structure_static
from pointsman.config.tls_model import Domain
from pointsman.control.merge import merge
from pointsman.control.wanted import Wanting, names_of
from pointsman.dialect.hostnames import covered
from pointsman.plugins import load_registry

REGISTRY = load_registry(entry_point_plugins=False)
STATIC, _ = structure_static(
    {
        "entryPoints": {
            "web": {"address": ":80"},
            "secure": {"address": ":443", "http": {"tls": {"certResolver": "le"}}},
        },
        "certificatesResolvers": {"le": {"acme": {"tlsChallenge": {}}}, "other": {"acme": {"tlsChallenge": {}}}},
    },
    REGISTRY.sections,
)


def wanted(document, resolver="le", **others):
    tree, _ = merge({"routes": document, **others})
    wanting = Wanting(STATIC, REGISTRY)
    reading = wanting.reading(tree)
    while True:
        try:
            next(reading)
        except StopIteration as done:
            return [request.names for request in done.value[resolver]], [str(each) for each in wanting.problems]


def router(rule, entry_points=("web",), **tls):
    return {"rule": rule, "service": "s", "entryPoints": list(entry_points), "tls": {"certResolver": "le", **tls}}


@pytest.mark.spec("O-87")
@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ("Host(`m1.test`) || Host(`m2.test`)", [("m1.test", "m2.test")]),
        ("Host(`UPPER.Test.`) && Path(`/`)", [("upper.test",)]),
        ("!Host(`not.test`)", []),
        ("Host(`a.test`) && !Host(`b.test`)", [("a.test",)]),
        ("HostRegexp(`^x$`) || PathPrefix(`/`)", []),
        ("Host(`10.0.0.1`)", []),
        ("Host(`broken", []),
    ],
)
def test_names_come_from_the_rule(rule, names):
    assert wanted({"http": {"routers": {"r": router(rule)}}})[0] == names


def test_domains_are_asked_in_place_of_the_rule_one_certificate_each():
    domains = [{"main": "*.a.test", "sans": ["a.test", "x.a.test"]}, {"main": "b.test"}, {"main": "B.test"}]
    names, problems = wanted({"http": {"routers": {"r": router("Host(`c.test`)", domains=domains)}}})
    assert names == [("*.a.test", "a.test"), ("b.test",)]
    assert [each.partition(": ")[2] for each in problems] == [
        "'x.a.test' is there already, so it is left out here",
        "'B.test' is there already, so it is left out here",
    ]


def test_an_entry_point_asks_for_its_routers():
    plain = {"rule": "Host(`a.test`)", "service": "s", "entryPoints": ["secure"]}
    elsewhere = {"rule": "Host(`b.test`)", "service": "s", "entryPoints": ["web"]}
    own = {"rule": "Host(`c.test`)", "service": "s", "entryPoints": ["secure"], "tls": {}}
    assert wanted({"http": {"routers": {"a": plain, "b": elsewhere, "c": own}}})[0] == [("a.test",)]


def test_tcp_routers_ask_unless_they_pass_through():
    def tcp(**tls):
        return {"rule": "HostSNI(`t.test`)", "service": "s", "tls": {"certResolver": "le", **tls}}

    assert wanted({"tcp": {"routers": {"t": tcp()}}})[0] == [("t.test",)]
    assert wanted({"tcp": {"routers": {"t": tcp(passthrough=True)}}})[0] == []
    assert wanted({"tcp": {"routers": {"t": {**tcp(), "rule": "HostSNI(`*`)"}}}})[0] == []


def test_each_resolver_is_asked_for_its_own_once():
    same = router("Host(`a.test`)")
    document = {"http": {"routers": {"r": same, "again": same, "o": router("Host(`o.test`)", certResolver="other")}}}
    assert wanted(document)[0] == [("a.test",)]
    assert wanted(document, "other")[0] == [("o.test",)]


def test_of_two_resolvers_for_a_name_the_first_gets_it():
    routers = {"r": router("Host(`a.test`)"), "o": router("Host(`a.test`) || Host(`b.test`)", certResolver="other")}
    same = {"r": router("Host(`a.test`)"), "o": router("Host(`a.test`)", certResolver="other")}
    assert wanted({"http": {"routers": routers}}, "other")[0] == [("a.test", "b.test")]
    assert wanted({"http": {"routers": same}}, "other")[0] == []
    assert wanted({"http": {"routers": same}})[0] == [("a.test",)]


def test_what_another_resolver_has_and_nobody_asks_of_it_any_more_covers_nothing():
    leaf = trustme.CA().issue_cert("a.test", "b.test")
    pair = {"certFile": leaf.cert_chain_pems[0].bytes().decode(), "keyFile": leaf.private_key_pem.bytes().decode()}
    routers = {"http": {"routers": {"r": router("Host(`a.test`)")}}}
    certificates = {"tls": {"certificates": [pair]}}
    assert wanted(routers, file=certificates)[0] == []
    assert wanted(routers, **{"other.acme": certificates})[0] == [("a.test",)]


def test_what_is_there_covers_a_name_exactly_or_by_its_first_label():
    names = frozenset(("a.test", "*.b.test"))
    assert [covered(name, names) for name in ("a.test", "x.a.test", "x.b.test", "y.x.b.test", "b.test")] == [
        True,
        False,
        True,
        False,
        False,
    ]


def test_what_is_no_name_is_told():
    problems = []
    assert names_of([Domain("*.*.a.test", ["b_c.test", "-x.test", "bücher.test"])], "p", problems) == [
        ("b_c.test", "xn--bcher-kva.test")
    ]
    assert len(problems) == 2
