"""What becomes of a path and a query on the way to rules and upstream (routing.md section 6.1, 6.3)."""

import pytest_asyncio

from .harness import ORACLE, arena_of, balancer, both_agree, case, get, marked, raw

pytestmark = ORACLE

STATIC = {
    "entryPoints": {
        "web": {},
        "asis": {"http": {"sanitizePath": False}},
        "semicolons": {"http": {"encodeQuerySemicolons": True}},
        "strict": {
            "http": {
                "encodedCharacters": {
                    "allowEncodedSlash": False,
                    "allowEncodedBackSlash": False,
                    "allowEncodedNullCharacter": False,
                    "allowEncodedSemicolon": False,
                    "allowEncodedPercent": False,
                    "allowEncodedQuestionMark": False,
                    "allowEncodedHash": False,
                }
            }
        },
    }
}
TARGETS = {
    "root": "/",
    "plain": "/a/b.c_d~e-f",
    "unreserved-decoded": "/%41%7e%2D%2e%5f%39",
    "hex-upper-cased": "/a%2fb%3f%c3%a9",
    "sub-delims": "/!$&'()*+,;=:@",
    "sub-delims-escaped": "/%21%24%26%27%28%29%2a%2b%2c%3b%3d%3a%40",
    "brackets": "/[a]",
    "raw-utf8": "/é",
    "raw-quote-pipe-backslash": '/a"b|c\\d',
    "raw-braces-caret-backtick": "/{a}^`b`<c>",
    "raw-characters-beside-escapes": "/a%2Fb(<c>)%3Bd",
    "escaped-percent": "/100%25",
    "escaped-nul": "/a%00b",
    "escaped-space-and-plus": "/a%20b+c",
    "double-slash": "//a///b//",
    "dots": "/./foo/../bar//x/",
    "dots-at-the-end": "/a/b/..",
    "dot-at-the-end": "/a/b/.",
    "dots-above-the-root": "/../../a",
    "only-dots": "/..",
    "three-dots": "/.../a..b/.hidden",
    "escaped-dots": "/a/%2e%2e/b",
    "half-escaped-dots": "/a/.%2E/b",
    "dots-behind-an-escaped-slash": "/keep/..%2Fb",
    "empty-query": "/a?",
    "query": "/a?x=1&y=%2f&z=%zz&é",
    "query-with-a-question-mark": "/a??b?c",
    "query-semicolons": "/a?x=1;y=2",
    "query-escaped-semicolon": "/a?x=1%3By=2",
    "query-dots": "/a?/../b//c",
    "query-plus-and-quotes": "/a?b=+\"'|\\",
    "query-hash": "/a?b#c",
    "hash": "/a#frag",
    "bad-escape": "/%zz",
    "short-escape": "/a%2",
    "long": "/" + "x" * 7000,
}
OTHER_POINTS = {
    "asis": ("double-slash", "dots", "dots-above-the-root", "escaped-dots", "half-escaped-dots", "hash", "hex-upper-cased"),
    "semicolons": ("query-semicolons", "query-escaped-semicolon", "query-with-a-question-mark"),
    "strict": (
        "plain",
        "hex-upper-cased",
        "escaped-percent",
        "escaped-nul",
        "dots-behind-an-escaped-slash",
        "escaped-space-and-plus",
        "query-escaped-semicolon",
    ),
}
STRICT = {"slash": "%2f", "backslash": "%5C", "semicolon": "%3b", "question-mark": "%3F", "hash": "%23", "percent": "%25"}
FORMS = {
    "absolute": "http://A.test:81/x?y",
    "absolute-https": "https://a.test/x",
    "absolute-without-path": "http://a.test",
    "absolute-without-path-with-query": "http://a.test?x",
    "absolute-with-user": "http://user:pw@a.test/x",
    "absolute-with-dots": "http://a.test/x/../y",
    "absolute-other-scheme": "ftp://a.test/x",
    "relative": "x/y",
    "star": "*",
    "authority": "a.test:80",
    "double-slash-host": "//a.test/x",
}
CASES = [
    *(case(f"paths/{name}", get(target)) for name, target in TARGETS.items()),
    *(
        case(f"paths/{point}/{name}", get(TARGETS[name]), entry_point=point)
        for point, names in OTHER_POINTS.items()
        for name in names
    ),
    *(case(f"paths/strict/denied-{name}", get(f"/a{code}b"), entry_point="strict") for name, code in STRICT.items()),
    case("paths/strict/denied-on-an-unknown-host", get("/a%2fb", "nobody.test"), entry_point="strict"),
    case("paths/strict/allowed-in-the-query", get("/a?x=%2F"), entry_point="strict"),
    *(case(f"paths/form/{name}", get(target)) for name, target in FORMS.items()),
    case("paths/form/options-star", get("*", method="OPTIONS")),
    case("paths/form/options-star-of-nobody", get("*", "nobody.test", method="OPTIONS")),
    case("paths/form/absolute-without-host-on-http10", raw("GET http://a.test/x HTTP/1.0", "Accept-Encoding: x")),
    case("paths/preserve", get("/q?a=1", "preserve.test")),
    case("paths/preserve-root", get("/", "preserve.test")),
    case("paths/preserve-escaped", get("/a%2fb", "preserve.test")),
    case("paths/preserve-with-slash", get("/q", "preserve-slash.test")),
    case("paths/server-path-and-query-ignored", get("/q?a=1", "ignore.test")),
    case("paths/two-readings", get("/public/..%2fadmin", "guard.test")),
    case("paths/two-readings-of-a-backslash", get("/public/..%5Cadmin", "guard.test")),
    case("paths/one-reading", get("/public/a%2fb", "guard.test")),
    case("paths/guarded", get("/public/%2e%2e/admin", "guard.test")),
    case("paths/escaped-slash-before-dots", get("/a%2f../b")),
]


def dynamic(url, closed):
    document = marked(
        {
            "any": "Host(`a.test`) && PathPrefix(`/`)",
            "guarded": "Host(`guard.test`) && PathPrefix(`/admin`)",
            "public": "Host(`guard.test`) && PathPrefix(`/public`)",
            "preserve": {"rule": "Host(`preserve.test`)", "service": "preserve"},
            "preserve-slash": {"rule": "Host(`preserve-slash.test`)", "service": "preserve-slash"},
            "ignore": {"rule": "Host(`ignore.test`)", "service": "ignore"},
        },
        url,
    )
    document["http"]["services"] |= {
        "preserve": {"loadBalancer": {"servers": [{"url": f"{url}/base/x?z=1", "preservePath": True}]}},
        "preserve-slash": {"loadBalancer": {"servers": [{"url": f"{url}/base/", "preservePath": True}]}},
        "ignore": balancer(f"{url}/base/x?z=1"),
    }
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic, STATIC) as arena:
        yield arena


@both_agree(CASES)
async def test_both_send_the_same_target(arena, case):
    await arena.compare(case)
