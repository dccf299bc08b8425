"""`tls.*` and routers with `tls`: which options a host gets, what is closed and why, what is carried over."""

from typing import Any

import pytest
import trustme

from pointsman.compile import Compiled, Compiler, Surroundings
from pointsman.config.entrypoint_model import EntryPoint, EntryPointHTTP
from pointsman.config.http_model import RouterTLS
from pointsman.config.static import Static
from pointsman.deadlines import Deadlines
from pointsman.plugins import load_registry
from pointsman.server.door import CLOSED, Door
from pointsman.testing import a_request

AUTHORITY = trustme.CA()
V13 = {"minVersion": "VersionTLS13"}
STRICT = {"sniStrict": True}


def issued(*names: str) -> dict[str, str]:
    leaf = AUTHORITY.issue_cert(*names)
    return {"certFile": leaf.cert_chain_pems[0].bytes().decode(), "keyFile": leaf.private_key_pem.bytes().decode()}


def compiler(**points: EntryPoint) -> Compiler:
    static = Static(entry_points=points or {"web": EntryPoint(":80")})
    return Compiler(Surroundings(static, load_registry(entry_point_plugins=False), Deadlines()))


def tree(routers: dict[str, Any] | None = None, **tls: Any) -> dict[str, dict[str, Any]]:
    service = {"loadBalancer": {"servers": [{"url": "http://127.0.0.1:1"}]}}
    found: dict[str, dict[str, Any]] = {
        "http.routers": {f"{name}@file": {"service": "s", **raw} for name, raw in (routers or {}).items()},
        "http.services": {"s@file": service},
    }
    for section, elements in tls.items():
        named = enumerate(elements) if isinstance(elements, list) else elements.items()
        found[f"tls.{section}"] = {name if name == "default" else f"{name}@file": raw for name, raw in named}
    return found


def secure(rule: str, options: str = "", **more: Any) -> dict[str, Any]:
    return {"rule": rule, "tls": {"options": options} if options else {}, **more}


def door(compiled: Compiled, point: str = "web") -> Door:
    found = compiled.snapshot.doors[point]
    assert isinstance(found, Door)
    return found


def options(compiled: Compiled, host: str, point: str = "web") -> str | None:
    """The name of the options that a host gets; "closed", or None if nobody names it."""
    found = door(compiled, point).https.find(host.encode())
    return None if found is None else "closed" if found is CLOSED else found.name  # type: ignore[union-attr]


def winner(compiled: Compiled, url: str, point: str = "web", *, plain: bool = False) -> tuple[str, str] | None:
    table = (compiled.snapshot.tables if plain else compiled.snapshot.secure)[point]
    found = table.match(a_request(url=url))
    return (found.name, found.target.tls_options) if found else None


def status(compiled: Compiled, section: str, name: str) -> tuple[str, str]:
    found = compiled.statuses[section][name if name == "default" else f"{name}@file"]
    return found.word, "; ".join(map(str, found.problems))


@pytest.mark.spec("R-93")
def test_a_router_with_tls_is_for_tls_only_and_one_without_for_plaintext_only() -> None:
    routers = {"s": secure("Host(`s.test`)"), "p": {"rule": "Host(`p.test`)"}}
    compiled = compiler().compile_now(tree(routers))
    assert winner(compiled, "http://s.test/") == ("s@file", "default")
    assert winner(compiled, "http://p.test/") is None
    assert winner(compiled, "http://s.test/", plain=True) is None
    assert winner(compiled, "http://p.test/", plain=True) == ("p@file", "")
    assert status(compiled, "http.routers", "s") == ("enabled", "")


def test_options_are_found_by_the_hosts_of_rules_that_are_not_negated() -> None:
    routers = {
        "a": secure("Host(`A.test.`) || Host(`b.test`)", "v13"),
        "w": secure("Host(`*.wc.test`)", "strict"),
        "e": secure("Host(`e.wc.test`)"),
        "n": secure("Host(`n.test`) && !Host(`not.test`)"),
    }
    compiled = compiler().compile_now(tree(routers, options={"v13": V13, "strict": STRICT}))
    hosts = ("a.test", "b.test", "x.wc.test", "e.wc.test", "a.b.wc.test", "n.test", "not.test", "", "other.test")
    assert {host: options(compiled, host) for host in hosts} == {
        "a.test": "v13@file",
        "b.test": "v13@file",
        "x.wc.test": "strict@file",
        "e.wc.test": "default",
        "a.b.wc.test": None,
        "n.test": "default",
        "not.test": None,
        "": None,
        "other.test": None,
    }
    assert not door(compiled).https.catch_all
    assert door(compiled).default.name == "default"  # type: ignore[union-attr]


@pytest.mark.parametrize("rule", ["PathPrefix(`/`)", "HostRegexp(`.*`)", "Host(`*`)", "!Host(`a.test`)"])
def test_options_on_a_rule_without_a_host_are_not_applied_and_said_so(rule: str) -> None:
    compiled = compiler().compile_now(tree({"r": secure(rule, "v13")}, options={"v13": V13}))
    assert door(compiled).https.catch_all
    assert door(compiled).has_https
    assert winner(compiled, "http://b.test/") == ("r@file", "default")
    word, text = status(compiled, "http.routers", "r")
    assert word == "warning"
    assert "no domain found in rule, so the TLS options v13@file cannot be applied" in text


@pytest.mark.spec("R-92")
def test_different_options_for_one_host_make_all_its_routers_use_the_default_ones() -> None:
    routers = {
        "one": secure("Host(`h.test`)", "v13"),
        "two": secure("Host(`h.test`) && PathPrefix(`/two`)"),
        "wide": secure("Host(`h.test`) || Host(`far.test`)", "v13"),
        "far": secure("Host(`far.test`) && PathPrefix(`/far`)", "v13"),
        "other": secure("Host(`other.test`)", "v13"),
    }
    compiled = compiler().compile_now(tree(routers, options={"v13": V13}))
    assert {host: options(compiled, host) for host in ("h.test", "far.test", "other.test")} == {
        "h.test": "default",
        "far.test": "default",  # or a connection for it could not be served by `wide`, which is under `default` now
        "other.test": "v13@file",
    }
    assert winner(compiled, "http://h.test/two") == ("two@file", "default")
    assert winner(compiled, "http://far.test/far") == ("web-conflicted-far@file", "default")
    for name in ("one", "two", "wide", "far"):
        word, text = status(compiled, "http.routers", name)
        assert word == "warning"
        assert "found different TLS options for the host" in text
    assert status(compiled, "http.routers", "other") == ("enabled", "")


def test_a_dispute_on_one_entry_point_leaves_the_other_alone() -> None:
    routers = {
        "one": secure("Host(`h.test`)", "v13"),
        "two": secure("Host(`h.test`) && PathPrefix(`/two`)", entryPoints=["b"]),
    }
    points = {"a": EntryPoint(":80"), "b": EntryPoint(":81")}
    compiled = compiler(**points).compile_now(tree(routers, options={"v13": V13}))
    assert [options(compiled, "h.test", point) for point in "ab"] == ["v13@file", "default"]
    assert winner(compiled, "http://h.test/", "a") == ("one@file", "v13@file")
    assert winner(compiled, "http://h.test/", "b") == ("b-conflicted-one@file", "default")


@pytest.mark.spec("R-90")
@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("nope", V13, "unknown TLS options: nope@file"),
        ("default@file", V13, "unknown TLS options: default@file"),
        ("bad", {"cipherSuites": ["TLS_NOPE"]}, "the TLS options bad@file are broken: tls.options.bad@file.cipherSuites"),
    ],
)
def test_unknown_or_broken_options_close_their_hosts_and_nobody_elses(name: str, raw: Any, message: str) -> None:
    routers = {"r": secure("Host(`h.test`)", name), "good": secure("Host(`good.test`)")}
    compiled = compiler().compile_now(tree(routers, options={"bad": raw}))
    assert (options(compiled, "h.test"), options(compiled, "good.test")) == ("closed", "default")
    assert winner(compiled, "http://h.test/") is None
    word, text = status(compiled, "http.routers", "r")
    assert word == "disabled"
    assert message in text
    assert status(compiled, "http.routers", "good") == ("enabled", "")


def test_a_router_that_is_not_served_does_not_take_the_options_from_one_that_is() -> None:
    routers = {"broken": secure("Host(`h.test`)", "nope"), "lost": secure("Host(`h.test`)", "v13", service="nope")}
    beside = tree(
        {**routers, "good": secure("Host(`h.test`) && Path(`/`)", "strict")}, options={"strict": STRICT, "v13": V13}
    )
    assert options(compiler().compile_now(beside), "h.test") == "strict@file"
    alone = compiler().compile_now(tree({"lost": routers["lost"]}, options={"v13": V13}))
    assert options(alone, "h.test") == "v13@file"  # rather than weaker ones
    both = compiler().compile_now(tree(routers, options={"v13": V13}))
    assert options(both, "h.test") == "closed"


def test_broken_default_options_close_everything_that_uses_them() -> None:
    routers = {"r": secure("Host(`h.test`)"), "v": secure("Host(`v.test`)", "v13")}
    compiled = compiler().compile_now(tree(routers, options={"default": {"minVersion": "x"}, "v13": V13}))
    assert door(compiled).default is CLOSED
    assert (options(compiled, "h.test"), options(compiled, "v.test")) == ("closed", "v13@file")
    assert status(compiled, "tls.options", "default")[0] == "disabled"


def test_an_entry_point_gives_its_tls_to_routers_that_have_none() -> None:
    http = EntryPointHTTP(tls=RouterTLS(options="v13", cert_resolver="nope"))
    points = {"a": EntryPoint(":80"), "b": EntryPoint(":81", http=http)}
    routers = {"r": {"rule": "Host(`h.test`)"}, "own": secure("Host(`own.test`)")}
    compiled = compiler(**points).compile_now(tree(routers, options={"v13": V13}))
    assert winner(compiled, "http://h.test/", "a", plain=True) == ("r@file", "")
    assert winner(compiled, "http://h.test/", "b", plain=True) is None
    assert winner(compiled, "http://h.test/", "b") == ("b-r@file", "v13@file")
    assert winner(compiled, "http://own.test/", "a") == ("own@file", "default")
    assert winner(compiled, "http://own.test/", "b") == ("b-own@file", "default")
    alone = compiler(b=points["b"]).compile_now(tree(routers, options={"v13": V13}))
    assert winner(alone, "http://h.test/", "b") == ("r@file", "v13@file")  # on one entry point there is no other name
    assert "entryPoints.b.http.tls.certResolver: the certificate resolver 'nope'" in status(compiled, "http.routers", "r")[1]


def test_an_unknown_certificate_resolver_is_said_and_the_router_served() -> None:
    compiled = compiler().compile_now(tree({"r": {"rule": "Host(`h.test`)", "tls": {"certResolver": "le"}}}))
    assert winner(compiled, "http://h.test/") == ("r@file", "default")
    assert "the certificate resolver 'le' does not exist" in status(compiled, "http.routers", "r")[1]


@pytest.mark.spec("R-84", "P-18")
def test_certificates_are_served_by_name_and_what_is_broken_is_left_out() -> None:
    broken = {"certFile": "/nowhere/a.crt", "keyFile": "/nowhere/a.key"}
    other = {**issued("a.test"), "keyFile": issued("a.test")["keyFile"]}
    elsewhere = {**issued("e.test"), "stores": ["shop"]}
    both = {**issued("both.test"), "stores": ["default", "shop"]}
    certificates = [issued("exact.test"), issued("*.wild.test"), broken, other, elsewhere, both]
    compiled = compiler().compile_now(tree(certificates=certificates))
    store = door(compiled).certificates
    assert store is not None
    found = {name: store.find(name.encode()) for name in ("exact.test", "x.wild.test", "a.test", "e.test", "both.test")}
    assert {name for name, pair in found.items() if pair is not None} == {"exact.test", "x.wild.test", "both.test"}
    word, text = status(compiled, "tls.certificates", "2")
    assert word == "disabled"
    assert "certificates.2@file.certFile: the file /nowhere/a.crt cannot be read" in text
    assert "the key is not that of the certificate" in status(compiled, "tls.certificates", "3")[1]
    assert "nothing is served from the store 'shop'" in status(compiled, "tls.certificates", "4")[1]
    assert status(compiled, "tls.certificates", "0") == ("enabled", "")


def test_the_default_certificate_is_the_stores_or_else_our_own() -> None:
    one = compiler()
    generated = one.around.secrets.default_certificate
    assert door(one.compile_now(tree())).certificates.default is generated  # type: ignore[union-attr]

    given = one.compile_now(tree(stores={"default": {"defaultCertificate": issued("d.test")}}))
    assert door(given).certificates.default.names == (b"d.test",)  # type: ignore[union-attr]

    unreadable = {"certFile": "/nowhere/a.crt", "keyFile": "/nowhere/a.key"}
    for store in ({"defaultCertificate": unreadable}, {"defaultGeneratedCert": {"resolver": "le"}}):
        compiled = one.compile_now(tree(stores={"default": store, "shop": {"defaultCertificate": issued("x.test")}}))
        assert door(compiled).certificates.default is generated  # type: ignore[union-attr]
        assert status(compiled, "tls.stores", "default")[0] == "disabled"
        assert "nothing is served from the store 'shop'" in status(compiled, "tls.stores", "shop")[1]


def test_what_did_not_change_is_carried_over() -> None:
    one = compiler()
    certificates = [issued("a.test"), issued("b.test")]
    routers = {"r": secure("Host(`a.test`)", "v13")}
    first_tree = tree(routers, certificates=certificates, options={"v13": V13})
    first = one.compile_now(first_tree)
    again = one.compile_now({**first_tree, "http.services": dict(first_tree["http.services"])}, first)
    assert door(again).certificates is door(first).certificates
    assert door(again).https.find(b"a.test") is door(first).https.find(b"a.test")
    assert door(again).default is door(first).default
    assert again.rows["r@file"] is first.rows["r@file"]

    moved = {"0@file": dict(certificates[1])}  # the first is gone, and the second in its place
    third = one.compile_now({**first_tree, "tls.certificates": moved}, again)
    assert door(third).certificates is not door(first).certificates
    assert third.tls.served == (first.tls.served[1],)

    other = one.compile_now({**first_tree, "tls.options": {"v13@file": dict(STRICT)}}, third)
    assert door(other).https.find(b"a.test") is not door(first).https.find(b"a.test")
    assert other.rows["r@file"] is first.rows["r@file"]
