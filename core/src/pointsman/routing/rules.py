"""Rule text to predicate (routing.md §3): what a route table needs to know of a rule, compiled once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from itertools import chain
from math import prod
from typing import Any

from attrs import field, frozen

from pointsman.api import Matcher, TcpMatcher
from pointsman.routing.syntax import And, Call, Node, Not, Or, RuleError, parse_tree

IndexKey = tuple[tuple[str, bytes] | None, tuple[str, bytes] | None]
"""A necessary condition the route table can look up: on the host, on the path, on both, or on neither."""

ANYWHERE: IndexKey = (None, None)
Predicate = Callable[[Any], bool]
"""Asked of a Request, or, in the rules of TCP routers, of Facts."""
AnyMatcher = Matcher | TcpMatcher
Tests = tuple[Predicate, ...]
_Branch = tuple[IndexKey, Tests]
_MAX_PRODUCT = 256
_EXACT = ("host", "path")
_HOSTS = frozenset({"Host", "HostHeader", "HostSNI"})


@frozen(eq=False)
class Rule:
    """A rule, ready to use.

    `branches` say the same as `predicate`, taken apart for an index: whenever the rule matches, there is a branch whose key
    holds and whose predicate is true; and a branch's predicate is never true when the rule's is not.
    """

    text: str
    tree: Node
    predicate: Predicate
    branches: tuple[tuple[IndexKey, Predicate], ...]
    hosts: tuple[str, ...]
    """The names in Host() that are not negated, lower-case, as written otherwise (`*.example.com`); TLS wants them."""
    default_priority: int
    """The length of the text in bytes (routing.md §3.7)."""
    matchers: Mapping[str, AnyMatcher] = field(repr=False)

    @property
    def keys(self) -> tuple[IndexKey, ...]:
        return tuple(key for key, _ in self.branches)

    @property
    def has_wildcard_host(self) -> bool:
        return any(host.startswith("*") for host in self.hosts)

    def leaf(self, call: Call) -> tuple[AnyMatcher, Predicate]:
        """The matcher and the predicate of one call in the tree; for explanations, so it is compiled anew."""
        matcher = resolve(call, self.matchers)
        return matcher, compile_call(call, matcher)

    def __str__(self) -> str:
        return self.text


def parse(text: str, matchers: Mapping[str, AnyMatcher]) -> Rule:
    """The rule that `text` says, with these matchers. Raises RuleError and nothing else."""
    tree = parse_tree(text)
    resolved = {call: resolve(call, matchers) for call in dict.fromkeys(_calls(tree))}
    leaves = {call: compile_call(call, matcher) for call, matcher in resolved.items()}
    branches = tuple((key, _all(tests)) for key, tests in _branches(tree, resolved, leaves, False))
    return Rule(
        text=text,
        tree=tree,
        predicate=branches[0][1] if len(branches) == 1 else _compiled(tree, leaves),
        branches=branches,
        hosts=tuple(dict.fromkeys(_hosts(tree, resolved, False))),
        default_priority=len(text.encode()),
        matchers=matchers,
    )


# --- one call ---


def resolve(call: Call, matchers: Mapping[str, AnyMatcher]) -> AnyMatcher:
    """The matcher a call means, by one of its four spellings (§3.1), if its arguments are right in number."""
    matcher = matchers.get(call.name) or _respelled(call.name, matchers)
    where = f"'{call.name}' at column {call.column}"
    if matcher is None:
        raise RuleError(f"unsupported function: unknown matcher {where}; {_meant(call.name, matchers)}", call.column)
    if not call.args:
        raise RuleError(f"no args for matcher {where}", call.column)
    if "" in call.args:
        raise RuleError(f"empty args for matcher {where}", call.column)
    if len(call.args) not in matcher.arity:
        expected = " ".join(map(str, matcher.arity))
        raise RuleError(
            f"unexpected number of parameters; got {len(call.args)}, expected one of [{expected}], for {where}", call.column
        )
    return matcher


def spellings(name: str) -> tuple[str, str, str, str]:
    """The four ways to write a matcher's name: PathPrefix, pathprefix, PATHPREFIX, Pathprefix."""
    return name, name.lower(), name.upper(), name.lower().capitalize()


def _respelled(name: str, matchers: Mapping[str, AnyMatcher]) -> AnyMatcher | None:
    return next((matcher for known, matcher in matchers.items() if name in spellings(known)), None)


def _meant(name: str, matchers: Iterable[str]) -> str:
    known = {other.lower(): other for other in matchers}
    close = get_close_matches(name.lower(), known, 1, 0.6)
    return f"did you mean '{known[close[0]]}'?" if close else f"there are {', '.join(sorted(known.values()))}"


def compile_call(call: Call, matcher: AnyMatcher) -> Predicate:
    try:
        return matcher.compile(*call.args)
    except ValueError as error:
        reason = str(error)
    except Exception as error:  # a plugin's matcher may fail in any way
        reason = f"{type(error).__name__}: {error}"
    raise RuleError(f"{reason}, in {call} at column {call.column}", call.column)


def _calls(tree: Node) -> Iterable[Call]:
    match tree:
        case Call():
            yield tree
        case Not(part):
            yield from _calls(part)
        case And(parts) | Or(parts):
            for part in parts:
                yield from _calls(part)


def _hosts(tree: Node, resolved: Mapping[Call, AnyMatcher], negated: bool) -> Iterable[str]:
    match tree:
        case Call(args=args):
            if not negated and resolved[tree].name in _HOSTS:
                yield from (name.lower() for name in args)
        case Not(part):
            yield from _hosts(part, resolved, not negated)
        case And(parts) | Or(parts):
            for part in parts:
                yield from _hosts(part, resolved, negated)


# --- the predicate ---


def _compiled(tree: Node, leaves: Mapping[Call, Predicate]) -> Predicate:
    match tree:
        case Call():
            return leaves[tree]
        case Not(part):
            return _none(_compiled(part, leaves))
        case And(parts):
            return _all([_compiled(part, leaves) for part in parts])
        case Or(parts):
            return _any([_compiled(part, leaves) for part in parts])


def _none(first: Predicate) -> Predicate:
    return lambda subject: not first(subject)


def _all(tests: Sequence[Predicate]) -> Predicate:
    """All of them, in order: closures for the usual few, since a loop costs twice as much."""
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda subject: first(subject) and second(subject)
    if len(tests) == 3:
        first, second, third = tests
        return lambda subject: first(subject) and second(subject) and third(subject)
    return _every(tests)


def _any(tests: Sequence[Predicate]) -> Predicate:
    if len(tests) == 2:
        first, second = tests
        return lambda subject: first(subject) or second(subject)
    if len(tests) == 3:
        first, second, third = tests
        return lambda subject: first(subject) or second(subject) or third(subject)
    return _some(tests)


def _every(tests: Sequence[Predicate]) -> Predicate:
    every = tuple(tests)

    def check(subject: Any) -> bool:
        for test in every:  # noqa: SIM110  # a loop costs half of all() with a generator
            if not test(subject):
                return False
        return True

    return check


def _some(tests: Sequence[Predicate]) -> Predicate:
    some = tuple(tests)

    def check(subject: Any) -> bool:
        for test in some:  # noqa: SIM110
            if test(subject):
                return True
        return False

    return check


# --- the branches ---


def _branches(
    tree: Node, resolved: Mapping[Call, AnyMatcher], leaves: Mapping[Call, Predicate], negated: bool
) -> list[_Branch]:
    """The (negated) tree as branches of which any one suffices: for each a necessary index key and its tests."""
    match tree:
        case Call():
            if negated:
                return [(ANYWHERE, (_none(leaves[tree]),))]
            return [(_key(tree, resolved[tree]), (leaves[tree],))]
        case Not(part):
            return _branches(part, resolved, leaves, not negated)
        case And(parts) | Or(parts):
            every = [_branches(part, resolved, leaves, negated) for part in parts]
            return _joined(every) if isinstance(tree, And) is not negated else _together(every)


def _key(call: Call, matcher: AnyMatcher) -> IndexKey:
    if matcher.index is None:
        return ANYWHERE
    try:
        found = matcher.index(*call.args)
    except Exception as error:  # a plugin's matcher may fail in any way
        reason = f"{type(error).__name__}: {error}, in {call} at column {call.column}"
        raise RuleError(reason, call.column) from None
    match found:
        case ("host" | "host_suffix", _):
            return found, None
        case ("path" | "path_prefix", _):
            return None, found
    return ANYWHERE


def _together(every: list[list[_Branch]]) -> list[_Branch]:
    """Any branch of any of them. Those with the same key become one; with one that has no key, all do."""
    grouped: dict[IndexKey, list[Tests]] = {}
    for key, tests in chain.from_iterable(every):
        grouped.setdefault(key, []).append(tests)
    if ANYWHERE in grouped:
        grouped = {ANYWHERE: list(chain.from_iterable(grouped.values()))}
    return [
        (key, group[0] if len(group) == 1 else (_any([_all(tests) for tests in group]),)) for key, group in grouped.items()
    ]


def _joined(every: list[list[_Branch]]) -> list[_Branch]:
    """One branch of each. The product of all has the narrowest keys; if it grows too large, the shortest has the keys."""
    size = prod(map(len, every))
    if size > _MAX_PRODUCT:
        chosen = min(range(len(every)), key=lambda place: (every[place][0][0] == ANYWHERE, len(every[place])))
        rest = tuple(_any([_all(tests) for _, tests in part]) for place, part in enumerate(every) if place != chosen)
        return [(key, (*tests, *rest)) for key, tests in every[chosen]]
    joined: list[_Branch] = [(ANYWHERE, ())]
    for part in every:
        joined = [(_narrower_key(one, two), tests + further) for one, tests in joined for two, further in part]
    return _together([joined])


def _narrower_key(one: IndexKey, two: IndexKey) -> IndexKey:
    return _narrower(one[0], two[0]), _narrower(one[1], two[1])


def _narrower(one: tuple[str, bytes] | None, two: tuple[str, bytes] | None) -> tuple[str, bytes] | None:
    """The condition that fewer requests meet; either would be right."""
    if one is None or two is None:
        return one or two
    if (one[0] in _EXACT) != (two[0] in _EXACT):
        return one if one[0] in _EXACT else two
    return one if len(one[1]) >= len(two[1]) else two
