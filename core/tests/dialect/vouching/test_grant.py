"""What a yes changes: headers of the request that only the server may say, and cookies of the answer."""

from typing import Any

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Headers, Response
from pointsman.dialect.vouching.grant import Cookies, Grant
from pointsman.dialect.vouching.names import plain
from pointsman.testing import a_request


def granted(client: Any, answer: Any, listed: Any = (b"x-auth-user",), pattern: str = "") -> list[tuple[bytes, bytes]]:
    request = a_request(headers=client)
    headers = Headers([(name.lower().encode(), value.encode()) for name, value in answer])
    Grant(listed, re2.compile(pattern) if pattern else None).apply(request, headers)
    return request.headers.raw


def test_all_values_are_set_and_all_of_the_clients_go():
    client = {"X-Auth-User": ["eve", "eve2"], "X-A": "1"}
    assert granted(client, [("X-Auth-User", "a"), ("X-Auth-User", "b"), ("X-Other", "c")]) == [
        (b"x-a", b"1"),
        (b"x-auth-user", b"a"),
        (b"x-auth-user", b"b"),
    ]


@pytest.mark.parametrize("spelling", ["X_Auth_User", "X.Auth.User", "x-auth_user", "X_AUTH-USER"])
def test_other_spellings_of_a_managed_header_go_too(spelling: str):
    assert granted({spelling: "eve"}, []) == []
    assert granted({"X-Auth-User": "eve"}, [("X-Auth-User", "bob")], [b"x_auth_user"]) == []
    assert granted({spelling: "eve"}, [], (), "^X-Auth-") == []


def test_a_pattern_is_searched_in_canonical_names():
    client = {"X-Auth-User": "eve", "X-Auth-Role": "root", "Other-X-Auth": "1"}
    answer = [("X-Auth-User", "bob"), ("x-auth-mail", "b@b"), ("X-Else", "no")]
    assert granted(client, answer, (), "^X-Auth-[A-Z]") == [
        (b"other-x-auth", b"1"),
        (b"x-auth-user", b"bob"),
        (b"x-auth-mail", b"b@b"),
    ]
    assert granted(client, answer, (), "^x-auth") == a_request(headers=client).headers.raw


def test_a_header_that_is_listed_and_matches_is_set_once():
    assert granted({}, [("X-Auth-User", "bob")], [b"x-auth-user"], "Auth") == [(b"x-auth-user", b"bob")]


def test_what_frames_a_message_or_is_about_a_connection_is_never_copied():
    answer = [
        (name, "x") for name in ("Connection", "Content-Length", "Transfer-Encoding", "Upgrade", "Te", "Host", "Expect")
    ]
    client = {"Content-Length": "3", "Upgrade": "websocket", "Connection": "upgrade"}
    assert granted(client, answer, (), ".*") == a_request(headers=client).headers.raw


def test_the_client_cannot_have_a_managed_header_dropped_on_the_way():
    client = {"Connection": "X-Auth-User, x_auth_user, X-Own, keep-alive", "X-Own": "1"}
    assert granted(client, [("X-Auth-User", "bob")]) == [
        (b"connection", b"X-Own, keep-alive"),
        (b"x-own", b"1"),
        (b"x-auth-user", b"bob"),
    ]


def test_values_that_no_header_may_have_are_refused():
    request = a_request()
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        Grant([b"x-auth-user"]).apply(request, Headers([(b"x-auth-user", b"bob\r\nX-Admin: 1")]))
    assert b"x-auth-user" not in request.headers


NAMES = st.text("abAB-_.", min_size=1, max_size=5).map(lambda text: f"x{text}".lower().encode())


@given(st.lists(NAMES), st.lists(st.tuples(NAMES, st.just(b"client"))), st.lists(st.tuples(NAMES, st.just(b"auth"))))
def test_what_servers_take_for_a_listed_header_is_never_the_clients(
    listed: list[bytes], client: list[tuple[bytes, bytes]], answer: list[tuple[bytes, bytes]]
):
    request = a_request(headers=client)
    Grant(listed).apply(request, Headers(answer))
    managed = {plain(name) for name in listed}
    seen = request.headers.raw
    assert [value for name, value in seen if plain(name) in managed and value == b"client"] == []
    assert [line for line in seen if line[1] == b"auth"] == [line for line in answer if line[0] in listed]
    assert [line for line in seen if line[1] == b"client"] == [line for line in client if plain(line[0]) not in managed]


# cookies


def after(service: list[str], auth: list[str], *names: str) -> list[str]:
    edit = Cookies(names).edit(Headers([(b"set-cookie", value.encode()) for value in auth]))
    response = Response(200, [(b"set-cookie", value.encode()) for value in service])
    if edit is not None:
        edit(response)
    return [value.decode() for value in response.headers.get_all(b"set-cookie")]


def test_listed_cookies_of_the_server_replace_the_services():
    assert after(["sess=b", "k=3"], ["sess=1"], "sess") == ["k=3", "sess=1"]


def test_attributes_stay_whatever_they_are():
    assert after(["k=3; Path=/; Priority=High; Partitioned"], ["s=1; Max-Age=3; New"], "s") == [
        "k=3; Path=/; Priority=High; Partitioned",
        "s=1; Max-Age=3; New",
    ]


def test_nothing_happens_without_cookies_of_the_server_or_names():
    assert after(["sess=b"], [], "sess") == ["sess=b"]
    assert after(["sess=b"], ["sess=1"]) == ["sess=b"]


def test_other_cookies_of_the_server_stay_with_it():
    assert after(["k=3", "sess=b"], ["other=1"], "sess") == ["k=3"]


COOKIES = st.lists(st.tuples(st.sampled_from(["a", "b", "A", "a b", ""]), st.text("=;x ", max_size=5)).map("=".join))


@given(COOKIES, COOKIES, st.lists(st.sampled_from(["a", "b", "A"])))
def test_every_cookie_is_the_services_or_a_listed_one_of_the_server(service: list[str], auth: list[str], names: list[str]):
    def named(cookie: str) -> str:
        return cookie.split(";")[0].split("=")[0].strip(" ")

    seen = after(service, auth, *names)
    if not auth or not names:
        assert seen == service
    else:
        kept = [cookie for cookie in service if named(cookie) not in names]
        assert seen == kept + [cookie for cookie in auth if named(cookie) in names]
