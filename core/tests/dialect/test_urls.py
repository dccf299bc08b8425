"""URLs that were put together, and what of them may be sent (middlewares.md §3.18)."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dialect.urls import reserialised, visible


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("http://a.test/b", "http://a.test/b"),
        ("HTTP://A.test/b", "http://A.test/b"),
        ("https://a.test:8443/b?c=d#e", "https://a.test:8443/b?c=d#e"),
        ("https://a.test", "https://a.test"),
        ("https://a.test?x", "https://a.test?x"),
        ("https://a.test/?", "https://a.test/?"),
        ("https://a.test:/x", "https://a.test:/x"),
        ("http://a.test/b c", "http://a.test/b%20c"),
        ("http://a.test/b%2Fc d", "http://a.test/b%2Fc%20d"),
        ("http://a.test/b?c d=é", "http://a.test/b?c%20d=%C3%A9"),
        ("http://a.test/b?100%", "http://a.test/b?100%"),
        ("http://a.test/é#é x", "http://a.test/%C3%A9#%C3%A9%20x"),
        ('http://a.test/<"\\^`{|}>', "http://a.test/%3C%22%5C%5E%60%7B%7C%7D%3E"),
        ("http://bücher.test/", "http://b%C3%BCcher.test/"),
        ("http://b%C3%BCcher.test/", "http://b%C3%BCcher.test/"),
        ("http://u:p@a.test/", "http://u:p@a.test/"),
        ("http://[::1]:80/", "http://[::1]:80/"),
        ("http://[fe80::1%25eth0]/", "http://[fe80::1%25eth0]/"),
        ("http://a.test//b/../c", "http://a.test//b/../c"),
        ("/b/c?d", "/b/c?d"),
        ("b/c:d", "b/c:d"),
        ("?x", "?x"),
        ("", ""),
        ("*", "*"),
        ("//b.test/c", "//b.test/c"),
        ("mailto:a b", "mailto:a%20b"),
        ("file:///x", "file:///x"),
        ("myapp:/x", "myapp:/x"),
    ],
)
def test_a_url_is_written_so_that_it_may_be_sent(url, sent):
    assert reserialised(url.encode()).decode() == sent


@pytest.mark.parametrize(
    "url",
    [
        "http://[bad",
        "http://[bad]/",
        "http://[::1",
        "http://[::1]x/",
        "http://[1.2.3.4]/",
        "http://[::1%eth0]/",
        "http://[::1%25]/",
        "http://::1/",
        "http://a.test:80:80/",
        "http://a.test:x/",
        "http://a b/",
        "http://a%2Fb/",
        "http://a%zz/",
        "http://a\\b/",
        "http://u p@a.test/",
        "http://u%z@a.test/",
        "http://a.test/%",
        "http://a.test/%zz",
        "http://a.test/#%zz",
        "http://a.test/\r\nX-Own: 1",
        "http://a.test/?\n",
        "http://a.test/\0",
        "http://a.test/\x7f",
        "http:///x",
        "https://:8443/x",
        "http://u@/x",
        "http:/x",
        "http:x",
        "///evil.test/x",
        "//",
        ":x",
        "1a:b",
    ],
)
def test_what_is_no_url_or_not_the_same_to_everybody_is_refused(url):
    with pytest.raises(ValueError):
        reserialised(url.encode())


PIECES = st.sampled_from([
    b"http", b":", b"//", b"/", b"a.test", b"@", b"[::1]", b"[", b"]", b"?", b"#", b"%41", b"%", b" ", b"\r\n", b"\xc3\xa9",
    b"\xff", b"\\", b"..", b"80", b"\0", b"%0d%0a",
])  # fmt: skip


@given(st.lists(PIECES, max_size=10).map(b"".join) | st.binary(max_size=30))
def test_what_is_sent_is_printable_and_stays_what_it_is(url):
    try:
        sent = reserialised(url)
    except ValueError:
        return
    assert all(0x20 < byte < 0x7F for byte in sent)
    assert reserialised(sent) == sent


@given(st.lists(PIECES, max_size=8).map(b"".join))
def test_the_usual_way_and_the_long_one_agree(rest):
    """An upper-case scheme is never the usual."""
    results = []
    for scheme in (b"https", b"HTTPS"):
        try:
            results.append(reserialised(scheme + b"://a.test" + rest))
        except ValueError:
            results.append(b"")
    assert results[0] == results[1]


@given(st.lists(PIECES, max_size=6).map(b"".join))
def test_what_follows_host_and_slash_never_changes_the_host(rest):
    try:
        sent = reserialised(b"http://a.test/" + rest)
    except ValueError:
        return
    assert urlsplit(sent.decode()).netloc == "a.test"


def test_visible_text_stays_as_it_is():
    assert visible(b'a%20b?"<>') == b'a%20b?"<>'
    assert visible(b"a b\xff\n") == b"a%20b%FF%0A"
