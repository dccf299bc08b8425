"""The one canonical path."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pointsman import paths

PATHS = st.lists(
    st.sampled_from(
        [b"/", b"a", b".", b"..", b"%2e", b"%2F", b"%41", b"%7e", b"%5c", b"\xe9", b"|", b";", b"%25", b"[", b'"']
    )
).map(lambda parts: b"/" + b"".join(parts))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/", b"/"),
        (b"//", b"/"),
        (b"/.", b"/"),
        (b"/..", b"/"),
        (b"/a/..", b"/"),
        (b"/a/../", b"/"),
        (b"/a/.", b"/a"),
        (b"/a/./", b"/a/"),
        (b"/a/b/..", b"/a"),
        (b"/a//b", b"/a/b"),
        (b"/../../a", b"/a"),
        (b"/.well-known/x", b"/.well-known/x"),
        (b"/...", b"/..."),
        (b"/a..b/..c", b"/a..b/..c"),
        (b"/a/", b"/a/"),
    ],
)
def test_dot_segments_and_empty_ones_go(path: bytes, expected: bytes) -> None:
    assert paths.sanitise(path) == expected


@pytest.mark.parametrize("path", [b"/%", b"/%a", b"/%zz", b"/%4", b"/a%2", b"/%%41", b"/%+1", b"/% 1"])
def test_a_broken_escape_is_an_error(path: bytes) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        paths.normalise(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/a%2fb/%41%7e", b"/a%2Fb/A~"),
        (b"/%2e%2E", b"/.."),
        (b"/%2525", b"/%2525"),
        (b'/"|`<>^{}\\', b"/%22%7C%60%3C%3E%5E%7B%7D%5C"),
        (b"/\xc3\xa9", b"/%C3%A9"),
        (b"/[x]!$&'()*+,;=:@", b"/[x]!$&'()*+,;=:@"),
        (b"/%00", b"/%00"),
    ],
)
def test_escapes_are_made_alike(path: bytes, expected: bytes) -> None:
    assert paths.normalise(path) == expected


@given(PATHS)
@example(b"/%2e%2e/%2F")
def test_making_canonical_twice_changes_nothing_and_leaves_no_way_up(path: bytes) -> None:
    once = paths.sanitise(paths.normalise(path))
    assert paths.sanitise(paths.normalise(once)) == once
    assert once.startswith(b"/")
    assert not {b".", b".."} & set(once.split(b"/"))
    assert b"//" not in once
    assert once.isascii()
    assert paths.decoded(once).startswith(b"/")


@given(PATHS)
def test_a_plain_path_is_canonical_as_it_stands(path: bytes) -> None:
    if paths.is_plain(path):
        assert paths.sanitise(paths.normalise(path)) == path == paths.routing_form(path)


@given(st.binary(max_size=30))
def test_what_is_encoded_is_decoded_to_the_same(text: bytes) -> None:
    assert paths.decoded(paths.encoded(text)) == text


def test_rules_see_reserved_characters_encoded_and_others_not() -> None:
    assert paths.routing_form(b"/a%2Fb%20c%C3%A9%3F") == b"/a%2Fb c\xc3\xa9%3F"


@pytest.mark.parametrize(
    ("path", "reading"),
    [(b"/a%2F..%2Fb", b"/b"), (b"/a%5C..%5Cb", b"/b"), (b"/%252e%252e/b", b"/b"), (b"/a%2Fb", b"/a/b"), (b"/a", b"/a")],
)
def test_the_most_eager_reader_decodes_until_nothing_changes(path: bytes, reading: bytes) -> None:
    assert paths.literal_reading(path) == reading
