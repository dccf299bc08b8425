"""encodedCharacters: which paths pass."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.testing import a_request, answering, build
from pointsman_encodedcharacters import EncodedCharacters

KEYS = {
    "allowEncodedSlash": "%2F",
    "allowEncodedBackSlash": "%5C",
    "allowEncodedNullCharacter": "%00",
    "allowEncodedSemicolon": "%3B",
    "allowEncodedPercent": "%25",
    "allowEncodedQuestionMark": "%3F",
    "allowEncodedHash": "%23",
}


async def status(config, url):
    return (await build(EncodedCharacters, config)(a_request(url=f"http://a.example{url}"), answering(200))).status


@pytest.mark.parametrize(("key", "escape"), KEYS.items())
async def test_each_option_lets_its_escape_pass(key, escape):
    for spelling in (escape, escape.lower()):
        assert await status({}, f"/a{spelling}b") == 400
        assert await status({key: True}, f"/a{spelling}b") == 200
        assert await status({other: other != key for other in KEYS}, f"/a{spelling}b") == 400


@pytest.mark.parametrize("url", ["/", "/a", "/a%20b", "/%C3%A9", "/a?x=%2f%00"])
async def test_other_escapes_and_the_query_always_pass(url):
    assert await status({}, url) == 200


async def test_a_refusal_says_nothing():
    response = await build(EncodedCharacters, {})(a_request(url="http://a.example/a%2fb"), answering())

    assert (response.status, response.headers.raw, await response.body.read(10)) == (400, [], b"")


async def test_a_path_that_was_never_made_canonical_is_read_in_both_spellings():
    request = a_request()
    request.path = b"/a%2fb#c"

    assert (await build(EncodedCharacters, {})(request, answering())).status == 400


@given(st.dictionaries(st.sampled_from(list(KEYS)), st.booleans()), st.text("%25cCfF0bB3a/", max_size=12))
async def test_refused_is_what_holds_a_denied_escape(config, path):
    request = a_request()
    request.path = b"/" + path.encode()
    answer = await build(EncodedCharacters, config)(request, answering(200))

    denied = [escape for key, escape in KEYS.items() if not config.get(key)]
    assert answer.status == (400 if any(escape.lower() in path.lower() for escape in denied) else 200)
