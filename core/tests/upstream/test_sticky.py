"""Sticky cookies (routing.md §5.3): names, values, attributes, and who is found again."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.http_model import Cookie
from pointsman.message import Request
from pointsman.testing import a_request
from pointsman.upstream.sticky import Sticky, cookie_name, current_value, former_values

A, B = "http://127.0.0.1:19301", "http://127.0.0.1:19302"


def sticky(cookie: Cookie | None = None, service: str = "st@file") -> Sticky[str]:
    return Sticky(cookie or Cookie(), service, [(A, "a"), (B, "b")])


def asking(*cookies: str) -> Request:
    return a_request(headers={"Cookie": cookies})


def line(cookie: Cookie) -> str:
    return sticky(cookie).line("a")[1].decode()


@pytest.mark.spec("R-41")
def test_name_and_value_are_made_from_the_services_name_and_the_servers_url():
    assert sticky().line("b") == (b"set-cookie", b"_da847=8baa50d317f6fe1f; Path=/")
    assert current_value(B) == sha256(B.encode()).hexdigest()[:16].encode()


@pytest.mark.spec("R-42")
def test_the_cookie_finds_the_same_server_and_is_current():
    assert sticky().find(asking("_da847=8baa50d317f6fe1f")) == ("b", True)
    assert sticky().find(asking("x=1; _da847=8baa50d317f6fe1f; y=2")) == ("b", True)
    assert sticky().find(asking("x=1", "y=2;_da847=8baa50d317f6fe1f")) == ("b", True)


@pytest.mark.spec("R-43")
@pytest.mark.parametrize("value", [B, "a1ff9e0d5f6d5bbb", "5551a92f3c7e4b2b"])
def test_the_url_and_its_older_hashes_find_the_server_and_are_to_be_replaced(value: str):
    assert sticky().find(asking(f"_da847={value}")) == ("b", False)
    assert value.encode() in former_values(B)


@pytest.mark.spec("R-44")
@pytest.mark.parametrize(
    "cookie", ["_da847=bogus", "_da847=", "_da847", "x_da847=8baa50d317f6fe1f", "_da847x=8baa50d317f6fe1f", "a=_da847", ""]
)
def test_any_other_cookie_finds_nobody(cookie: str):
    assert sticky().find(asking(cookie)) == (None, False)
    assert sticky().find(a_request()) == (None, False)


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0")))
def test_no_cookie_line_breaks_it(cookie: str):
    assert sticky().find(asking(cookie)) in [("a", True), ("b", True), ("a", False), ("b", False), (None, False)]


@pytest.mark.spec("R-45")
def test_attributes_stand_in_their_order_and_odd_characters_in_a_name_are_replaced():
    cookie = Cookie("a b=c", secure=True, http_only=True, same_site="Strict", max_age=42, path="/x", domain="ex.test")
    value = current_value(A).decode()
    assert line(cookie) == f"a_b_c={value}; Path=/x; Domain=ex.test; Max-Age=42; HttpOnly; Secure; SameSite=Strict"


@pytest.mark.spec("R-46")
def test_a_negative_age_expires_it_and_empty_or_unknown_attributes_are_left_out():
    cookie = Cookie("n", max_age=-1, path="", same_site="bogus")
    assert line(cookie) == f"n={current_value(A).decode()}; Max-Age=0"


@pytest.mark.parametrize(("word", "shown"), [("none", "None"), ("LAX", "Lax"), ("Strict", "Strict")])
def test_same_site_is_read_in_any_case(word: str, shown: str):
    assert line(Cookie("n", same_site=word)).endswith(f"; Path=/; SameSite={shown}")


@pytest.mark.parametrize(
    ("cookie", "attributes"),
    [
        (Cookie("n", path="", domain="a;b"), ""),
        (Cookie("n", path="", domain="a b"), ""),
        (Cookie("n", path="", domain=".ex.test"), "; Domain=ex.test"),
        (Cookie("n", path="/a;b"), "; Path=/ab"),
        (Cookie("n", path="/\r\nx: 1"), "; Path=/x: 1"),
        (Cookie("n", path=";"), ""),
    ],
)
def test_what_no_path_may_hold_is_dropped_and_so_is_a_domain_that_is_none(cookie: Cookie, attributes: str):
    assert line(cookie) == f"n={current_value(A).decode()}{attributes}"


def test_an_expiry_stands_before_the_age():
    written = line(Cookie("n", expires=60, max_age=7))
    assert "; Path=/; Expires=" in written
    assert written.endswith(" GMT; Max-Age=7")


def test_every_character_that_a_name_may_hold_is_kept():
    name = "azAZ09!#$%&'*+-.^_`|~"
    assert cookie_name(Cookie(name), "s@file") == name
    assert cookie_name(Cookie("ä,;"), "s@file") == "___"


def test_of_equal_keys_the_first_is_found():
    assert Sticky(Cookie("n"), "s@file", [(A, "first"), (A, "second")]).find(asking(f"n={A}")) == ("first", False)
