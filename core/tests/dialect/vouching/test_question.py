"""What the authentication server is told: the table of middlewares.md section 3.11, 3."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.dialect.vouching.names import FORWARDED, plain
from pointsman.dialect.vouching.question import Question
from pointsman.testing import a_request

EDGE = {
    "X-Real-Ip": "127.0.0.1",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Server": "edge",
    "X-Forwarded-Port": "80",
    "X-Forwarded-Host": "a.example",
}
"""What the entry point says before any middleware is asked."""
CLAIMED = {**{name.decode(): "claimed" for name in FORWARDED}, "X-Own": "1"}


def told(
    trusted: bool | None, headers: Any = EDGE, only: Any = (), url: str = "http://a.example:81/x%2Fy?z", **more: Any
) -> Any:
    request = a_request("POST", url, headers, **more)
    return dict(Question(trusted, [name.lower().encode() for name in only]).headers(request).raw)


@pytest.mark.parametrize("trusted", [None, False, True])
def test_who_asked_and_for_what_is_always_told(trusted: bool | None):
    headers = told(trusted, {}, client="10.0.0.9")
    expected = {
        b"x-forwarded-for": b"10.0.0.9",
        b"x-forwarded-method": b"POST",
        b"x-forwarded-proto": b"http",
        b"x-forwarded-host": b"a.example:81",
        b"x-forwarded-uri": b"/x%2Fy?z",
    }
    assert headers == (expected if trusted is None else {**expected, b"x-forwarded-port": b"81"})


def test_unset_lets_what_is_said_of_the_client_stand_but_for_five():
    headers = told(None, CLAIMED)
    claimed = {name for name, value in headers.items() if value == b"claimed"}
    five = {b"x-forwarded-for", b"x-forwarded-method", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-uri"}
    assert claimed == FORWARDED - five
    assert headers[b"x-own"] == b"1"


def test_false_lets_nothing_of_it_stand():
    headers = told(False, CLAIMED)
    assert b"claimed" not in headers.values()
    assert b"x-real-ip" not in headers
    assert headers[b"x-own"] == b"1"


def test_true_lets_all_of_it_stand_and_adds_the_client_to_the_chain():
    headers = told(True, {"X-Forwarded-Uri": "/evil", "X-Forwarded-For": "9.9.9.9"})
    assert (headers[b"x-forwarded-uri"], headers[b"x-forwarded-for"]) == (b"/evil", b"9.9.9.9, 127.0.0.1")
    headers = told(False, {"X-Forwarded-Uri": "/evil", "X-Forwarded-For": "9.9.9.9"})
    assert (headers[b"x-forwarded-uri"], headers[b"x-forwarded-for"]) == (b"/x%2Fy?z", b"127.0.0.1")
    headers = told(True, CLAIMED)
    assert {headers.pop(name) for name in FORWARDED - {b"x-forwarded-for"}} == {b"claimed"}


def test_true_adds_what_is_empty():
    assert told(True, {"X-Forwarded-Uri": ""})[b"x-forwarded-uri"] == b"/x%2Fy?z"


def test_only_some_headers_may_be_told():
    headers = {**EDGE, "Accept": "x", "Cookie": "y", "User-Agent": "z"}
    assert told(None, headers, ["Accept"]).keys() - FORWARDED == {b"accept"}
    assert b"x-forwarded-port" not in told(None, headers, ["Accept"])
    assert told(False, headers, ["Accept", "X-Real-Ip"]).keys() - FORWARDED == {b"accept"}
    assert b"x-real-ip" not in told(False, headers, ["X-Real-Ip"])
    trusting = told(True, headers, ["Accept"])
    assert trusting.keys() - FORWARDED == {b"accept"}
    assert (trusting[b"x-real-ip"], trusting[b"x-forwarded-server"]) == (b"127.0.0.1", b"edge")


def test_https_and_its_port_are_told():
    headers = told(False, {}, url="https://a.example/")
    assert (headers[b"x-forwarded-proto"], headers[b"x-forwarded-port"]) == (b"https", b"443")
    assert told(False, {}, url="http://[::1]:8080/")[b"x-forwarded-port"] == b"8080"
    assert told(False, {}, url="http://[::1]/")[b"x-forwarded-port"] == b"80"


def test_what_is_about_the_connection_is_not_told_and_credentials_are():
    about = dict.fromkeys(("Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Expect"), "x")
    kept = {"Authorization": "a", "Cookie": "b", "Proxy-Authorization": "c"}
    headers = told(False, {**about, **kept, "Connection": "keep-alive, X-Own, Cookie2", "X-Own": "1"})
    assert headers.keys() - FORWARDED == {name.lower().encode() for name in kept}


def test_connection_cannot_name_away_who_asked():
    assert told(None, {**EDGE, "Connection": "X-Real-Ip, X-Forwarded-Uri"})[b"x-real-ip"] == b"127.0.0.1"


SPELLINGS = st.sampled_from(sorted(FORWARDED)).flatmap(
    lambda name: st.lists(st.sampled_from(b"-_."), min_size=name.count(b"-"), max_size=name.count(b"-")).map(
        lambda marks: b"".join(
            part + bytes([mark]) for part, mark in zip(name.split(b"-"), [*marks, 0], strict=True)
        ).rstrip(b"\0")
    )
)


@given(
    st.sampled_from([None, False, True]),
    st.lists(st.tuples(SPELLINGS, st.sampled_from([b"", b"claimed"]))),
    st.booleans(),
)
def test_no_client_is_taken_for_another_whatever_it_says(
    trusted: bool | None, lines: list[tuple[bytes, bytes]], filtered: bool
):
    headers = Question(trusted, [b"x-own"] if filtered else []).headers(a_request(headers=lines)).raw
    names = [name for name, _ in headers]
    assert all(plain(name) == name for name in names), "nothing that some server would take for another header"
    assert names.count(b"x-forwarded-for") == 1
    values = dict(headers)
    assert values[b"x-forwarded-for"].rpartition(b", ")[2] == b"127.0.0.1"
    if not trusted:
        assert values[b"x-forwarded-for"] == b"127.0.0.1"
        assert values[b"x-forwarded-uri"] == b"/path?x=1"
        assert [values[b"x-forwarded-" + name] for name in (b"method", b"proto", b"host")] == [b"GET", b"http", b"a.example"]
    if trusted is False:
        assert b"claimed" not in values.values()
    if trusted:
        assert all(values.get(name) for name in (b"x-forwarded-method", b"x-forwarded-port", b"x-forwarded-uri"))


def test_long_names_are_not_remembered():
    question = Question(False, [])
    name = b"x-" + b"y" * 100_000
    assert question.headers(a_request(headers=[(name, b"1")])).get(name) == b"1"
    assert name not in question._passed
