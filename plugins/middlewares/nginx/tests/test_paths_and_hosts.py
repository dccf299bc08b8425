"""rewriteTarget, appRoot, upstreamVHost."""

import pytest

from pointsman.errors import ConfigError, GatewayError
from pointsman.testing import a_request, answering, build
from pointsman_nginx import AppRoot, RewriteTarget, UpstreamVHost


async def asked(middleware, url="http://a.test/", method="GET", headers=None):
    """The answer, and the request as it went on; None if it did not."""
    upstream = answering(200)
    response = await middleware(a_request(method, url, headers or {}), upstream)
    return response, upstream.last if upstream.requests else None


def target(request):
    return request.path + (b"?" + request.query if request.query else b"")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/api/x", b"/x"),
        ("/api", b"/"),
        ("/API/y?k=1", b"/y?k=1"),
        ("/api/a%2Fb%20c", b"/a%2Fb%20c"),
        ("/other", b"/other"),
    ],
)
async def test_a_path_becomes_what_its_groups_say_in_any_case(url, expected):
    rewrite = build(RewriteTarget, {"regex": "^/api(/|$)(.*)", "replacement": "/$2"})

    assert target((await asked(rewrite, url))[1]) == expected


async def test_without_an_expression_groups_are_nothing():
    rewrite = build(RewriteTarget, {"replacement": "/new/$1x", "xForwardedPrefix": "/p$2"})
    _, request = await asked(rewrite, "/any")

    assert (request.path, request.headers.get_all(b"x-forwarded-prefix")) == (b"/new/x", [b"/p"])


async def test_the_prefix_is_told_in_place_of_what_the_client_says():
    rewrite = build(RewriteTarget, {"regex": "^/(v[0-9])/(.*)", "replacement": "/$2", "xForwardedPrefix": "/$1"})
    _, request = await asked(rewrite, "/v2/x", headers={"X-Forwarded-Prefix": "/mine"})

    assert request.headers.get_all(b"x-forwarded-prefix") == [b"/v2"]


@pytest.mark.parametrize(("url", "status"), [("/api", 500), ("/api/..%2Fx", 400), ("/api..%2Fx", 400)])
async def test_a_path_that_is_empty_or_not_sane_goes_nowhere(url, status):
    rewrite = build(RewriteTarget, {"regex": "^/api(.*)", "replacement": "$1"})
    response, request = await asked(rewrite, url)

    assert (response.status, request) == (status, None)


async def test_two_slashes_in_a_row_go_nowhere():
    response, request = await asked(build(RewriteTarget, {"regex": "^/api(.*)", "replacement": "/$1"}), "/api/x")

    assert (response.status, request) == (400, None)


async def test_a_path_has_a_slash_though_the_replacement_has_none():
    rewrite = build(RewriteTarget, {"regex": "^/api(.*)", "replacement": "$1"})

    assert (await asked(rewrite, "/apix"))[1].path == b"/x"


@pytest.mark.parametrize(
    ("replacement", "url", "location"),
    [
        ("https://other.test/x", "/old", b"https://other.test/x"),
        ("https://other.test/x", "/old/y?b=2", b"https://other.test/x?b=2"),
        ("https://other.test/x?a=1", "/OLD?b=2", b"https://other.test/x?a=1"),
        ("https://other.test/x", "/zz/old", b"https://other.test/x"),
    ],
)
async def test_a_url_is_a_redirection_that_keeps_the_query(replacement, url, location):
    response, request = await asked(build(RewriteTarget, {"regex": "/old", "replacement": replacement}), url)

    assert (response.status, response.headers.get(b"location"), request) == (302, location, None)


async def test_a_client_cannot_make_a_url_of_a_path():
    rewrite = build(RewriteTarget, {"regex": "^/api(.*)", "replacement": "$1"})
    response, request = await asked(rewrite, "/apihttps:%2F%2Fevil.test")

    assert (response.status, request.path) == (200, b"/https:%2F%2Fevil.test")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "replacement cannot be empty"),
        ({"regex": "(?!x)", "replacement": "/"}, "(?!"),
        ({"regex": "(", "replacement": "/"}, "regex"),
        ({"replacement": "/", "xForwardedPrefix": "/a\nb"}, "control character"),
    ],
)
def test_what_is_wrong_with_a_target_is_said_when_it_is_loaded(options, message):
    with pytest.raises(ConfigError) as error:
        build(RewriteTarget, options)
    assert message in str(error.value)


async def test_an_expression_that_matches_everywhere_is_bounded():
    rewrite = build(RewriteTarget, {"regex": "a?", "replacement": "/b"})

    with pytest.raises(GatewayError) as error:
        await asked(rewrite, "/" + "x" * 60_000)
    assert error.value.status == 414


@pytest.mark.parametrize(
    ("path", "url", "location"),
    [
        ("/app", "http://a.test/", b"http://a.test/app"),
        ("/app", "http://a.test:8080/?a=3", b"http://a.test:8080/app"),
        ("/app?x=$arg_a&m=$request_method", "http://a.test/?a=1%20b", b"http://a.test/app?x=1%20b&m=GET"),
        ("/app?x=$arg_a", "http://a.test/?a=1%0d%0aSet-Cookie:x", b"http://a.test/app?x=1%0D%0ASet-Cookie:x"),
    ],
)
async def test_the_root_leads_to_the_application(path, url, location):
    response, request = await asked(build(AppRoot, {"path": path}), url)

    assert (response.status, response.headers.get(b"location"), request) == (302, location, None)


async def test_other_paths_pass_the_root():
    assert (await asked(build(AppRoot, {"path": "/app"}), "/x"))[1].path == b"/x"


async def test_no_redirection_can_be_made_without_a_host():
    request = a_request("GET", "/")
    request.authority = b""

    assert (await build(AppRoot, {"path": "/app"})(request, answering(200))).status == 400


@pytest.mark.parametrize(("path", "message"), [("", "cannot be empty"), ("app", "should start with /")])
def test_an_application_begins_with_a_slash(path, message):
    with pytest.raises(ConfigError, match=message):
        build(AppRoot, {"path": path})


async def test_servers_see_the_host_of_a_text_with_variables():
    options = {"vHost": "$service_name.${host}:8", "vars": {"$service_name": "shop", "unused": "x"}}
    _, request = await asked(build(UpstreamVHost, options), "http://A.test:81/")

    assert request.authority == b"shop.a.test:8"


@pytest.mark.parametrize("said", ["", "a b", "a/b", "a@b", "a\tb", "a,b"])
async def test_a_client_cannot_say_a_host_that_is_none(said):
    response, request = await asked(build(UpstreamVHost, {"vHost": "$http_x_host"}), headers={"X-Host": said})

    assert (response.status, request) == (400, None)


@pytest.mark.parametrize("host", ["", "a b", "http://a.test"])
def test_a_host_that_is_none_is_refused_when_it_is_loaded(host):
    with pytest.raises(ConfigError):
        build(UpstreamVHost, {"vHost": host})
