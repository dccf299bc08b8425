"""headers: what the service sees, what the client sees."""

import inspect
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Response
from pointsman.errors import ConfigError, GatewayError
from pointsman.testing import a_chain, a_request, answering, build
from pointsman_headers import Headers
from pointsman_headers.cors import add_vary


async def through(config, request=None, upstream=None):
    """The response, and the handler behind the middleware."""
    upstream = upstream or answering(200)
    handler = a_chain([build(Headers, config)], upstream)
    return await handler(request or a_request()), upstream


def a_preflight(origin="https://foo.t", method="PUT", **headers):
    return a_request(
        "OPTIONS",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
    )


def shown(response, *names):
    return {name: response.headers.get_all(name.encode()) for name in names}


# request headers


@pytest.mark.spec("M-55")
async def test_request_headers_are_set_and_removed_and_the_host_is_changed():
    request = a_request(url="http://orig.t/", headers={"X-Add": ["a", "b"], "X-Del": "x", "X-Keep": "k"})
    request.headers.add(b"x-forwarded-host", b"orig.t")
    _, upstream = await through({"customRequestHeaders": {"X-Add": "1", "X-Del": "", "Host": "c.t"}}, request)

    headers = upstream.last.headers
    assert headers.get_all(b"x-add") == [b"1"]
    assert b"x-del" not in headers
    assert headers.get(b"x-keep") == b"k"
    assert headers.get(b"x-forwarded-host") == b"orig.t"
    assert (upstream.last.authority, upstream.last.host) == (b"c.t", b"orig.t")
    assert b"host" not in headers


@pytest.mark.spec("M-56")
@pytest.mark.parametrize("spelling", ["X-Forwarded-For", "x-forwarded-for"])
async def test_an_empty_forwarded_for_keeps_the_clients_address_back(spelling):
    request = a_request(headers={"X-Forwarded-For": "9.9.9.9"})
    _, upstream = await through({"customRequestHeaders": {spelling: ""}}, request)

    assert b"x-forwarded-for" not in upstream.last.headers
    assert upstream.last.append_forwarded_for is False


async def test_trailers_say_nothing_that_was_set_or_removed():
    config = {"customRequestHeaders": {"X-Add": "1", "X-Del": ""}}
    request = a_request("POST", body=b"abc")
    request.body.trailers = [(b"x-del", b"x")]
    _, upstream = await through(config, request)
    _, without = await through(config, a_request("POST", body=b"abc"))

    said = [name for name in (b"x-add", b"x-del", b"x-sum") if any(each(name) for each in upstream.last.withheld)]
    assert said == [b"x-add", b"x-del"]
    assert without.last.withheld == ()


async def test_a_set_forwarded_for_is_still_appended_to():
    _, upstream = await through({"customRequestHeaders": {"X-Forwarded-For": "8.8.8.8"}})

    assert upstream.last.headers.get(b"x-forwarded-for") == b"8.8.8.8"
    assert upstream.last.append_forwarded_for is True


async def test_headers_about_the_connection_are_ignored_with_a_warning(caplog):
    config = {"customRequestHeaders": {"Connection": "close", "Content-Length": "1", "X-A": "1"}}
    _, upstream = await through(config, a_request(headers={"Content-Length": "3"}, body=b"abc"))

    assert upstream.last.headers.raw == [(b"content-length", b"3"), (b"x-a", b"1")]
    assert caplog.text.count("has no effect") == 2


def test_a_request_edit_alone_costs_no_coroutine():
    handler = build(Headers, {"customRequestHeaders": {"X-A": "1"}}).bind(answering(200))

    assert not inspect.iscoroutinefunction(handler)


async def test_a_call_without_bind_does_the_same():
    upstream = answering(200)
    middleware = build(Headers, {"customRequestHeaders": {"X-A": "1"}, "customResponseHeaders": {"X-B": "2"}})
    response = await middleware(a_request(), upstream)

    assert upstream.last.headers.get(b"x-a") == b"1"
    assert response.headers.get(b"x-b") == b"2"


# response headers


@pytest.mark.spec("M-57")
async def test_response_headers_are_set_and_removed():
    upstream = answering(200, {"Server": "x", "X-R": ["1", "2"], "X-Keep": "k"})
    response, _ = await through({"customResponseHeaders": {"Server": "", "X-R": "3"}}, upstream=upstream)

    assert response.headers.raw == [(b"x-keep", b"k"), (b"x-r", b"3")]


@pytest.mark.spec("M-37")
async def test_the_outer_middlewares_response_header_wins():
    both = [build(Headers, {"customResponseHeaders": {"X-R": word}}) for word in ("outer", "inner")]
    response = await a_chain(both, answering(200))(a_request())

    assert response.headers.get_all(b"x-r") == [b"outer"]


async def test_an_error_on_the_way_is_passed_on_and_its_response_is_edited():
    def failing(request):
        raise GatewayError(502)

    async def failing_later(request):
        raise GatewayError(502)

    config = {"customResponseHeaders": {"X-R": "1"}, "accessControlAllowOriginList": ["https://a.t"], "addVaryHeader": True}
    for upstream in (failing, failing_later):
        with pytest.raises(GatewayError) as caught:
            await through(config, a_request(headers={"Origin": "https://a.t"}), upstream)

        response = Response.plain(502)
        for amend in caught.value.amendments:
            amend(response)
        assert response.headers.raw == [
            (b"x-r", b"1"),
            (b"access-control-allow-origin", b"https://a.t"),
            (b"vary", b"Origin"),
        ]


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding"])
@pytest.mark.parametrize("value", ["", "5"])
def test_response_headers_that_frame_a_message_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"customResponseHeaders.{name.lower()}"):
        build(Headers, {"customResponseHeaders": {name: value}})


@pytest.mark.parametrize("headers", [{"X A": "1"}, {"X-A": "1\r\nX-B: 2"}, {"X-A": "1", "x-a": "2"}, {"ä": "1"}])
@pytest.mark.parametrize("key", ["customRequestHeaders", "customResponseHeaders"])
def test_a_header_that_cannot_be_sent_is_a_configuration_error(key, headers):
    with pytest.raises(ConfigError, match=key):
        build(Headers, {key: headers})


# security headers


@pytest.mark.spec("M-22")
@pytest.mark.parametrize(
    ("more", "url", "value"),
    [
        ({}, "https://a.example/", [b"max-age=31536000; includeSubDomains; preload"]),
        ({}, "http://a.example/", []),
        ({"forceSTSHeader": True}, "http://a.example/", [b"max-age=31536000; includeSubDomains; preload"]),
        ({"forceSTSHeader": True, "isDevelopment": True}, "https://a.example/", []),
        ({"stsSeconds": 0}, "https://a.example/", []),
    ],
)
async def test_strict_transport_security_is_for_https_unless_forced(more, url, value):
    config = {"stsSeconds": 31536000, "stsIncludeSubdomains": True, "stsPreload": True, **more}
    response, _ = await through(config, a_request(url=url))

    assert response.headers.get_all(b"strict-transport-security") == value


async def test_a_proxys_header_marks_a_request_as_https():
    config = {"stsSeconds": 1, "sslProxyHeaders": {"X-Forwarded-Proto": "https"}, "publicKey": "pin"}
    plain, _ = await through(config, a_request(headers={"X-Forwarded-Proto": "http"}))
    secure, _ = await through(config, a_request(headers={"X-Forwarded-Proto": "https"}))

    assert shown(plain, "strict-transport-security", "public-key-pins") == {
        "strict-transport-security": [],
        "public-key-pins": [],
    }
    assert shown(secure, "strict-transport-security", "public-key-pins") == {
        "strict-transport-security": [b"max-age=1"],
        "public-key-pins": [b"pin"],
    }


async def test_each_security_option_sets_its_header_over_the_services():
    config = {
        "frameDeny": True,
        "contentTypeNosniff": True,
        "browserXssFilter": True,
        "contentSecurityPolicy": "default-src 'self'",
        "contentSecurityPolicyReportOnly": "default-src 'none'",
        "referrerPolicy": "no-referrer",
        "permissionsPolicy": "camera=()",
    }
    response, _ = await through(
        config, upstream=answering(200, {"X-Frame-Options": "ALLOW", "Content-Security-Policy": "x"})
    )

    assert sorted(response.headers) == [
        (b"content-security-policy", b"default-src 'self'"),
        (b"content-security-policy-report-only", b"default-src 'none'"),
        (b"permissions-policy", b"camera=()"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"x-xss-protection", b"1; mode=block"),
    ]


@pytest.mark.spec("M-58")
@pytest.mark.parametrize(
    ("config", "value"),
    [
        ({"frameDeny": True, "customResponseHeaders": {"X-Frame-Options": "CUSTOM"}}, [b"CUSTOM"]),
        ({"frameDeny": True, "customResponseHeaders": {"X-Frame-Options": ""}}, []),
        ({"frameDeny": True, "customFrameOptionsValue": "SAMEORIGIN"}, [b"SAMEORIGIN"]),
    ],
)
async def test_a_custom_header_beats_a_security_header(config, value):
    response, _ = await through(config)

    assert response.headers.get_all(b"x-frame-options") == value


@pytest.mark.spec("M-64")
async def test_a_nonce_is_new_for_each_request_and_one_for_both_policies():
    config = {
        "contentSecurityPolicy": "default-src 'self' $NONCE; report-uri /a%20b",
        "contentSecurityPolicyReportOnly": "script-src $NONCE",
        "customResponseHeaders": {"X-Price": "$NONCE"},
    }
    first, upstream = await through(config)
    second, _ = await through(config, upstream=upstream)

    policy = first.headers.get(b"content-security-policy")
    found = re.fullmatch(rb"default-src 'self' ('nonce-[A-Za-z0-9+/]{22}'); report-uri /a%20b", policy)
    assert found
    assert first.headers.get(b"content-security-policy-report-only") == b"script-src " + found[1]
    assert second.headers.get(b"content-security-policy") != policy
    assert first.headers.get(b"x-price") == b"$NONCE"


@pytest.mark.spec("M-62")
@pytest.mark.parametrize(
    ("more", "url", "headers", "status"),
    [
        ({}, "http://OK.t/", {}, 200),
        ({}, "http://ok.t:8080/", {}, 500),
        ({}, "http://evil.t/", {}, 500),
        ({"hostsProxyHeaders": ["X-Empty", "X-Host"]}, "http://evil.t/", {"X-Empty": "", "X-Host": "Ok.t"}, 200),
        ({"hostsProxyHeaders": ["X-Host"]}, "http://ok.t/", {"X-Host": "evil.t"}, 500),
        ({"hostsProxyHeaders": ["X-Host"]}, "http://ok.t/", {}, 200),
        ({"isDevelopment": True}, "http://evil.t/", {}, 200),
    ],
)
async def test_only_allowed_hosts_are_served(more, url, headers, status):
    response, upstream = await through({"allowedHosts": ["ok.t"], **more}, a_request(url=url, headers=headers))

    assert response.status == status
    assert len(upstream.requests) == (status == 200)
    if status == 500:
        assert await response.body.read(100) == b"Bad Host\n"


# CORS


CORS = {
    "accessControlAllowMethods": ["GET", "PUT"],
    "accessControlAllowHeaders": ["X-A", "X-B"],
    "accessControlAllowOriginList": ["https://foo.t"],
    "accessControlMaxAge": 100,
}


@pytest.mark.spec("M-20")
async def test_a_preflight_is_answered_here():
    response, upstream = await through(CORS, a_preflight())

    assert (response.status, await response.body.read(10), upstream.requests) == (200, b"", [])
    assert sorted(response.headers) == [
        (b"access-control-allow-headers", b"X-A,X-B"),
        (b"access-control-allow-methods", b"GET,PUT"),
        (b"access-control-allow-origin", b"https://foo.t"),
        (b"access-control-max-age", b"100"),
        (b"vary", b"Origin"),
    ]


@pytest.mark.spec("M-21")
async def test_a_preflight_from_another_origin_is_not_allowed():
    response, upstream = await through(CORS, a_preflight("https://evil.t"))

    assert (response.status, upstream.requests) == (200, [])
    assert b"access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    "request_",
    [
        a_request("OPTIONS", headers={"Origin": "https://foo.t"}),
        a_request("OPTIONS", headers={"Access-Control-Request-Method": "PUT"}),
        a_request("OPTIONS", headers={"Origin": "", "Access-Control-Request-Method": "PUT"}),
        a_request("GET", headers={"Origin": "https://foo.t", "Access-Control-Request-Method": "PUT"}),
    ],
)
async def test_what_is_no_preflight_goes_to_the_service(request_):
    _, upstream = await through(CORS, request_)

    assert len(upstream.requests) == 1


async def test_a_preflight_comes_before_the_host_check_and_gets_no_other_headers():
    config = {**CORS, "allowedHosts": ["other.t"], "frameDeny": True, "customResponseHeaders": {"X-R": "1"}}
    response, _ = await through(config, a_preflight())

    assert response.status == 200
    assert shown(response, "x-frame-options", "x-r") == {"x-frame-options": [], "x-r": []}


WILD = {
    "accessControlAllowOriginList": ["*"],
    "accessControlAllowHeaders": ["*"],
    "accessControlAllowMethods": ["*"],
    "accessControlExposeHeaders": ["*"],
}


@pytest.mark.spec("M-59")
async def test_with_credentials_a_star_echoes_what_was_asked():
    config = {**WILD, "accessControlAllowCredentials": True}
    response, _ = await through(config, a_preflight("o", "PUT", Access_Control_Request_Headers="x-q"))

    assert sorted(response.headers) == [
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-allow-headers", b"x-q"),
        (b"access-control-allow-methods", b"PUT"),
        (b"access-control-allow-origin", b"o"),
        (b"vary", b"Origin, Access-Control-Request-Headers, Access-Control-Request-Method"),
    ]


@pytest.mark.spec("M-60")
async def test_without_credentials_a_star_is_a_star():
    response, _ = await through(WILD, a_preflight("o", "PUT", Access_Control_Request_Headers="x-q"))

    assert sorted(response.headers) == [
        (b"access-control-allow-headers", b"*"),
        (b"access-control-allow-methods", b"*"),
        (b"access-control-allow-origin", b"*"),
        (b"access-control-expose-headers", b"*"),
    ]


@pytest.mark.parametrize(
    ("config", "origin", "allowed"),
    [
        ({"accessControlAllowOriginList": ["https://a.t", "https://b.t"]}, "https://b.t", [b"https://b.t"]),
        ({"accessControlAllowOriginList": ["https://a.t"]}, "https://c.t", [b"upstream"]),
        ({"accessControlAllowOriginList": ["https://a.t"]}, None, [b"upstream"]),
        ({"accessControlAllowOriginList": ["*"]}, None, [b"*"]),
        ({"accessControlAllowOriginList": ["*"]}, "https://c.t", [b"*"]),
        ({"accessControlAllowOriginList": ["https://a.t", "*"]}, "https://a.t", [b"https://a.t"]),
        ({"accessControlAllowOriginList": ["*"], "accessControlAllowCredentials": True}, "https://c.t", [b"https://c.t"]),
        ({"accessControlAllowOriginList": ["*"], "accessControlAllowCredentials": True}, None, [b"upstream"]),
        ({"accessControlAllowOriginListRegex": [r"^https://.*\.ex\.t$"]}, "https://a.ex.t", [b"https://a.ex.t"]),
        ({"accessControlAllowOriginListRegex": [r"^https://.*\.ex\.t$"]}, "https://a.ex.t.evil", [b"upstream"]),
        ({"accessControlAllowOriginListRegex": [".*"]}, None, [b"upstream"]),
    ],
)
async def test_an_actual_response_names_the_origin_if_it_is_allowed(config, origin, allowed):
    request = a_request(headers={"Origin": origin} if origin else {})
    response, _ = await through(config, request, answering(200, {"Access-Control-Allow-Origin": "upstream"}))

    assert response.headers.get_all(b"access-control-allow-origin") == allowed


async def test_credentials_and_exposed_headers_are_on_every_response():
    config = {"accessControlAllowCredentials": True, "accessControlExposeHeaders": ["X-A", "X-B"]}
    response, _ = await through(config)

    assert response.headers.raw == [
        (b"access-control-allow-credentials", b"true"),
        (b"access-control-expose-headers", b"X-A,X-B"),
    ]


async def test_a_star_is_not_exposed_together_with_credentials():
    response, _ = await through({"accessControlAllowCredentials": True, "accessControlExposeHeaders": ["*"]})

    assert response.headers.raw == [(b"access-control-allow-credentials", b"true")]


async def test_a_max_age_of_zero_is_sent():
    response, _ = await through({"accessControlMaxAge": 0}, a_preflight())

    assert response.headers.get(b"access-control-max-age") == b"0"


def test_an_origin_expression_that_is_not_anchored_is_warned_of(caplog):
    build(Headers, {"accessControlAllowOriginListRegex": [r"https://.*\.ex\.t"]})

    assert "put it in ^...$" in caplog.text


def test_a_bad_origin_expression_is_a_configuration_error():
    with pytest.raises(ConfigError, match="accessControlAllowOriginListRegex: invalid regular expression '\\^\\(': missing"):
        build(Headers, {"accessControlAllowOriginListRegex": ["^("]})


async def test_the_answer_to_an_upgrade_is_edited_too():
    switched = Response(101, [(b"upgrade", b"websocket")])
    headers = build(Headers, {"customResponseHeaders": {"X-R": "1"}, "frameDeny": True})
    response = await headers(a_request(), lambda request: switched)

    assert response is switched
    assert (response.headers.get(b"x-r"), response.headers.get(b"upgrade")) == (b"1", b"websocket")


@pytest.mark.spec("M-61")
@pytest.mark.parametrize(
    ("upstream", "vary"),
    [
        ({}, [b"Origin"]),
        ({"Vary": "Accept"}, [b"Accept,Origin"]),
        ({"Vary": "Origin"}, [b"Origin"]),
        ({"Vary": "Accept, origin"}, [b"Accept, origin"]),
        ({"Vary": ["Accept", "Cookie"]}, [b"Accept,Cookie,Origin"]),
        ({"Vary": "*"}, [b"*"]),
    ],
)
async def test_vary_names_the_origin_once(upstream, vary):
    response, _ = await through({"addVaryHeader": True}, upstream=answering(200, upstream))

    assert response.headers.get_all(b"vary") == vary


@given(st.lists(st.lists(st.sampled_from(["Accept", "origin", "Origin", "*", "x"])).map(",".join)))
def test_adding_to_vary_loses_nothing_and_is_done_once(values):
    raw = [(b"vary", value.encode()) for value in values]
    before = {token for value in values for token in value.split(",") if token}
    add_vary(raw)
    once = raw.copy()
    add_vary(raw)

    after = {token for _, value in raw for token in value.decode().split(",") if token}
    assert raw == once
    assert before <= after <= before | {"Origin"}
    assert {token.lower() for token in after} & {"origin", "*"}


# the configuration as a whole


@pytest.mark.spec("M-63")
@pytest.mark.parametrize("config", [{}, {"accessControlAllowHeaders": []}, {"frameDeny": False, "stsSeconds": 0}])
def test_a_configuration_that_says_nothing_is_not_valid(config):
    with pytest.raises(ConfigError, match="headers configuration not valid"):
        build(Headers, config)


async def test_deprecated_options_are_accepted_with_a_warning(caplog):
    response, upstream = await through({"sslRedirect": True, "sslHost": "x", "featurePolicy": "y"})

    assert (response.headers.raw, len(upstream.requests)) == ([], 1)
    assert caplog.text.count("has no effect") == 3


async def test_scalars_become_header_values():
    _, upstream = await through({"customRequestHeaders": {"X-Five": 5, "X-Yes": True, "X-Null": None}})

    assert upstream.last.headers.raw == [(b"x-five", b"5"), (b"x-yes", b"true")]
