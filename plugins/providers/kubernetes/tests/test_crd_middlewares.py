"""Middlewares and MiddlewareTCPs of a cluster (kubernetes.md §3.7)."""

import pytest

from pointsman.errors import Problem
from pointsman.testing import FakeContext, build
from pointsman_kubernetes.crd import KubernetesCRDProvider

from .certificates import CA, PAIR
from .manifests import WEB, cluster
from .secretmanifests import AUTHORITY, CERTIFIED, a_secret, of

ADMIN = a_secret("admin", {"username": "admin", "password": "pw"}, "kubernetes.io/basic-auth")


def built(*manifests, context=None, **config):
    return build(KubernetesCRDProvider, config, context).build(cluster(WEB, *manifests))


def only(kind, spec, *manifests, name="m", **config):
    """What one Middleware with such a spec becomes, and what is said about it."""
    outcome = built(of("Middleware", name, {kind: spec}), *manifests, **config)
    return outcome.document["http"]["middlewares"].get(f"default-{name}"), [str(problem) for problem in outcome.problems]


def made(kind, spec, *manifests, **config):
    middleware, problems = only(kind, spec, *manifests, **config)
    assert problems == []
    return middleware[kind]


def refused(kind, spec, *manifests, **config):
    """Why there is none."""
    middleware, problems = only(kind, spec, *manifests, **config)
    assert middleware is None
    (problem,) = problems
    start = "middleware default/m: is left out, and closes the routers that use it: "
    assert problem.startswith(start)
    return problem.removeprefix(start)


@pytest.mark.spec("K-31")
def test_a_secret_of_type_basic_auth_is_one_user():
    assert made("basicAuth", {"secret": "admin", "realm": "shop"}, ADMIN) == {
        "realm": "shop",
        "users": ["admin:{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM="],
    }


@pytest.mark.parametrize("kind", ["basicAuth", "digestAuth"])
def test_another_secret_holds_a_user_in_each_line(kind):
    users = a_secret("users", {"anything": "# staff\n\nann:hash\r\n  bob:hash\n"})
    assert made(kind, {"secret": "users"}, users) == {"users": ["ann:hash", "bob:hash"]}


@pytest.mark.spec("K-32")
def test_a_middleware_whose_secret_is_missing_is_left_out_and_the_others_stay():
    outcome = built(
        of("Middleware", "door", {"basicAuth": {"secret": "none"}}), of("Middleware", "add", {"addPrefix": {"prefix": "/x"}})
    )

    assert outcome.document["http"]["middlewares"] == {"default-add": {"addPrefix": {"prefix": "/x"}}}
    (problem,) = outcome.problems
    assert str(problem) == (
        "middleware default/door: is left out, and closes the routers that use it: secret default/none: not found"
    )
    assert problem.warning


@pytest.mark.parametrize(
    ("data", "type_", "message"),
    [
        ({}, "Opaque", "must have a single key with the users; it has 0"),
        ({"a": "ann:hunter2", "b": "bob:hunter2"}, "Opaque", "must have a single key with the users; it has 2"),
        ({"a": "# hunter2\n"}, "Opaque", "a holds no users"),
        ({"username": "hunter2"}, "kubernetes.io/basic-auth", "has no password"),
        ({"password": "hunter2"}, "kubernetes.io/basic-auth", "has no username"),
        (
            {"username": "hunter2:x", "password": "hunter2"},
            "kubernetes.io/basic-auth",
            "username holds a colon or a control character, so nobody can give it",
        ),
        (
            {"username": "hunter2\nroot", "password": "hunter2"},
            "kubernetes.io/basic-auth",
            "username holds a colon or a control character, so nobody can give it",
        ),
    ],
)
def test_a_secret_without_users_is_told_without_its_content(data, type_, message):
    said = refused("basicAuth", {"secret": "users"}, a_secret("users", data, type_))
    assert said == f"secret default/users: {message}"
    assert "hunter2" not in said


def test_a_secret_of_type_basic_auth_is_no_list_of_digests():
    said = refused("digestAuth", {"secret": "admin"}, ADMIN)
    assert said == "secret default/admin: must have a single key with the users; it has 2"


@pytest.mark.parametrize("option", ["usersFile", "USERSFILE", "users"])
def test_nobody_names_a_file_of_the_gateway_as_users(option):
    said = refused("basicAuth", {"secret": "admin", option: "/etc/shadow"}, ADMIN)
    assert said == (
        "basicAuth: name a Secret that holds the users as 'secret'; 'users' and 'usersFile' are for files of the gateway"
    )


def test_without_a_secret_nobody_may_come_in():
    assert refused("basicAuth", {"realm": "x"}) == "basicAuth: secret: must be a string"


def test_neither_an_outcome_nor_a_problem_shows_a_password():
    outcome = built(
        ADMIN,
        a_secret("odd", {"a": "hunter2", "b": "hunter2"}),
        of("Middleware", "door", {"basicAuth": {"secret": "admin"}}),
        of("Middleware", "other", {"basicAuth": {"secret": "odd"}}),
    )

    assert "default-door" in outcome.document["http"]["middlewares"]
    assert "admin:" not in repr(outcome)
    assert "hunter2" not in repr(outcome)


def test_forward_auth_has_certificates_as_text():
    tls = {"caSecret": "ca", "certSecret": "cert", "insecureSkipVerify": True, "ca": "/etc/shadow"}
    made_of = made("forwardAuth", {"address": "https://door", "tls": tls, "TLS": {"ca": "/x"}}, AUTHORITY, CERTIFIED)
    assert made_of == {
        "address": "https://door",
        "tls": {"ca": CA, "cert": PAIR[0], "key": PAIR[1], "insecureSkipVerify": True},
    }


def test_forward_auth_without_its_authority_is_left_out():
    said = refused("forwardAuth", {"address": "https://door", "tls": {"caSecret": "none"}})
    assert said == "secret default/none: not found"


def test_what_holds_no_certificate_is_never_taken_for_a_path():
    said = refused(
        "forwardAuth", {"address": "https://door", "tls": {"caSecret": "ca"}}, a_secret("ca", {"ca.crt": "/etc/shadow"})
    )
    assert said == "secret default/ca: ca.crt holds no certificate in PEM"


def test_forward_auth_needs_an_address():
    assert refused("forwardAuth", {"tls": {}}) == (
        "forwardAuth: address: is missing; give the URL of the server that is to be asked"
    )


def test_rate_limits_have_the_password_of_their_redis():
    redis = {
        "endpoints": ["redis:6379"],
        "secret": "login",
        "dialTimeout": 3,
        "readTimeout": "1500ms",
        "tls": {"caSecret": "ca"},
    }
    made_of = made(
        "rateLimit",
        {"average": 10, "period": 5, "redis": redis},
        AUTHORITY,
        a_secret("login", {"username": "u", "password": "p"}),
    )
    assert made_of == {
        "average": 10,
        "period": 5,
        "redis": {
            "endpoints": ["redis:6379"],
            "dialTimeout": 3,
            "readTimeout": "1500ms",
            "tls": {"ca": CA},
            "username": "u",
            "password": "p",
        },
    }


def test_a_rate_limit_whose_redis_has_no_password_is_left_out():
    said = refused("rateLimit", {"redis": {"secret": "login"}}, a_secret("login", {"username": "u"}))
    assert said == "secret default/login: has no password"


@pytest.mark.spec("K-33")
def test_plugins_are_given_what_secrets_hold_at_any_depth():
    outcome = built(
        a_secret("s", {"k": "hunter2"}),
        of("Middleware", "m", {"plugin": {"jwt": {"key": "urn:k8s:secret:s:k", "all": [{"x": "urn:k8s:secret:s:k"}, 7]}}}),
    )

    assert outcome.problems == []
    assert outcome.document["http"]["middlewares"]["default-m"] == {
        "plugin": {"jwt": {"key": "hunter2", "all": [{"x": "hunter2"}, 7]}}
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("urn:k8s:secret:none:k", "secret default/none: not found"),
        ("urn:k8s:secret:s:none", "secret default/s: has no none"),
        ("urn:k8s:secret:s", "plugin: jwt.key: write urn:k8s:secret:<name of a Secret>:<key>"),
        ("urn:k8s:secret:s:k:x", "plugin: jwt.key: write urn:k8s:secret:<name of a Secret>:<key>"),
    ],
)
@pytest.mark.spec("K-33")
def test_a_plugin_without_what_a_secret_should_hold_is_left_out(value, message):
    assert refused("plugin", {"jwt": {"key": value}}, a_secret("s", {"k": "hunter2"})) == message


def test_options_of_a_plugin_that_are_nested_too_deeply_are_refused():
    deep: list = []
    for _ in range(70):
        deep = [deep]
    assert "is nested more than 64 deep" in refused("plugin", {"jwt": {"x": deep}})


@pytest.mark.parametrize("kind", ["snippet", "Snippet"])
def test_snippets_are_the_operators_to_allow(kind):
    said = refused(kind, {"configurationSnippet": "return 200 x;"})
    assert said == (
        f"{kind}: snippets are not allowed in custom resources; set 'allowSnippetMiddlewares' of providers.kubernetesCRD,"
        " or write the middleware in a file of the gateway and name it as <name>@file"
    )
    allowed = made(kind, {"configurationSnippet": "return 200 x;"}, allowSnippetMiddlewares=True)
    assert allowed == {"configurationSnippet": "return 200 x;"}


def test_a_snippet_that_is_allowed_names_no_file_of_the_gateway():
    tls = {"caSecret": "ca", "ca": "/etc/shadow", "cert": "/etc/shadow"}
    auth = {"address": "https://door", "tls": tls, "TLS": {"key": "/etc/shadow"}}
    assert made("snippet", {"auth": auth}, AUTHORITY, allowSnippetMiddlewares=True) == {
        "auth": {"address": "https://door", "tls": {"ca": CA}}
    }
    for odd in ({"auth": [auth]}, {"auth": auth, "Auth": auth}):
        assert refused("snippet", odd, AUTHORITY, allowSnippetMiddlewares=True) == "snippet: auth: must be one object"


@pytest.mark.parametrize("kind", ["chain", "Chain", "basicAuth", "errors", "forwardAuth", "snippet"])
def test_a_plugin_is_no_way_around_the_options_of_a_kind(kind):
    said = refused("plugin", {kind: {"middlewares": ["other-x@kubernetescrd"], "usersFile": "/etc/shadow"}})
    assert said == f"plugin: write 'spec.{kind}' instead of 'spec.plugin.{kind}'"


def test_other_kinds_are_found_below_plugin_and_by_their_own_name():
    assert made("plugin", {"requestId": {"header": "X-Id"}}) == {"requestId": {"header": "X-Id"}}
    assert made("timeout", {"total": "3s"}) == {"total": "3s"}


@pytest.mark.spec("K-34")
def test_error_pages_come_from_a_service_of_their_own():
    outcome = built(
        of("Middleware", "m", {"errors": {"status": ["500-599"], "query": "/x", "service": {"name": "web", "port": 80}}})
    )

    assert outcome.problems == []
    assert outcome.document["http"]["middlewares"]["default-m"] == {
        "errors": {"status": ["500-599"], "query": "/x", "service": "default-m-errorpage-service"}
    }
    assert list(outcome.document["http"]["services"]) == ["default-m-errorpage-service"]


def test_error_pages_without_their_service_are_left_out():
    assert "not found" in refused("errors", {"status": ["500"], "service": {"name": "none", "port": 80}})


def test_error_pages_may_be_text_but_no_files():
    page = {"body": "sorry"}
    assert made("errors", {"status": ["500"], "pages": {"500": page}}) == {"status": ["500"], "pages": {"500": page}}
    said = refused("errors", {"Pages": {"500": {"File": "/etc/shadow"}}})
    assert said == "errors: pages.500: 'file' is for files of the gateway; write the page as 'body'"


def test_a_chain_names_middlewares_of_its_namespace_and_of_providers():
    chain = {"middlewares": [{"name": "door"}, {"name": "limit@file"}]}
    assert made("chain", chain) == {"middlewares": ["default-door", "limit@file"]}


@pytest.mark.parametrize(
    "member", [{"name": "door", "namespace": "other"}, {"name": "other-door@kubernetescrd"}, {}, "door"]
)
def test_a_chain_with_a_member_it_may_not_use_is_left_out_whole(member):
    assert refused("chain", {"middlewares": [{"name": "limit"}, member]}).startswith("chain: ")


def test_a_block_without_options_is_a_middleware_with_its_defaults():
    outcome = built(of("Middleware", "m", {"contentType": {}}))
    assert outcome.document["http"]["middlewares"] == {"default-m": {"plugin": {"contentType": {}}}}


def test_two_kinds_in_one_are_for_the_gateway_to_refuse():
    spec = {"addPrefix": {"prefix": "/x"}, "stripPrefix": {"prefixes": ["/y"]}, "compress": None}
    outcome = built(of("Middleware", "m", spec), of("Middleware", "n", {}))
    assert outcome.document["http"]["middlewares"] == {
        "default-m": {"addPrefix": {"prefix": "/x"}, "stripPrefix": {"prefixes": ["/y"]}},
        "default-n": {},
    }


def test_a_middleware_that_would_refuse_all_of_the_document_is_left_out():
    context = FakeContext(problems=[Problem("http.middlewares.default-m.addPrefix.x", "is unknown")])
    outcome = built(of("Middleware", "m", {"addPrefix": {"x": 1}}), context=context)

    assert outcome.document["http"]["middlewares"] == {}
    assert str(outcome.problems[0]).endswith("addPrefix.x: is unknown")


def test_what_a_plugin_was_told_of_a_secret_is_not_told_when_it_does_not_fit():
    context = FakeContext(
        problems=[Problem("http.middlewares.default-m.plugin.jwt.size", "expected a number, got 'hunter2'")]
    )
    outcome = built(
        a_secret("s", {"k": "hunter2"}),
        of("Middleware", "m", {"plugin": {"jwt": {"size": "urn:k8s:secret:s:k"}}}),
        context=context,
    )

    assert str(outcome.problems[0]).endswith(
        "plugin.jwt.size: does not fit; it may hold a Secret, so the value is not shown"
    )


@pytest.mark.parametrize("spec", [[], "x", {"basicAuth": []}, {"chain": {"middlewares": "x"}}, {"rateLimit": {"redis": 1}}])
def test_what_is_no_spec_is_left_out(spec):
    outcome = built(of("Middleware", "m", spec))
    assert outcome.document["http"]["middlewares"] == {}
    assert len(outcome.problems) == 1


@pytest.mark.spec("K-47")
def test_two_middlewares_of_one_legacy_name_are_told_apart_by_safe_ones():
    both = of("Middleware", "c", {"compress": {}}, "a-b"), of("Middleware", "b-c", {"retry": {"attempts": 2}}, "a")

    outcome = built(*both)
    assert list(outcome.document["http"]["middlewares"]) == ["a-b-c"]
    assert len(outcome.problems) == 1

    outcome = built(*both, safeNaming=True)
    assert sorted(outcome.document["http"]["middlewares"]) == ["a-b_c", "a_b-c"]
    assert outcome.problems == []


def test_tcp_middlewares_go_on_as_they_are():
    outcome = built(of("MiddlewareTCP", "few", {"inFlightConn": {"amount": 5}}))
    assert outcome.document["tcp"]["middlewares"] == {"default-few": {"inFlightConn": {"amount": 5}}}
