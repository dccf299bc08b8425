"""The matchers of TCP routers (routing.md §3.6), in today's syntax and in that of v2 (§3.5)."""

import re
from collections.abc import Callable, Mapping, Sequence

from pointsman.api import TcpMatcher, TcpPredicate
from pointsman.message import Facts
from pointsman.routing import predicates
from pointsman.routing.predicates import wire
from pointsman.routing.regex import compile_search
from pointsman.routing.syntax import MAX_ARGUMENTS
from pointsman.routing.v2 import template

ACME = "acme-tls/1"
_NAME = re.compile(r"(\*\.)?[0-9A-Za-z_.:-]+")
_NAME_V2 = re.compile(r"[0-9A-Za-z_.:-]+")
IndexEntry = tuple[str, bytes] | None


def _always(facts: Facts) -> bool:
    return True


def _server_name(text: str, shape: re.Pattern[str]) -> bytes:
    """The name as a ClientHello would have it, b"*" for all. ValueError for what no server is called."""
    if text == "*":
        return b"*"
    if not shape.fullmatch(text):
        raise ValueError(f"invalid value for HostSNI matcher, '{text}' is not a valid hostname")
    return predicates.without_dot(wire(text.lower()))


def _named(name: bytes) -> TcpPredicate:
    if name == b"*":
        return _always
    if name.startswith(b"*."):
        return _below(name[1:])
    return lambda facts: facts.server_name == name


def _below(suffix: bytes) -> TcpPredicate:
    """Exactly one label before `suffix`, which begins with a dot."""

    def test(facts: Facts) -> bool:
        name = facts.server_name
        dot = name.find(b".")
        return dot > 0 and name[dot:] == suffix

    return test


def _index(text: str) -> IndexEntry:
    name = _server_name(text, _NAME)
    if name == b"*":
        return None
    return ("host_suffix", name[1:]) if name.startswith(b"*.") else ("host", name)


def _found(pattern: str) -> TcpPredicate:
    search = compile_search(pattern)
    return lambda facts: search(facts.server_name)


def _ascii(pattern: str) -> str:
    if not pattern.isascii():
        raise ValueError(f"the pattern '{pattern}' has characters that are not ASCII; write punycode (xn--…)")
    return pattern


def _client(text: str) -> TcpPredicate:
    network = predicates.parse_network(text)
    return lambda facts: facts.client.ip in network


def _alpn(protocol: str) -> TcpPredicate:
    if protocol == ACME:
        raise ValueError(f"invalid protocol value for ALPN matcher, '{ACME}' is not allowed")
    wanted = wire(protocol)
    return lambda facts: wanted in facts.alpn


def _the_name(facts: Facts) -> str:
    name = facts.server_name.decode("latin-1")
    return f"the client asks for '{name}'" if name else "the client names no server"


def _the_client(facts: Facts) -> str:
    return f"the client's address is '{facts.client.host}'"


def _the_protocols(facts: Facts) -> str:
    return f"the client offers {', '.join(name.decode('latin-1') for name in facts.alpn) or 'no protocol'}"


def _any(one: Callable[[str], TcpPredicate]) -> Callable[..., TcpPredicate]:
    """In v2 several arguments mean any of them."""

    def compile(*arguments: str) -> TcpPredicate:
        tests = [one(argument) for argument in arguments]
        return tests[0] if len(tests) == 1 else lambda facts: any(test(facts) for test in tests)

    return compile


def _index_v2(*names: str) -> IndexEntry:
    return _index(names[0]) if len(names) == 1 else None


def _found_v2(text: str) -> TcpPredicate:
    return _found(f"(?i)^{template(_ascii(text), '[^.]+')}$")


_ONE = range(1, 2)
_MANY = range(1, MAX_ARGUMENTS + 1)

TCP_MATCHERS: Sequence[TcpMatcher] = (
    TcpMatcher("HostSNI", _ONE, lambda text: _named(_server_name(text, _NAME)), _index, _the_name),
    TcpMatcher("HostSNIRegexp", _ONE, lambda pattern: _found(_ascii(pattern)), None, _the_name),
    TcpMatcher("ClientIP", _ONE, _client, None, _the_client),
    TcpMatcher("ALPN", _ONE, _alpn, None, _the_protocols),
)

TCP_MATCHERS_V2: Mapping[str, TcpMatcher] = {
    matcher.name: matcher
    for matcher in (
        TcpMatcher("HostSNI", _MANY, _any(lambda text: _named(_server_name(text, _NAME_V2))), _index_v2, _the_name),
        TcpMatcher("HostSNIRegexp", _MANY, _any(_found_v2), None, _the_name),
        TcpMatcher("ClientIP", _MANY, _any(_client), None, _the_client),
        TcpMatcher("ALPN", _MANY, _any(_alpn), None, _the_protocols),
    )
}
