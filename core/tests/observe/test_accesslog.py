"""Which requests get a line, and what stands in it (operations.md §3.2 to §3.4)."""

import json
from collections.abc import Mapping
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.convert import structure
from pointsman.config.http_model import Cookie
from pointsman.config.observability_model import AccessLog
from pointsman.errors import ConfigError
from pointsman.message import Address, Exchange, Link, Request, Response
from pointsman.observe.accesslog import AccessLogSignal, check_access_log, line_of
from pointsman.observe.accessrecord import FIELDS, _split
from pointsman.observe.observer import Observer, Silent, Watched
from pointsman.plugins import load_registry
from pointsman.testing import a_request
from pointsman.upstream.attentive import AttentiveForwarder
from pointsman.upstream.composite import Child, StickyOneOf
from pointsman.upstream.sticky import Sticky
from pointsman.upstream.transport import peer_from

FORMATS = load_registry(entry_point_plugins=False).log_formats


def configured(raw: Mapping[str, Any]) -> AccessLog:
    config, problems = structure(AccessLog, raw, "accessLog")
    assert config is not None, problems
    return config


def over(
    request: Request, raw: Mapping[str, Any], *, server: bool = True, seconds: float = 0.0015, **known: Any
) -> list[str]:
    """The lines for one exchange that is over, of a route `shop@file` on `web` to a server that says 200."""
    lines: list[str] = []
    config = configured(raw)
    watch = AccessLogSignal(config, line_of(config, FORMATS), lines.append).watch(Watched("web"))
    observer = Observer([watch], monotonic)
    exchange: Exchange = request.exchange
    exchange.request = request
    exchange.status, exchange.bytes_out = 200, 439
    exchange.response = Response(200, [(b"content-type", b"text/plain"), (b"x-own", b"1")])
    for name, value in {"router": "shop@file" if server else "", **known}.items():
        setattr(exchange, name, value)
    exchange.started = monotonic() - seconds
    observer.begin(exchange)
    if server:
        attempt = observer.attempt(request, "shop@file", peer_from("http://10.0.0.1:9000/base"))
        attempt.respond(exchange.response)
        exchange.response.headers.set(b"x-own", b"edited")
        attempt.close()
    exchange.finished = exchange.started + seconds
    observer.finish(exchange)
    return lines


def as_json(request: Request, raw: Mapping[str, Any] | None = None, **known: Any) -> dict[str, Any]:
    (line,) = over(request, {"format": "json", **(raw or {})}, **known)
    found: dict[str, Any] = json.loads(line)
    assert list(found) == sorted(found)
    return found


def asked(target: str = "/a?x=1", **headers: str) -> Request:
    return a_request("GET", f"http://a.test{target}", headers)


def template(text: str) -> dict[str, Any]:
    return {"format": "template", "options": {"template": text}}


def test_a_json_line_has_all_that_the_documentation_lists() -> None:
    found = as_json(asked(), retries=2, request_id=b"r-1")
    only_sometimes = {"GzipRatio", "SpanId", "TraceId", "span_id", "trace_id", "TLSCipher", "TLSClientSubject", "TLSVersion"}
    assert found.keys() == FIELDS.keys() - only_sometimes | {"level", "msg", "time"}
    assert (found["RequestPath"], found["RequestCount"], found["RetryAttempts"], found["RequestId"]) == (
        "/a?x=1",
        1,
        2,
        "r-1",
    )
    assert (found["ServiceURL"], found["ServiceAddr"]) == ("http://10.0.0.1:9000/base", "10.0.0.1:9000")
    assert found["Duration"] == pytest.approx(1_500_000, rel=0.01)
    assert found["Overhead"] == found["Duration"] - found["OriginDuration"]
    assert found["StartUTC"].startswith(found["time"][:10])
    assert found["StartUTC"].endswith("Z")


def test_what_no_router_answers_has_no_names() -> None:
    found = as_json(asked(), server=False)
    assert found.keys() & {"RouterName", "ServiceName", "ServiceURL", "ServiceAddr", "GzipRatio"} == set()
    assert (found["OriginStatus"], found["OriginDuration"], found["OriginContentSize"]) == (0, 0, 0)


def test_a_body_that_was_packed_has_a_ratio() -> None:
    assert as_json(asked(), origin_bytes=878)["GzipRatio"] == 2.0


def test_headers_are_kept_dropped_and_redacted() -> None:
    request = a_request("GET", "http://a.test/", [(b"x-two", b"1"), (b"x-two", b"2"), (b"cookie", b"c"), (b"x-not", b"n")])
    modes = {"defaultMode": "keep", "names": {"cookie": "redact", "X-NOT": "drop"}}
    found = as_json(request, {"fields": {"headers": modes}})
    assert found["request_X-Two"] == "1,2"
    assert found["request_Cookie"] == "REDACTED"
    assert "request_X-Not" not in found
    assert (found["origin_X-Own"], found["downstream_X-Own"]) == ("1", "edited")


@pytest.mark.parametrize("outer", [False, True])
async def test_a_cookie_of_the_gateway_is_not_among_what_the_server_said(house: Any, outer: bool) -> None:
    lines: list[str] = []
    config = configured({"format": "json", "fields": {"headers": {"defaultMode": "keep"}}})
    watch = AccessLogSignal(config, line_of(config, FORMATS), lines.append).watch(Watched("web"))
    pick, cookie = house.forwarder.pick, Cookie("ours")
    handler: Any = AttentiveForwarder("s@file", pick, house.transport, sticky=Sticky(cookie, "s", [("u", house.peer)]))
    if outer:
        child = Child("s@file", house.forwarder)
        handler = StickyOneOf("w@file", lambda request, tried: child, Sticky(cookie, "w", [("s@file", child)]))
    house.set_up(observer=Observer([watch], house.loop.time), handler=handler)
    client = await house.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    house.server.receive(b"HTTP/1.1 200 X\r\nSet-Cookie: theirs=1\r\nContent-Length: 0\r\n\r\n")
    await house.settle()

    found = json.loads(lines[0])
    assert client.sent.count(b"\r\nSet-Cookie: ") == 2
    assert found["origin_Set-Cookie"] == "theirs=1"
    assert found["downstream_Set-Cookie"].startswith("ours=")


def test_a_client_that_is_believed_is_called_by_what_it_says() -> None:
    request = asked(**{"X-Forwarded-For": "192.0.2.1, 192.0.2.2"})
    assert as_json(request)["ClientHost"] == "127.0.0.1"
    request = asked(**{"X-Forwarded-For": "192.0.2.1, 192.0.2.2"})
    request.link = Link(Address("::1", 40000), Address("::1", 80), entry_point="web")
    request.link.trusted = True
    found = as_json(request)
    assert (found["ClientHost"], found["ClientAddr"]) == ("192.0.2.1, 192.0.2.2", "[::1]:40000")


def test_the_host_is_the_one_that_was_asked_for() -> None:
    request = asked()

    class Renaming(Silent):
        def begin(self, exchange: Exchange) -> None:
            request.authority = b"other.test"

    lines: list[str] = []
    config = configured(template("{RequestAddr}"))
    watch = AccessLogSignal(config, line_of(config, FORMATS), lines.append).watch(Watched("web"))
    observer = Observer([watch, Renaming()], monotonic)
    request.exchange.request = request
    observer.begin(request.exchange)
    observer.finish(request.exchange)
    assert lines == ["a.test"]


@pytest.mark.parametrize(
    ("authority", "parts"),
    [
        (b"a.test", ("a.test", "a.test", "-")),
        (b"a.test:80", ("a.test:80", "a.test", "80")),
        (b"[::1]:80", ("[::1]:80", "::1", "80")),
        (b"[::1]", ("[::1]", "[::1]", "-")),
        (b"", ("", "", "-")),
    ],
)
def test_an_authority_is_split(authority: bytes, parts: tuple[str, str, str]) -> None:
    assert _split(authority) == parts


@pytest.mark.parametrize(
    ("filters", "known", "lines"),
    [
        ({"statusCodes": []}, {}, 1),
        ({"statusCodes": ["404", "500-599"]}, {}, 0),
        ({"statusCodes": ["404", "500-599"]}, {"status": 503}, 1),
        ({"retryAttempts": True}, {}, 0),
        ({"retryAttempts": True}, {"retries": 1}, 1),
        ({"minDuration": "1s"}, {}, 0),
        ({"minDuration": "1s"}, {"seconds": 1.5}, 1),
        ({"statusCodes": ["404"], "minDuration": "1s"}, {"seconds": 1.5}, 1),
        ({"statusCodes": ["404"], "minDuration": "1s"}, {"status": 404}, 1),
    ],
)
def test_a_line_is_kept_if_any_filter_holds(filters: dict[str, Any], known: dict[str, Any], lines: int) -> None:
    assert len(over(asked(), {"filters": filters}, **known)) == lines


def test_a_common_line_prints_a_dash_for_what_is_dropped() -> None:
    names = {"StartUTC": "drop", "StartLocal": "drop", "Duration": "drop", "ClientHost": "drop", "RouterName": "drop"}
    (line,) = over(asked(), {"fields": {"names": names}}, user=b"ann")
    assert line == '- - ann [-] "GET /a?x=1 HTTP/1.1" 200 439 "-" "-" 1 "-" "http://10.0.0.1:9000/base" 0ms'


def test_the_generic_format_ends_with_the_user_agent() -> None:
    request = asked(**{"User-Agent": "UA/1"})
    (line,) = over(request, {"format": "GenericCLF", "fields": {"headers": {"names": {"User-Agent": "keep"}}}})
    assert line.endswith('"GET /a?x=1 HTTP/1.1" 200 439 "-" "UA/1"')


def test_a_template_says_what_the_user_wants() -> None:
    raw = template("{{{clienthost}}} 100% {DownstreamStatus} {request_x-a} {RouterName}")
    (line,) = over(asked(**{"X-A": "a"}), {**raw, "fields": {"headers": {"names": {"X-A": "keep"}}}}, server=False)
    assert line == "{127.0.0.1} 100% 200 a -"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{Nobody}", "'Nobody' is not a field"),
        ("{}", "braces hold the name of a field"),
        ("{ClientHost!r}", "braces hold the name of a field"),
        ("{ClientHost", "cannot be read"),
        ("a\nb", "one line"),
        ("{request_Cookie}", "'request_Cookie' is dropped"),
    ],
)
def test_a_template_that_cannot_be_is_refused_at_the_start(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"accessLog.options.template: .*{message}"):
        check_access_log(configured(template(text)), FORMATS)


def test_options_that_a_format_does_not_have_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"accessLog\.options"):
        check_access_log(configured({"options": {"template": "x"}}), FORMATS)


def test_what_is_odd_is_warned_of() -> None:
    fields = {"names": {"ClientHots": "drop"}, "headers": {"defaultMode": "kep"}}
    problems = check_access_log(configured({"format": "yaml", "fields": fields}), FORMATS)
    assert all(problem.warning for problem in problems)
    assert [str(problem) for problem in problems] == [
        "accessLog.fields.names.ClientHots: there is no such field; did you mean 'ClientHost'?",
        "accessLog.fields.headers.defaultMode: 'kep' is not a mode; use keep, drop, redact; did you mean 'keep'?",
        "accessLog.format: unknown format 'yaml'; common is used, there are common, genericCLF, json, template",
    ]
    (line,) = over(asked(), {"format": "yaml"})
    assert line.endswith("ms")


HOSTILE = st.text(st.characters(codec="utf-8"), min_size=1)


@given(HOSTILE, HOSTILE)
def test_nothing_that_a_client_says_leaves_its_place(user: str, agent: str) -> None:
    fields = {"headers": {"names": {"X-Agent": "keep", "User-Agent": "keep"}}}
    for raw in ({}, {"format": "json"}, template('"{ClientUsername}" "{request_User-Agent}"')):
        request = asked()
        request.headers.raw.append((b"user-agent", agent.encode()))
        (line,) = over(request, {**raw, "fields": fields}, user=user.encode())
        if raw:
            assert line.isprintable() or raw["format"] == "json"
        assert "\n" not in line
        assert "\r" not in line
        if raw and raw["format"] == "json":
            assert json.loads(line)["ClientUsername"] == user
            assert json.loads(line)["request_User-Agent"] == agent
            assert not set("<>&\u2028\u2029\x85\x9b") & set(line)
        else:
            quotes = line.replace("\\\\", "").replace('\\"', "").count('"')
            assert quotes == (4 if raw else 10)
