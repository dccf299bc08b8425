"""What canaries come to: a second Service for some of a path's requests."""

import pytest

from .nginx_objects import TLS, Built, ingress, path, rule


def canary(annotations, *paths, name="second", **more):
    return ingress(name, {"canary": "true", **annotations}, rule("web.test", *paths), **more)


@pytest.mark.spec("K-70")
def test_a_canary_gets_its_share_and_those_who_ask_for_it():
    built = Built(
        ingress("web", {"affinity": "cookie"}),
        canary({"canary-weight": "20", "canary-by-header": "X-C"}, path("/", "canary")),
    )

    services = built.http["services"]
    assert built.router()["service"] == "default-web-web-80-wrr"
    assert services["default-web-web-80-wrr"] == {
        "weighted": {
            "services": [{"name": "default-web-web-80", "weight": 80}, {"name": "default-web-web-80-canary", "weight": 20}],
            "sticky": {"cookie": {"name": "INGRESSCOOKIE-wrr", "httpOnly": True, "path": "/"}},
        }
    }
    assert services["default-web-web-80-canary"]["loadBalancer"]["servers"] == [{"url": "http://10.42.3.1:8080"}]
    always, never = built.router(end="-canary"), built.router(end="-non-canary")
    assert (always["rule"], always["service"]) == (
        '(Host("web.test") && PathPrefix("/")) && (Header("X-C", "always"))',
        "default-web-web-80-canary",
    )
    assert (never["rule"], never["service"]) == (
        '(Host("web.test") && PathPrefix("/")) && (Header("X-C", "never"))',
        "default-web-web-80",
    )
    assert built.router(end="-canary-tls")
    assert built.router(end="-non-canary-tls")


@pytest.mark.parametrize(
    ("annotations", "asked", "against"),
    [
        ({"canary-by-header": "X", "canary-by-header-value": "v", "canary-weight": "1"}, 'Header("X", "v")', None),
        ({"canary-by-header": "X", "canary-by-header-pattern": "^v"}, 'HeaderRegexp("X", "^v")', None),
        ({"canary-by-cookie": "c.k"}, r'HeaderRegexp("Cookie", "(^|;\\s*)c\\.k=always(;|$)")', None),
        (
            {"canary-by-cookie": "c", "canary-by-header": "X", "canary-weight": "1"},
            r'Header("X", "always") || (HeaderRegexp("Cookie", "(^|;\\s*)c=always(;|$)") && !Header("X", "never"))',
            r'Header("X", "never") || HeaderRegexp("Cookie", "(^|;\\s*)c=never(;|$)")',
        ),
        ({"canary-weight": "1"}, None, None),
    ],
    ids=str,
)
def test_who_asks_for_a_canary_and_who_against_it(annotations, asked, against):
    built = Built(ingress(), canary(annotations, path("/", "canary")))

    rules = [
        (built.router(end=end) or {"rule": ") && (None)"})["rule"].split(") && (", 1)[1][:-1]
        for end in ("-canary", "-non-canary")
    ]
    assert rules == [str(asked), str(against)]


@pytest.mark.parametrize(
    ("weight", "total", "shares"), [("300", "", [0, 100]), ("30", "200", [170, 30]), ("-5", "10", [100, 0])]
)
def test_weights_stay_within_their_total(weight, total, shares):
    said = {"canary-weight": weight, **({"canary-weight-total": total} if total else {})}
    services = Built(ingress(), canary(said, path("/", "canary"))).http["services"]["default-web-web-80-wrr"]["weighted"][
        "services"
    ]

    assert [each["weight"] for each in services] == shares


def test_a_canary_stays_on_its_path():
    built = Built(
        ingress("web", {"auth-type": "basic", "auth-secret": "users"}, rule("web.test", "/a", "/b")),
        ingress("else", {}, rule("else.test", "/")),
        canary({"canary-weight": "20"}, path("/a", "canary")),
    )

    assert built.router()["service"] == "default-web-web-80-wrr"
    other = built.router(index=1)["service"]
    assert not other.endswith("-wrr")
    assert built.http["services"][other]["loadBalancer"]["servers"] == [
        {"url": "http://10.42.0.1:8080"},
        {"url": "http://10.42.0.2:8080"},
    ]
    assert built.router("else")["service"] == "default-else-web-80"


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        ([path("/nope", "canary")], "no other Ingress of the namespace has this path"),
        ([path("/", "canary", kind="Exact")], "no other Ingress of the namespace has this path"),
        ([path("/", "web")], "its service is that of the path itself"),
        ([path("/", "empty")], "has no endpoints"),
        ([path("/", "gone")], "not found"),
    ],
)
def test_a_canary_that_cannot_be_is_told(paths, why):
    built = Built(ingress(), canary({"canary-weight": "20"}, *paths))

    assert built.router()["service"] == "default-web-web-80"
    assert any("ingress default/second: canary of host web.test" in each and why in each for each in built.problems)


def test_the_older_of_two_canaries_has_the_path():
    late = canary({"canary-weight": "7"}, path("/", "canary"), name="late", born="2027-01-01T00:00:00Z")
    built = Built(ingress(), late, canary({"canary-weight": "20"}, path("/", "canary")))

    assert built.http["services"]["default-web-web-80-wrr"]["weighted"]["services"][1]["weight"] == 20
    assert any("ingress default/late: " in each and "an older Ingress has it already" in each for each in built.problems)


def test_tls_is_not_lost_to_a_canary():
    built = Built(
        ingress("web", {"auth-type": "basic", "auth-secret": "users"}, tls=TLS),
        canary({"canary-by-header": "X"}, path("/", "canary")),
    )

    assert any(each.endswith("-basic-auth") for each in built.router(end="-canary-tls")["middlewares"])
    assert built.router(end="-canary")["middlewares"][0].endswith("-canary-redirect-scheme")
