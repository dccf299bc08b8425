"""The HTTP matchers of the rule language (routing.md §3.3). What they compare is in `routing.predicates`."""

from pointsman.api import Matcher, Predicate
from pointsman.message import Request
from pointsman.routing import predicates
from pointsman.routing.predicates import wire
from pointsman.routing.regex import compile_search

IndexEntry = tuple[str, bytes] | None
_HIDDEN = (b"authorization", b"cookie", b"proxy-authorization")


def _ascii(text: str, what: str) -> str:
    if not text.isascii():
        raise ValueError(f"{what} '{text}' has characters that are not ASCII; write international names in punycode (xn--…)")
    return text


def _host_key(name: str) -> IndexEntry:
    host = wire(name.lower())
    if host == b"*":
        return None
    host = predicates.without_dot(host)
    return ("host_suffix", host[1:]) if host.startswith(b"*.") else ("host", host)


def _host(name: str) -> Predicate:
    key = _host_key(_ascii(name, "the host"))
    if key is None:
        return predicates.always
    kind, value = key
    return predicates.host_below(value) if kind == "host_suffix" else predicates.host_is(value)


def _host_regexp(pattern: str) -> Predicate:
    return predicates.host_found(compile_search(_ascii(pattern, "the host pattern")))


def _absolute(path: str) -> bytes:
    if not path.startswith("/"):
        raise ValueError(f"the path '{path}' does not start with a '/'")
    return wire(path)


def _client(text: str) -> Predicate:
    return predicates.client_in(predicates.parse_network(text))


def _query(name: str, value: str = "") -> Predicate:
    return predicates.query_is(wire(name), wire(value))


def _query_regexp(name: str, pattern: str | None = None) -> Predicate:
    return _query(name) if pattern is None else predicates.query_found(wire(name), compile_search(pattern))


def _text(value: bytes) -> str:
    return repr(value.decode("utf-8", "backslashreplace"))


def _the_host(request: Request) -> str:
    return f"the request's host is {_text(request.host)}" if request.host else "the request has no host"


def _the_path(request: Request) -> str:
    return f"the request's path is {_text(request.routing_path)}"


def _the_headers(request: Request) -> str:
    lines = [f"{name.decode('latin-1')}: {'…' if name in _HIDDEN else _text(value)}" for name, value in request.headers]
    return f"the request's headers are {', '.join(lines)}" if lines else "the request has no headers"


def _the_query(request: Request) -> str:
    return f"the request's query is {_text(request.query)}" if request.query else "the request has no query"


ONE, TWO, ONE_OR_TWO = range(1, 2), range(2, 3), range(1, 3)

MATCHERS = (
    Matcher("Host", ONE, _host, _host_key, _the_host),
    Matcher("HostRegexp", ONE, _host_regexp, None, _the_host),
    Matcher("Path", ONE, lambda path: predicates.path_is(_absolute(path)), lambda path: ("path", wire(path)), _the_path),
    Matcher(
        "PathPrefix",
        ONE,
        lambda path: predicates.path_begins(_absolute(path)),
        lambda path: ("path_prefix", wire(path)),
        _the_path,
    ),
    Matcher("PathRegexp", ONE, lambda pattern: predicates.path_found(compile_search(pattern)), None, _the_path),
    Matcher(
        "Method",
        ONE,
        lambda method: predicates.method_is(wire(method.upper())),
        None,
        lambda request: f"the request's method is {_text(request.method)}",
    ),
    Matcher("Header", TWO, lambda name, value: predicates.header_is(wire(name.lower()), wire(value)), None, _the_headers),
    Matcher(
        "HeaderRegexp",
        TWO,
        lambda name, pattern: predicates.header_found(wire(name.lower()), compile_search(pattern)),
        None,
        _the_headers,
    ),
    Matcher("Query", ONE_OR_TWO, _query, None, _the_query),
    Matcher("QueryRegexp", ONE_OR_TWO, _query_regexp, None, _the_query),
    Matcher("ClientIP", ONE, _client, None, lambda request: f"the client's address is '{request.client.ip}'"),
)
