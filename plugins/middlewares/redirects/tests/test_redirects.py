"""redirectRegex and redirectScheme: who is sent where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import ConfigError
from pointsman.testing import a_request, answering, build
from pointsman_redirects import RedirectRegex, RedirectScheme


async def ask(middleware, url, method="GET", headers=()):
    """Status and Location, or what reached the service."""
    upstream = answering(200)
    response = await middleware(a_request(method, url, headers), upstream)
    if upstream.requests:
        return "passed"
    return response.status, (response.headers.get(b"location") or b"").decode()


def regex(pattern, replacement, **more):
    return build(RedirectRegex, {"regex": pattern, "replacement": replacement, **more})


@pytest.mark.parametrize(
    ("pattern", "replacement", "url", "answer"),
    [
        (r"^http://rr\.t/foo/(.*)", "http://other.t/bar/$1", "http://rr.t/foo/a?b=1", (302, "http://other.t/bar/a?b=1")),
        (r"^http://rr\.t/foo/(.*)", "http://other.t/bar/$1", "http://rr.t/other", "passed"),
        (r"^http://rr\.t/foo/(.*)", "http://other.t/bar/$1", "https://rr.t/foo/a", "passed"),
        (r"^https://rr\.t/foo/(.*)", "http://other.t/bar/$1", "https://rr.t/foo/a", (302, "http://other.t/bar/a")),
        (r"^http://rr\.t:8080/(.*)", "https://rr.t/$1", "http://rr.t:8080/a", (302, "https://rr.t/a")),
        ("a", "b", "http://rrmulti.t/a", (302, "http://rrmulti.t/b")),
        ("", "x", "http://a/", (302, "xhxtxtxpx:x/x/xax/x")),
        ("", "", "http://a/", "passed"),
        ("x", "y", "http://a/", "passed"),
        ("(.*)", "$1", "http://rr.t/a?b", "passed"),
        ("^(http)://", "${1}s://", "http://rr.t/a%2fb?c=%2f", (302, "https://rr.t/a%2Fb?c=%2f")),
        (".*", "http://x.t/a b", "http://rr.t/", (302, "http://x.t/a%20b")),
        ("^.*$", "/login?from=$0", "http://rr.t/a?b", (302, "/login?from=http://rr.t/a?b")),
        ("^.*$", "http://[bad", "http://rr.t/", (502, "")),
        ("^.*$", "http://x.t/%zz", "http://rr.t/", (502, "")),
        ("^.*$", "http:///x", "http://rr.t/", (502, "")),
        (r"^http://rr\.t/(.*)", "http://x.t/$1", "http://rr.t/%0d%0aX-Own:%201", (302, "http://x.t/%0D%0AX-Own:%201")),
        (r"^http://rr\.t/(.*)", "http://$1/", "http://rr.t/%0d%0a", (502, "")),
    ],
)
async def test_redirect_regex_sends_to_what_the_template_makes(pattern, replacement, url, answer):
    assert await ask(regex(pattern, replacement), url) == answer


@pytest.mark.spec("M-25")
async def test_a_redirect_is_its_reason_phrase_and_location():
    middleware = regex(r"^http://rr\.t/foo/(.*)", "http://other.t/bar/$1")
    response = await middleware(a_request(url="http://rr.t/foo/a?b=1"), answering())

    assert (response.status, await response.body.read(100)) == (302, b"Found")
    assert response.headers.raw == [(b"location", b"http://other.t/bar/a?b=1")]


@pytest.mark.spec("M-51")
async def test_a_url_that_stays_the_same_reaches_the_service_as_it_was():
    upstream = answering()
    response = await regex("^(http://rr.t)/(.*)$", "$1/$2")(a_request(url="http://rr.t/a%2Fb?c"), upstream)

    assert response.status == 200
    assert (upstream.last.path, upstream.last.query) == (b"/a%2Fb", b"c")


@pytest.mark.spec("M-52")
async def test_what_is_no_url_is_a_bad_gateway():
    response = await regex(".*", "http://[bad")(a_request(), answering())

    assert (response.status, await response.body.read(100), response.headers.raw) == (502, b"Bad Gateway", [])


@pytest.mark.spec("M-53")
@pytest.mark.parametrize(
    ("method", "permanent", "status"),
    [("GET", False, 302), ("POST", False, 307), ("GET", True, 301), ("POST", True, 308), ("HEAD", True, 308)],
)
async def test_only_get_is_sent_with_statuses_that_may_change_the_method(method, permanent, status):
    for middleware in (
        regex("^http:", "https:", permanent=permanent),
        build(RedirectScheme, {"scheme": "https", "permanent": permanent}),
    ):
        assert await ask(middleware, "http://h/a", method) == (status, "https://h/a")


async def test_the_regex_sees_the_path_that_earlier_middlewares_made():
    request = a_request(url="http://rr.t/old?x=1")
    request.rewrite(b"/new")
    response = await regex("^http://rr.t/(.*)", "http://x.t/$1")(request, answering())

    assert response.headers.get(b"location") == b"http://x.t/new?x=1"


@pytest.mark.spec("M-50")
def test_an_expression_that_go_does_not_have_is_refused_with_its_place():
    with pytest.raises(ConfigError) as refused:
        regex("^(?!x)", "y")

    (problem,) = refused.value.problems
    assert (problem.path, "(?!" in problem.message) == ("redirectRegex.regex", True)


@pytest.mark.parametrize("replacement", ["http://x.t/\n", "\x00", "a\x7f"])
def test_a_replacement_that_no_header_could_hold_is_refused(replacement):
    with pytest.raises(ConfigError, match="control character"):
        regex("a", replacement)


TEMPLATES = st.sampled_from(
    ["$1", "http://x.t/$1", "//$1/", "http://$1", "$2:$1", "/a$0", "http://x.t/?$1", "http://x.t/#$1"]
)


@given(TEMPLATES, st.binary(max_size=24).map(lambda raw: bytes(byte for byte in raw if byte > 32 and byte not in b"\x7f?#")))
async def test_no_request_puts_more_into_the_answer_than_one_printable_line(template, rest):
    request = a_request(url="http://rr.t/")
    request.path, request.target = b"/" + rest, b"/" + rest + b"?" + rest
    response = await regex("^http://rr.t/(.)?(.*)", template)(request, answering())

    for line in response.headers.raw:
        assert line[0] == b"location"
        assert all(0x20 < byte < 0x7F for byte in line[1])


@pytest.mark.spec("M-23")
@pytest.mark.parametrize(
    ("config", "url", "proto", "answer"),
    [
        ({"scheme": "https"}, "http://h:8080/a?b", "", (302, "https://h/a?b")),
        ({"scheme": "https", "permanent": True}, "http://h:8080/a?b", "", (301, "https://h/a?b")),
        ({"scheme": "HTTPS", "port": "443"}, "http://h/", "", (302, "https://h/")),
        ({"scheme": "https", "port": 8443}, "http://h/", "", (302, "https://h:8443/")),
        ({"scheme": "https", "port": "8443"}, "https://h:8443/", "", "passed"),
        ({"scheme": "https", "port": "08443"}, "https://h:8443/", "", "passed"),
        ({"scheme": "https"}, "https://h:8443/", "", (302, "https://h/")),
        ({"scheme": "https"}, "https://h/", "", "passed"),
        ({"scheme": "https"}, "http://h/", "https", "passed"),
        ({"scheme": "https"}, "http://h/", "wss", "passed"),
        ({"scheme": "https"}, "http://h/", "ftp", (302, "https://h/")),
        ({"scheme": "http"}, "https://h/", "", (302, "http://h/")),
        ({"scheme": "app"}, "https://h/", "", (302, "app://h/")),
        ({"scheme": "https"}, "http:///a", "", (400, "")),
    ],
)
async def test_redirect_scheme_changes_scheme_and_port(config, url, proto, answer):
    headers = {"X-Forwarded-Proto": proto} if proto else {}
    assert await ask(build(RedirectScheme, config), url, "GET", headers) == answer


@pytest.mark.spec("M-112")
@pytest.mark.parametrize("host", ["[::1]:8080", "[::1]"])
async def test_brackets_stay_around_an_address(host):
    assert await ask(build(RedirectScheme, {"scheme": "https"}), f"http://{host}/x") == (302, "https://[::1]/x")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "you must provide a target scheme"),
        ({"scheme": ""}, "you must provide a target scheme"),
        ({"scheme": "https://"}, "is no scheme"),
        ({"scheme": "https", "port": "x"}, "is no port"),
        ({"scheme": "https", "port": ":443"}, "is no port"),
        ({"scheme": "https", "port": 0}, "is no port"),
        ({"scheme": "https", "port": 65536}, "is no port"),
    ],
)
def test_a_scheme_and_a_port_must_be_usable(config, message):
    with pytest.raises(ConfigError, match=message):
        build(RedirectScheme, config)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
@pytest.mark.parametrize("status", [300, 303, 308])
async def test_a_status_is_for_all_methods(method, status):
    assert await ask(regex(".*", "/x", statusCode=status, permanent=True), "http://a.t/", method) == (status, "/x")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_forced_a_permanent_redirect_is_308_for_all_methods(method):
    middleware = build(RedirectScheme, {"scheme": "https", "forcePermanentRedirect": True})

    assert await ask(middleware, "http://a.t/x", method) == (308, "https://a.t/x")


@pytest.mark.parametrize("status", [200, 299, 309, -1])
def test_a_status_that_is_no_redirection_is_refused(status):
    with pytest.raises(ConfigError, match="is no redirection"):
        regex(".*", "/x", statusCode=status)
