"""The rule syntax of v2 (routing.md §3.5), for old configurations: other matchers, the same operators.

Several arguments mean any of them, except for Query, whose pairs must all be there. Templates `{name:regexp}` and `{name}`
are anchored.
"""

import re
from collections.abc import Callable, Mapping

from pointsman.api import Matcher, Predicate
from pointsman.message import Request
from pointsman.routing import predicates
from pointsman.routing.predicates import wire
from pointsman.routing.regex import compile_search
from pointsman.routing.rules import Rule, parse
from pointsman.routing.syntax import MAX_ARGUMENTS

_ANY_NUMBER = range(1, MAX_ARGUMENTS + 1)
_TWO = range(2, 3)
_PLAIN = re.compile(r"[A-Za-z0-9/\-_~!@%&=:;,<>'\" ]*")


def template(text: str, default: str) -> str:
    """A template as a regular expression, not anchored yet; `default` is what a plain `{name}` stands for."""
    pieces: list[str] = []
    end = depth = start = 0
    for place, char in enumerate(text):
        if char == "{":
            depth += 1
            if depth == 1:
                pieces.append(_literally(text[end:place]))
                start = place + 1
        elif char == "}":
            depth -= 1
            if depth < 0:
                break
            if depth == 0:
                name, colon, pattern = text[start:place].partition(":")
                if not name or (colon and not pattern):
                    raise ValueError(f"'{{{text[start:place]}}}' in '{text}' has no name or no pattern")
                pieces.append(f"(?:{pattern or default})")
                end = place + 1
    if depth:
        raise ValueError(f"the braces in '{text}' do not pair up")
    return "".join([*pieces, _literally(text[end:])])


def _literally(text: str) -> str:
    """The text as a regular expression, in RE2's syntax."""
    return "".join(char if _PLAIN.fullmatch(char) or not char.isascii() else f"\\x{{{ord(char):x}}}" for char in text)


def _any(tests: list[Predicate]) -> Predicate:
    if len(tests) == 1:
        return tests[0]

    def check(request: Request) -> bool:
        return any(test(request) for test in tests)

    return check


def _each(one: Callable[[str], Predicate]) -> Callable[..., Predicate]:
    return lambda *args: _any([one(arg) for arg in args])


def _host(name: str) -> Predicate:
    if not name.isascii():
        raise ValueError(
            f"the host '{name}' has characters that are not ASCII; write international names in punycode (xn--…)"
        )
    return predicates.host_is(predicates.without_dot(wire(name.lower())))


def _host_regexp(text: str) -> Predicate:
    if not text.isascii():
        raise ValueError(f"the host pattern '{text}' has characters that are not ASCII")
    search = compile_search(f"(?i)^{template(text, '[^.]+')}$")
    return lambda request: search(predicates.without_dot(request.host))


def _path(text: str) -> Predicate:
    if not text.startswith("/"):
        raise ValueError(f"the path '{text}' does not start with a '/'")
    if "{" not in text and "}" not in text:
        return predicates.path_is(wire(text))
    return predicates.path_found(compile_search(f"^{template(text, '[^/]+')}$"))


def _path_prefix(text: str) -> Predicate:
    if not text.startswith("/"):
        raise ValueError(f"the path '{text}' does not start with a '/'")
    if "{" not in text and "}" not in text:
        return predicates.path_begins(wire(text))
    return predicates.path_found(compile_search(f"^{template(text, '[^/]+')}"))


def _query(*pairs: str) -> Predicate:
    tests = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        tests.append(predicates.query_is(wire(name), wire(value)) if equals else predicates.query_present(wire(name)))
    if len(tests) == 1:
        return tests[0]
    return lambda request: all(test(request) for test in tests)


def _host_index(*names: str) -> tuple[str, bytes] | None:
    return ("host", predicates.without_dot(wire(names[0].lower()))) if len(names) == 1 else None


def _path_index(kind: str) -> Callable[..., tuple[str, bytes] | None]:
    return lambda *paths: (kind, wire(paths[0].partition("{")[0])) if len(paths) == 1 else None


def _exact_path_index(*paths: str) -> tuple[str, bytes] | None:
    return _path_index("path_prefix" if "{" in paths[0] else "path")(*paths)


def _the_host(request: Request) -> str:
    return f"the request's host is '{request.host.decode('latin-1')}'"


def _the_path(request: Request) -> str:
    return f"the request's path is '{request.routing_path.decode('utf-8', 'backslashreplace')}'"


MATCHERS: Mapping[str, Matcher] = {
    matcher.name: matcher
    for matcher in (
        Matcher("Host", _ANY_NUMBER, _each(_host), _host_index, _the_host),
        Matcher("HostHeader", _ANY_NUMBER, _each(_host), _host_index, _the_host),
        Matcher("HostRegexp", _ANY_NUMBER, _each(_host_regexp), None, _the_host),
        Matcher("Path", _ANY_NUMBER, _each(_path), _exact_path_index, _the_path),
        Matcher("PathPrefix", _ANY_NUMBER, _each(_path_prefix), _path_index("path_prefix"), _the_path),
        Matcher("Method", _ANY_NUMBER, _each(lambda method: predicates.method_is(wire(method.upper())))),
        Matcher("Headers", _TWO, lambda name, value: predicates.header_is(wire(name.lower()), wire(value))),
        Matcher(
            "HeadersRegexp",
            _TWO,
            lambda name, pattern: predicates.header_found(wire(name.lower()), compile_search(pattern)),
        ),
        Matcher("Query", _ANY_NUMBER, _query),
        Matcher("ClientIP", _ANY_NUMBER, _each(lambda text: predicates.client_in(predicates.parse_network(text)))),
    )
}


def parse_v2(text: str) -> Rule:
    """The rule that `text` says in v2 syntax. Raises RuleError and nothing else."""
    return parse(text, MATCHERS)
