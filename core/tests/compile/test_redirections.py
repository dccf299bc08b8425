"""Redirections of entry points: where they lead, and what they answer."""

import pytest

from pointsman.compile.redirections import Redirection, redirections
from pointsman.config.entrypoint_model import EntryPoint, EntryPointHTTP, RedirectEntryPoint, Redirections
from pointsman.config.static import Static
from pointsman.testing import a_request


def redirecting(to: str, acme: bool = False, **options: object) -> EntryPoint:
    http = EntryPointHTTP(redirections=Redirections(RedirectEntryPoint(to, **options)))  # type: ignore[arg-type]
    return EntryPoint(":80", allow_acme_bypass=acme, http=http)


def one(to: str = "websecure", secure: str = ":443", **options: object) -> Redirection:
    points = {"web": redirecting(to, **options), "websecure": EntryPoint(secure)}  # type: ignore[arg-type]
    (found,) = redirections(Static(entry_points=points))
    return found


def location(
    found: Redirection, method: str = "GET", target: str = "/a?b=1", host: str = "x.test", proto: str = ""
) -> tuple[int, str]:
    answer = found(a_request(method, f"http://{host}{target}", [(b"x-forwarded-proto", proto.encode())] if proto else []))
    return answer.status, (answer.headers.get(b"location") or b"").decode()


def test_names_and_rules_are_those_of_the_reference():
    found = one()
    assert (found.router, found.service) == ("web-to-websecure", "redirect-web-to-websecure")
    assert (found.rule, found.priority) == ("HostRegexp(`^.+$`)", 2**63 - 2)
    assert one(":8443", acme=True).rule == "HostRegexp(`^.+$`) && !PathPrefix(`/.well-known/acme-challenge/`)"
    assert one(":8443", priority=7).router == "web-to-8443"
    assert one(":8443", priority=7).priority == 7


@pytest.mark.parametrize(
    ("method", "permanent", "status"),
    [("GET", True, 301), ("POST", True, 308), ("HEAD", True, 308), ("GET", False, 302), ("PUT", False, 307)],
)
def test_the_status_keeps_the_method_of_whoever_had_another_than_get(method, permanent, status):
    assert location(one(permanent=permanent), method)[0] == status


@pytest.mark.parametrize(
    ("secure", "host", "wanted"),
    [
        (":443", "x.test", "https://x.test/a?b=1"),
        (":443", "x.test:8080", "https://x.test/a?b=1"),
        (":8443", "X.Test:80", "https://X.Test:8443/a?b=1"),
        (":443", "[::1]:80", "https://[::1]/a?b=1"),
        (":8443", "[::1]", "https://[::1]:8443/a?b=1"),
    ],
)
def test_the_port_is_left_out_where_the_scheme_implies_it(secure, host, wanted):
    assert location(one(secure=secure), host=host) == (301, wanted)


@pytest.mark.parametrize("target", ["/", "//evil.test/x", "/a?", "/?a=1;b=2&c=%20", "/%41?u=http://evil.test"])
def test_no_path_leads_to_another_host(target):
    status, there = location(one(), target=target)
    assert status == 301
    assert there.startswith("https://x.test/")
    assert there.partition("?")[1:] == target.partition("?")[1:]


def test_whoever_is_there_already_is_not_sent_in_circles():
    assert location(one(), proto="https") == (418, "")
    assert location(one(), proto="wss") == (418, "")
    assert location(one(), host="x.test:8080", proto="https")[0] == 301
    assert location(one(":81", scheme="HTTP"), host="x.test:81") == (418, "")


def test_what_leads_nowhere_is_left_out():
    points = {"web": redirecting("gone"), "dns": EntryPoint(":53/udp", http=redirecting(":443").http)}
    assert list(redirections(Static(entry_points=points))) == []
