"""Middlewares that redirect, rewrite paths by expressions, and refuse escapes: over real sockets (middlewares.md §3)."""

import pytest
import pytest_asyncio

from .stage import head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIDDLEWARES = {
    "https": {"redirectScheme": {"scheme": "https"}},
    "https-lasting": {"redirectScheme": {"scheme": "https", "permanent": True}},
    "moved": {"redirectRegex": {"regex": "^http://rr\\.t/foo/(.*)", "replacement": "http://other.t/bar/$1"}},
    "lasting": {"redirectRegex": {"regex": "^http:", "replacement": "https:", "permanent": True}},
    "same": {"redirectRegex": {"regex": "^(.*)$", "replacement": "$1"}},
    "no-url": {"redirectRegex": {"regex": ".*", "replacement": "http://[bad"}},
    "searched": {"redirectRegex": {"regex": "a.*b|a", "replacement": "x"}},
    "add": {"addPrefix": {"prefix": "/foo"}},
    "add-bare": {"addPrefix": {"prefix": "foo"}},
    "strip": {"stripPrefix": {"prefixes": ["/api", "/api/v2"]}},
    "strip-a": {"stripPrefix": {"prefixes": ["/a"]}},
    "strip-b": {"stripPrefix": {"prefixes": ["/b"]}},
    "strip-regex": {"stripPrefixRegex": {"regex": ["/api/[0-9]+"]}},
    "strip-any": {"stripPrefixRegex": {"regex": ["/[^/]+"]}},
    "new": {"replacePath": {"path": "/new"}},
    "question": {"replacePath": {"path": "/n?x=1"}},
    "foo": {"replacePathRegex": {"regex": "^/foo/(.*)", "replacement": "/bar/$1"}},
    "pitfall": {"replacePathRegex": {"regex": "^/foo(.*)", "replacement": "/bar/$1"}},
    "stars": {"replacePathRegex": {"regex": "x*", "replacement": "-"}},
    "longest": {"replacePathRegex": {"regex": "^/foo/(.*)", "replacement": "/bar/$1x/${1}x"}},
    "plain": {"encodedCharacters": {"allowEncodedHash": True}},
    "plain-all": {"encodedCharacters": {}},
    "lookahead": {"replacePathRegex": {"regex": "^(?!x)", "replacement": "/y"}},
    "no-prefix": {"addPrefix": {"prefix": ""}},
    "bad-escape": {"replacePath": {"path": "/%zz"}},
}
CHAINS = {"strip-both": ["strip-a", "strip-b"], "rr": ["moved"]}


def dynamic(urls):
    chains = {name: [name] for name in MIDDLEWARES} | CHAINS
    document = routed(
        {name: {"rule": f"Host(`{name}.t`)", "middlewares": chain} for name, chain in chains.items()}
        | {"v6": {"rule": "HostRegexp(`::1`)", "middlewares": ["https"]}},
        urls,
    )
    document["http"]["middlewares"] = MIDDLEWARES
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(
        dynamic, {"entryPoints": {"web": {}, "trusting": {"forwardedHeaders": {"insecure": True}}}}, ["a"]
    ) as stage:
        yield stage


async def sent_to(stage, path, host, method="GET", entry_point="web", *lines):
    """Status and Location of the answer."""
    answer = await stage.ask(head(f"{method} {path} HTTP/1.1", f"Host: {host}", "Content-Length: 0", *lines), entry_point)
    return answer.status, answer.get("location")


async def passed_on(stage, path, name):
    """The target and what was told of it, if the server saw it; else the status and the body."""
    stage.reset()
    answer = await stage.get(path, f"{name}.t")
    if not stage["a"].requests:
        return answer.status, answer.body
    seen = stage["a"].last
    return seen.target, [
        value for name, value in seen.headers if name.lower() in (b"x-forwarded-prefix", b"x-replaced-path")
    ]


@pytest.mark.spec("M-23")
async def test_redirect_scheme_sends_to_the_same_place_by_another_scheme(stage):
    assert await sent_to(stage, "/a?b", "https.t:8080") == (302, "https://https.t/a?b")
    assert await sent_to(stage, "/a?b", "https.t", "POST") == (307, "https://https.t/a?b")
    assert await sent_to(stage, "/a?b", "https-lasting.t") == (301, "https://https-lasting.t/a?b")
    assert await sent_to(stage, "/a?b", "https-lasting.t", "POST") == (308, "https://https-lasting.t/a?b")


@pytest.mark.spec("M-24")
async def test_only_a_trusted_peer_can_say_that_the_client_came_by_https(stage):
    claim = "X-Forwarded-Proto: https"
    assert await sent_to(stage, "/", "https.t", "GET", "trusting", claim) == (200, None)
    assert await sent_to(stage, "/", "https.t", "GET", "web", claim) == (302, "https://https.t/")
    assert await sent_to(stage, "/", "https.t", "GET", "trusting", "X_Forwarded_Proto: https") == (302, "https://https.t/")


@pytest.mark.spec("M-112")
async def test_a_host_in_brackets_is_redirected(stage):
    assert await sent_to(stage, "/x", "[::1]:8080") == (302, "https://[::1]/x")


@pytest.mark.spec("M-25")
async def test_redirect_regex_sends_to_what_its_template_makes(stage):
    answer = await stage.get("/foo/a?b=1", "rr.t")

    assert (answer.status, answer.body) == (302, b"Found")
    assert (answer.get("location"), answer.get("content-type")) == ("http://other.t/bar/a?b=1", None)


@pytest.mark.spec("M-51", "M-52", "M-53")
async def test_a_redirect_needs_another_url_that_is_one(stage):
    assert await sent_to(stage, "/a%2fb?c", "same.t") == (200, None)
    assert stage["a"].last.target == b"/a%2Fb?c"
    refused = await stage.get("/", "no-url.t")
    assert (refused.status, refused.body) == (502, b"Bad Gateway")
    assert await sent_to(stage, "/", "lasting.t", "HEAD") == (308, "https://lasting.t/")


async def test_no_target_makes_a_replacement_take_long(stage):
    assert (await stage.get("/?" + "a" * 200_000, "searched.t")).status == 414


async def test_line_breaks_in_a_path_break_no_header(stage):
    assert await sent_to(stage, "/foo/%0d%0aX-Own:%201", "rr.t") == (302, "http://other.t/bar/%0D%0AX-Own:%201")
    assert await passed_on(stage, "/a%0d%0aX-Own:%201/b", "strip-any") == (400, b"Bad Request\n")


@pytest.mark.spec("M-15", "M-16", "M-39", "M-41", "M-42", "M-43", "M-44", "M-45", "M-46", "M-47", "M-48", "M-49")
@pytest.mark.parametrize(
    ("name", "path", "target", "told"),
    [
        ("strip", "/api/foo?q", b"/foo?q", [b"/api"]),
        ("strip", "/api", b"/", [b"/api"]),
        ("strip", "/apifoo", b"/foo", [b"/api"]),
        ("strip", "/api../x", 400, b"Bad Request\n"),
        ("add", "/x?q=1", b"/foo/x?q=1", []),
        ("add", "/a%2Fb", b"/foo/a%2Fb", []),
        ("add-bare", "/x", b"/foo/x", []),
        ("strip", "/api/v2/x", b"/v2/x", [b"/api"]),
        ("strip-both", "/a/b/c", b"/c", [b"/a", b"/b"]),
        ("strip-regex", "/api/12/x", b"/x", [b"/api/12"]),
        ("strip-regex", "/x/api/12/y", b"/x/api/12/y", []),
        ("new", "/x%2Fy?a=1", b"/new?a=1", [b"/x%2Fy"]),
        ("question", "/", b"/n%3Fx=1", [b"/"]),
        ("foo", "/foo/a%2fb?q", b"/bar/a%2Fb?q", [b"/foo/a%2Fb"]),
        ("pitfall", "/foo/x", 400, b"Bad Request\n"),
        ("pitfall", "/foo", b"/bar/", [b"/foo"]),
        ("stars", "/axb", b"/-/-a-b-", [b"/axb"]),  # what the template makes, -/-a-b-, with the slash that a target needs
        ("longest", "/foo/a", 400, b"Bad Request\n"),
    ],
)
async def test_paths_arrive_as_they_were_made(stage, name, path, target, told):
    assert await passed_on(stage, path, name) == (target, told)


@pytest.mark.spec("M-54")
async def test_escapes_that_are_not_allowed_are_refused(stage):
    answer = await stage.get("/a%2fb", "plain.t")

    assert (answer.status, answer.body, answer.get("content-type")) == (400, b"", None)
    for path in ("/a%20b", "/a%23b", "/a?x=%2f"):
        assert (await stage.get(path, "plain.t")).status == 200
    assert (await stage.get("/a%23b", "plain-all.t")).status == 400


@pytest.mark.spec("M-40", "M-50")
@pytest.mark.parametrize("name", ["lookahead", "no-prefix", "bad-escape"])
async def test_a_middleware_that_cannot_be_built_closes_its_router(stage, name):
    assert (await stage.get("/a", f"{name}.t")).status == 404


@pytest.mark.spec("M-40", "M-50")
async def test_the_log_says_which_and_why(stage):
    for words in (
        "http.middlewares.lookahead@file.replacePathRegex.regex: invalid regular expression '^(?!x)'",
        "http.middlewares.no-prefix@file.addPrefix.prefix: prefix cannot be empty",
        "http.middlewares.bad-escape@file.replacePath.path: invalid URL escape",
    ):
        assert words in stage.gateway.log()
