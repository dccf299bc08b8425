"""Where clients are sent, and how (middlewares.md §3.18, §3.19)."""

import pytest

from pointsman.dialect.redirection import redirected, scheme_of, target_of, with_scheme
from pointsman.testing import a_request


def asked(url="http://h.test/a?b", proto="", method="GET"):
    return a_request(method, url, {"X-Forwarded-Proto": proto} if proto else {})


@pytest.mark.parametrize(
    ("method", "permanent", "status"),
    [("GET", False, 302), ("HEAD", False, 307), ("POST", False, 307), ("GET", True, 301), ("HEAD", True, 308)],
)
async def test_only_get_may_become_another_method(method, permanent, status):
    answer = redirected(asked(method=method), b"http://x.test/", permanent)

    assert (answer.status, answer.headers.raw) == (status, [(b"location", b"http://x.test/")])
    assert await answer.body.read(100)


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [("", b"http"), ("https", b"https"), ("WSS", b"https"), ("ws", b"http"), ("HTTP", b"http"), ("ftp", b"http")],
)
def test_the_scheme_is_the_one_that_was_believed_at_the_edge(proto, scheme):
    assert scheme_of(asked(proto=proto)) == scheme


@pytest.mark.parametrize(
    ("url", "scheme", "port", "there"),
    [
        ("http://h.test/a?b", b"https", b"", b"https://h.test/a?b"),
        ("http://h.test:8080/a?b", b"https", b"", b"https://h.test/a?b"),
        ("http://h.test/", b"https", b"443", b"https://h.test/"),
        ("http://h.test/", b"https", b"8443", b"https://h.test:8443/"),
        ("http://[::1]:8080/", b"https", b"", b"https://[::1]/"),
        ("http://[::1]/", b"https", b"8443", b"https://[::1]:8443/"),
        ("http://h.test/", b"http", b"", None),
        ("http://h.test:80/", b"http", b"", None),
        ("http://h.test:8080/", b"http", b"", b"http://h.test/"),
        ("http://h.test:8080/", b"http", b"8080", None),
        ("http://h.test/", b"http", b"8080", b"http://h.test:8080/"),
        ("http://h.test/", b"app", b"", b"app://h.test/"),
    ],
)
def test_only_scheme_and_port_change(url, scheme, port, there):
    assert with_scheme(asked(url), scheme, port) == there


def test_the_query_is_the_clients_and_the_path_what_it_is_by_now():
    request = asked("http://h.test/a%2Fb?x=1;y=%2f")
    request.query = b"x=1&y=%2f"
    request.rewrite(b"/new")

    assert target_of(request) == b"/new?x=1;y=%2f"


def test_a_star_is_no_part_of_a_host():
    request = asked("http://h.test/")
    request.target = request.path = b"*"

    assert with_scheme(request, b"https", b"") == b"https://h.test"
