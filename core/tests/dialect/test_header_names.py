"""Names that servers may take for one another (middlewares.md §7, D10)."""

import pytest

from pointsman.dialect.header_names import HeaderNames
from pointsman.message import Headers
from pointsman.testing import a_request

NAMES = HeaderNames(["X-Auth-User", "x_plain"])


@pytest.mark.parametrize("name", [b"x-auth-user", b"x_auth_user", b"x.auth-user", b"x-plain", b"x.plain"])
def test_every_spelling_of_a_name_is_meant(name):
    assert name in NAMES


@pytest.mark.parametrize("name", [b"", b"x-auth", b"x-auth-user-", b"xxauth-user", b"x+plain"])
def test_no_other_name_is(name):
    assert name not in NAMES


def test_all_lines_of_a_name_are_removed_and_the_others_stay():
    headers = Headers([(b"a", b"1"), (b"x_auth_user", b"2"), (b"x-auth-user", b"3"), (b"b", b"4")])
    NAMES.remove_from(headers)

    assert headers.raw == [(b"a", b"1"), (b"b", b"4")]


def test_without_any_there_is_nothing_to_remove():
    headers = Headers([(b"a", b"1")])
    HeaderNames([]).remove_from(headers)

    assert headers.raw == [(b"a", b"1")]


def test_what_is_claimed_is_no_trailer_either():
    request = a_request(headers={"X-Auth-User": "eve", "A": "1"})
    NAMES.claim(request)

    assert request.headers.raw == [(b"a", b"1")]
    assert [any(each(name) for each in request.withheld) for name in (b"x_auth_user", b"x-sum")] == [True, False]
    assert request.beside(b"GET", b"/", Headers()).withheld == request.withheld
