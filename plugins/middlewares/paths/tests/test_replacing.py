"""replacePath and replacePathRegex: which path the next handler sees, and what is told of the one before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import decoded, sanitise
from pointsman.errors import ConfigError
from pointsman.testing import a_chain, a_request, answering, build
from pointsman_paths import AddPrefix, ReplacePath, ReplacePathRegex


def regex(pattern, replacement):
    return build(ReplacePathRegex, {"regex": pattern, "replacement": replacement})


async def path_after(middleware, url):
    upstream = answering(200)
    response = await middleware(a_request(url=f"http://a.example{url}"), upstream)
    return upstream.last.path if upstream.requests else response.status


@pytest.mark.spec("M-44")
async def test_replace_path_keeps_the_query_and_tells_the_path_before():
    upstream = answering()
    await build(ReplacePath, {"path": "/new"})(a_request(url="http://a.example/x%2Fy?a=1"), upstream)

    assert (upstream.last.path, upstream.last.query) == (b"/new", b"a=1")
    assert upstream.last.headers.get_all(b"x-replaced-path") == [b"/x%2Fy"]


@pytest.mark.spec("M-45")
@pytest.mark.parametrize(
    ("literal", "path"),
    [
        ("/n?x=1", b"/n%3Fx=1"),
        ("/n#x", b"/n%23x"),
        ("/a%2Fb c", b"/a%2Fb%20c"),
        ("/a%2fb%61", b"/a%2Fba"),
        ("/ä", b"/%C3%A4"),
        ("/a/../b//c", b"/b/c"),
        ("/a/%2e%2e/b", b"/b"),
        ("new", b"/new"),
        ("..", b"/"),
        ("", b"/"),
        ("/100%25", b"/100%25"),
        ("/a\nb", b"/a%0Ab"),
    ],
)
async def test_the_literal_is_an_encoded_path(literal, path):
    assert await path_after(build(ReplacePath, {"path": literal}), "/x") == path


@pytest.mark.parametrize("literal", ["/%", "/%zz", "/a%2", "/%%20"])
def test_a_literal_with_a_bad_escape_is_refused(literal):
    with pytest.raises(ConfigError, match="invalid URL escape"):
        build(ReplacePath, {"path": literal})


@pytest.mark.parametrize(
    ("pattern", "replacement", "url", "path"),
    [
        ("^/foo/(.*)", "/bar/$1", "/foo/a%2fb?q", b"/bar/a%2Fb"),
        ("^/foo(.*)", "/bar/$1", "/foo/x", 400),
        ("^/foo(.*)", "/bar/$1", "/foo", b"/bar/"),
        (" ^/foo/(.*) ", " /bar/$1 ", "/foo/x", b"/bar/x"),
        ("^/foo", "/bar", "/x", b"/x"),
        ("x*", "-", "/axb", b"/-/-a-b-"),
        ("^/(.*)", "$1", "/a/b", b"/a/b"),
        ("^/(.*)", "", "/a/b", b"/"),
        ("^/foo/(.*)", "/bar/$1x/${1}x", "/foo/a", 400),
        ("^/foo/(.*)", "/bar/${1}x", "/foo/a", b"/bar/ax"),
        ("^/(?P<one>[^/]+)/(?<two>[^/]+)$", "/$two/$one", "/a/b", b"/b/a"),
        ("^/(.*)$", "/$1?x#y z", "/a", b"/a%3Fx%23y%20z"),
        ("%2F", "/", "/a%2Fb", b"/a/b"),
        ("%2F", "/", "/a%2F%2Fb", 400),
        ("/", "%2F", "/a/b", b"/%2Fa%2Fb"),
        ("^/a/(.*)$", "/$1", "/a/..%2Fb", 400),
        ("^/a(.*)$", "/.$1", "/a./b", 400),
        ("^/a(.*)$", "/%2e$1", "/a.", 400),
        ("^/(.*)$", "/%$1", "/41", b"/A"),
        ("^/(.*)$", "/%$1", "/0A", b"/%0A"),
        ("^/(.*)$", "/%$1", "/zz", 500),
        ("^/(.*)$", "/é/$1", "/%C3%A9", b"/%C3%A9/%C3%A9"),
        ("(a)|(b)", "[$1$2]", "/ab", b"/[a][b]"),
    ],
)
@pytest.mark.spec("M-46", "M-47", "M-49")
async def test_replace_path_regex_makes_the_path_of_the_template(pattern, replacement, url, path):
    assert await path_after(regex(pattern, replacement), url) == path


@pytest.mark.spec("M-47")
async def test_a_path_that_servers_read_in_two_ways_is_a_bad_request():
    response = await regex("^/foo(.*)", "/bar/$1")(a_request(url="http://a.example/foo/x"), answering())

    assert (response.status, await response.body.read(100)) == (400, b"Bad Request\n")


async def test_an_escape_that_a_request_breaks_is_named():
    response = await regex("^/(.*)", "/%$1")(a_request(url="http://a.example/zz"), answering())

    assert (response.status, await response.body.read(100)) == (500, b'invalid URL escape "%zz"\n')


@pytest.mark.parametrize("replacement", ["/%zz", "/$1%zz$1", "/%z/", "/%$$1"])
def test_a_template_with_a_bad_escape_is_refused(replacement):
    with pytest.raises(ConfigError, match="write %25"):
        regex("(a)", replacement)


@pytest.mark.spec("M-50")
def test_an_expression_that_go_does_not_have_is_refused_with_its_place():
    with pytest.raises(ConfigError) as refused:
        regex("^(?!x)", "y")

    assert refused.value.problems[0].path == "replacePathRegex.regex"


@pytest.mark.parametrize("name", ["X-Replaced-Path", "X_Replaced_Path", "x.replaced-path"])
async def test_what_the_client_says_of_a_replaced_path_is_dropped(name):
    """D10"""
    for middleware, told in (
        (build(ReplacePath, {"path": "/new"}), [b"/x"]),
        (regex("^/x", "/y"), [b"/x"]),
        (regex("^/nope", "/y"), []),
    ):
        upstream = answering()
        await middleware(a_request(url="http://a.example/x", headers={name: ["/claimed", "/x"], "X-B": "1"}), upstream)

        headers = upstream.last.headers
        assert headers.raw == [(b"x-b", b"1"), *((b"x-replaced-path", path) for path in told)]


async def test_each_replacement_tells_its_own_path():
    upstream = answering()
    chain = [build(ReplacePath, {"path": "/a"}), build(AddPrefix, {"prefix": "/p"}), regex("a$", "b"), regex("zzz", "")]
    await a_chain(chain, upstream)(a_request(url="http://a.example/x"))

    assert upstream.last.path == b"/p/b"
    assert upstream.last.headers.get_all(b"x-replaced-path") == [b"/x", b"/p/a"]


async def test_a_request_that_is_sent_once_more_as_it_was_does_not_bring_the_clients_line_back():
    request, upstream = a_request(url="http://a.example/x", headers={"X-Replaced-Path": "/claimed"}), answering()
    before = request.headers.copy()
    middleware = build(ReplacePath, {"path": "/new"})
    await middleware(request, upstream)
    request.headers = before
    request.rewrite(b"/x")
    await middleware(request, upstream)

    assert request.headers.get_all(b"x-replaced-path") == [b"/x"]


PIECES = st.lists(st.sampled_from(["a", "%2F", "%0D%0A", "%2E", "/", ".", "%25", "-"]), max_size=8).map("".join)


@given(st.sampled_from(["$1", "/$1", "/b$1/$2", "%$2$1", "${1}..", "/%2$2/$1"]), PIECES)
async def test_a_path_that_was_made_is_canonical_and_safe(template, tail):
    url = sanitise(b"/" + tail.encode()).decode()
    result = await path_after(regex("^/(.*?)(a|/|$)", template), url)

    if isinstance(result, int):
        assert result in (400, 500)
    else:
        assert result.startswith(b"/")
        assert all(0x20 < byte < 0x7F for byte in result)
        assert sanitise(result) == result
        assert not {b".", b".."} & set(decoded(result).split(b"/"))
