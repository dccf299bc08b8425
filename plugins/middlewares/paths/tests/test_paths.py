"""addPrefix, stripPrefix and stripPrefixRegex: what of the request the next handler sees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import decoded, sanitise
from pointsman.errors import ConfigError
from pointsman.testing import a_chain, a_request, answering, build
from pointsman_paths import AddPrefix, StripPrefix, StripPrefixRegex
from pointsman_paths.rewriting import after


async def path_after(middlewares, url):
    upstream = answering(200)
    response = await a_chain(middlewares, upstream)(a_request(url=f"http://a.example{url}"))
    return upstream.last.path if upstream.requests else response.status


@pytest.mark.spec("M-39")
@pytest.mark.parametrize(
    ("prefix", "url", "path"),
    [
        ("/foo", "/x?q=1", b"/foo/x"),
        ("/foo", "/a%2Fb", b"/foo/a%2Fb"),
        ("/foo", "/a%2fb", b"/foo/a%2Fb"),
        ("foo", "/x", b"/foo/x"),
        ("/foo/", "/x", b"/foo/x"),
        ("/", "/x", b"/x"),
        ("/a b", "/x", b"/a%20b/x"),
        ("/a%20b", "/x%2Fy", b"/a%2520b/x%2Fy"),
        ("/a?b#c", "/x", b"/a%3Fb%23c/x"),
        ("/ä", "/x", b"/%C3%A4/x"),
        ("/a/../b//c", "/x", b"/b/c/x"),
    ],
)
async def test_add_prefix_goes_before_the_path(prefix, url, path):
    assert await path_after([build(AddPrefix, {"prefix": prefix})], url) == path


async def test_add_prefix_leaves_the_query_alone_and_is_seen_by_later_rules():
    upstream = answering()
    await build(AddPrefix, {"prefix": "/foo"})(a_request(url="http://a.example/%C3%A4?q=%2f"), upstream)

    assert upstream.last.query == b"q=%2f"
    assert upstream.last.routing_path == "/foo/ä".encode()
    assert upstream.last.target == b"/%C3%A4?q=%2f"


@pytest.mark.spec("M-40")
@pytest.mark.parametrize("config", [{"prefix": ""}, {}])
def test_an_empty_prefix_to_add_is_a_configuration_error(config):
    with pytest.raises(ConfigError, match="prefix cannot be empty"):
        build(AddPrefix, config)


@pytest.mark.spec("M-15", "M-16", "M-41")
@pytest.mark.parametrize(
    ("prefixes", "url", "path"),
    [
        (["/api"], "/api/foo?q", b"/foo"),
        (["/api"], "/api", b"/"),
        (["/api"], "/api/", b"/"),
        (["/api"], "/apifoo", b"/foo"),
        (["/api"], "/other", b"/other"),
        (["/api"], "/API/x", b"/API/x"),
        (["/api"], "/api../x", 400),
        (["/api"], "/api./x", 400),
        (["/api"], "/api/a%2F%2E%2E%2Fb", 400),
        (["/api"], "/api/..%2fx", 400),
        (["/api"], "/api/.hidden", b"/.hidden"),
        (["/api"], "/api/a%2fb", b"/a%2Fb"),
        (["/api"], "/api/http:%2F%2Fa.example/b", b"/http:%2F%2Fa.example/b"),
        (["/api"], "/api%2Fx", b"/%2Fx"),
        (["/api"], "/%61pi/x", b"/x"),
        (["/a b"], "/a%20b/c", b"/c"),
        (["/ä"], "/%c3%a4/%c3%a4", b"/%C3%A4"),
        (["/api/"], "/api/x/y", b"/x/y"),
        (["/api", "/api/v2"], "/api/v2/x", b"/v2/x"),
        (["/b", "/a"], "/a/x", b"/x"),
        ([" /api "], "/api/x", b"/x"),
    ],
)
async def test_strip_prefix_removes_the_first_prefix_that_matches(prefixes, url, path):
    assert await path_after([build(StripPrefix, {"prefixes": prefixes})], url) == path


@given(st.lists(st.sampled_from([b"a", b"%2F", b"%61", b"/", b".", b"b"]), max_size=8).map(b"".join))
async def test_bound_or_called_it_does_the_same(tail):
    path = sanitise(b"/" + tail).decode()
    strip, bound, called = build(StripPrefix, {"prefixes": ["/a", "/"], "forceSlash": False}), answering(), answering()
    answers = [
        await strip.bind(bound)(a_request(url=f"http://a.example{path}")),
        await strip(a_request(url=f"http://a.example{path}"), called),
    ]

    assert answers[0].status == answers[1].status
    assert [(seen.path, seen.headers) for seen in bound.requests] == [(seen.path, seen.headers) for seen in called.requests]


@pytest.mark.spec("M-16")
async def test_a_rest_with_dot_segments_is_a_bad_request():
    response = await build(StripPrefix, {"prefixes": ["/api"]})(a_request(url="http://a.example/api../x"), answering())

    assert (response.status, await response.body.read(100)) == (400, b"Bad Request\n")
    assert response.headers.get(b"x-content-type-options") == b"nosniff"


@pytest.mark.spec("M-15", "M-42")
async def test_each_stripped_prefix_is_a_line_of_its_own():
    upstream = answering()
    strips = [build(StripPrefix, {"prefixes": [prefix]}) for prefix in ("/a", "/b", "/nope")]
    await a_chain(strips, upstream)(a_request(url="http://a.example/a/b/c?q"))

    assert (upstream.last.path, upstream.last.query) == (b"/c", b"q")
    assert upstream.last.headers.get_all(b"x-forwarded-prefix") == [b"/a", b"/b"]


async def test_without_prefixes_nothing_is_stripped():
    assert await path_after([build(StripPrefix, {"prefixes": []})], "/x") == b"/x"


@pytest.mark.parametrize("prefix", ["", "  ", "/a\r\nx: y"])
def test_a_prefix_to_strip_must_be_usable(prefix):
    with pytest.raises(ConfigError, match="prefix"):
        build(StripPrefix, {"prefixes": ["/ok", prefix]})


async def test_force_slash_is_accepted_with_a_warning(caplog):
    strip = build(StripPrefix, {"prefixes": ["/api"], "forceSlash": True})

    assert await path_after([strip], "/apix") == b"/x"
    assert await path_after([strip], "/api") == b"/"
    assert "deprecated" in caplog.text


@pytest.mark.spec("M-43")
@pytest.mark.parametrize(
    ("regex", "url", "path", "prefix"),
    [
        (["/api/[0-9]+"], "/api/12/x", b"/x", b"/api/12"),
        (["/api/[0-9]+"], "/x/api/12/y", b"/x/api/12/y", None),
        (["/api/[0-9]+"], "/api/12", b"/", b"/api/12"),
        (["/api/[0-9]+"], "/api/12x?q", b"/x", b"/api/12"),
        ([" /a ", "/b"], "/a/b", b"/b", b"/a"),
        (["/b", "/a"], "/a/b", b"/b", b"/a"),
        (["x*", "/a"], "/a/b", b"/b", b"/a"),
        (["/a$"], "/a/x/a", b"/x/a", b"/a"),
        (["/[a-z ]+"], "/a%20b/c%2Fd", b"/c%2Fd", b"/a b"),
        (["/[^/]+/[^/]+"], "/a%2Fb/c", b"/c", b"/a/b"),
        (["/é."], "/%C3%A9%C3%A9/x", b"/x", "/éé".encode()),
        (["/."], "/%FF/x", b"/x", b"/\xff"),
        (["(?i)/API"], "/Api/x", b"/x", b"/Api"),
        (["/api"], "/api../x", 400, None),
        (["/[^/]+"], "/a%0D%0AX-Own:%201/x", 400, None),
        (["/[^/]+"], "/a%00/x", 400, None),
        (["/a.b"], "/a%09b/x", b"/x", b"/a\tb"),
        ([], "/a", b"/a", None),
        ([""], "/a", b"/a", None),
    ],
)
async def test_strip_prefix_regex_removes_what_is_found_at_the_beginning(regex, url, path, prefix):
    upstream = answering(200)
    response = await build(StripPrefixRegex, {"regex": regex})(a_request(url=f"http://a.example{url}"), upstream)

    assert (upstream.last.path if upstream.requests else response.status) == path
    if upstream.requests:
        assert upstream.last.headers.get(b"x-forwarded-prefix") == prefix


@pytest.mark.spec("M-50")
def test_an_expression_that_go_does_not_have_is_refused_with_its_place():
    with pytest.raises(ConfigError) as refused:
        build(StripPrefixRegex, {"regex": ["/a", "^(?!x)"]})

    assert refused.value.problems[0].path == "stripPrefixRegex.regex"


PATHS = st.lists(st.sampled_from([b"a", b"%2F", b"%41", b"%C3%A4", b"/", b".", b"-", b"%25"]), max_size=12).map(b"".join)


@given(PATHS, PATHS)
def test_what_is_left_and_what_was_taken_are_the_whole_decoded_path(front, back):
    assert after(front + back, len(decoded(front))) == back


@given(PATHS)
async def test_a_stripped_path_never_has_dot_or_empty_segments(path):
    path = sanitise(b"/api" + path)
    for strip in (build(StripPrefix, {"prefixes": ["/api"]}), build(StripPrefixRegex, {"regex": ["^/api"]})):
        result = await path_after([strip], path.decode())

        if isinstance(result, bytes) and path.startswith(b"/api"):
            assert sanitise(result) == result
            assert not {b".", b".."} & set(decoded(result).split(b"/"))
            assert result.startswith(b"/")


@given(st.sampled_from([["/api.*?/"], ["."], [".+"], ["/[^/]*"]]), st.binary(max_size=12))
async def test_a_prefix_that_was_found_is_never_more_than_one_header(regex, tail):
    upstream = answering()
    request = a_request(url="http://a.example/")
    request.rewrite(b"/" + b"".join(b"%%%02X" % byte for byte in tail))
    await build(StripPrefixRegex, {"regex": regex})(request, upstream)

    for seen in upstream.requests:
        assert all(not set(value) & {0, 10, 13} for value in seen.headers.get_all(b"x-forwarded-prefix"))
        assert seen.path.startswith(b"/")
