"""What matching and building cost: `python benches/routing.py`. Prints a table; asserts no time."""

import gc
from collections.abc import Callable
from time import perf_counter

from pointsman.api import Peer
from pointsman.builtin.matchers import MATCHERS
from pointsman.builtin.roundrobin import RoundRobin, RoundRobinConfig
from pointsman.message import Body, Headers, Request
from pointsman.routing.ranking import rank
from pointsman.routing.regex import compile_re2, compile_search
from pointsman.routing.rules import parse
from pointsman.routing.table import Entry, RouteTable

KNOWN = {matcher.name: matcher for matcher in MATCHERS}
Numbered = Callable[[int], str]


def request(host: str, path: str) -> Request:
    made = Request(b"GET", path.encode(), Headers([]), Body.of(b""))
    made.host = host.encode()
    return made


def entry(number: int, text: str) -> Entry:
    rule, name = parse(text, KNOWN), f"r{number}@file"
    return Entry(name, rule, rank(0, rule, 6, name))


def microseconds(work: Callable[[], object], times: int = 50_000) -> float:
    """The best of seven rounds: on a shared machine the others measure the neighbours."""
    best = 1e9
    for _ in range(7):
        begin = perf_counter()
        for _ in range(times):
            work()
        best = min(best, perf_counter() - begin)
    return best / times * 1e6


KINDS: dict[str, tuple[Numbered, Numbered, Numbered]] = {
    "other host each": (lambda n: f"Host(`h{n}.example.com`)", lambda n: f"h{n}.example.com", lambda n: "/"),
    "other host each, and a prefix": (
        lambda n: f"Host(`h{n}.example.com`) && PathPrefix(`/api`)",
        lambda n: f"h{n}.example.com",
        lambda n: "/api/users",
    ),
    "same host, other prefix each": (
        lambda n: f"Host(`a.example.com`) && PathPrefix(`/svc-{n}/`)",
        lambda n: "a.example.com",
        lambda n: f"/svc-{n}/users",
    ),
    "same host, other path each": (
        lambda n: f"Host(`a.example.com`) && Path(`/svc-{n}`)",
        lambda n: "a.example.com",
        lambda n: f"/svc-{n}",
    ),
    "other wildcard each": (
        lambda n: f"Host(`*.h{n}.example.com`) && PathPrefix(`/api`)",
        lambda n: f"www.h{n}.example.com",
        lambda n: "/api/users",
    ),
}


def routing() -> None:
    print(
        f"{'routers':>8}  {'kind':<30} {'match µs':>9} {'miss µs':>8} {'parse µs/rule':>14} {'build ms':>9} {'slice ms':>9}"
    )
    for kind, (rule, host, path) in KINDS.items():
        for count in (1, 10_000, 100_000):
            gc.collect()
            gc.disable()  # a worker freezes what a snapshot holds; a collection in here would only measure the collector
            begin = perf_counter()
            entries = [entry(number, rule(number)) for number in range(count)]
            parsed = perf_counter() - begin
            table, built, longest = build(entries)
            asked, missed = request(host(count // 2), path(count // 2)), request("nobody.example.org", "/api")
            found = table.match(asked)
            assert found is entries[count // 2], found
            numbers = f"{microseconds(lambda: table.match(asked)):9.2f} {microseconds(lambda: table.match(missed)):8.2f}"  # noqa: B023
            print(f"{count:8}  {kind:<30} {numbers} {parsed / count * 1e6:14.1f} {built * 1e3:9.1f} {longest * 1e3:9.2f}")
            gc.enable()


def build(entries: list[Entry]) -> tuple[RouteTable, float, float]:
    begin = last = perf_counter()
    longest = 0.0
    building = RouteTable.building(entries)
    for _ in building:
        now = perf_counter()
        longest, last = max(longest, now - last), now
    return building.table, perf_counter() - begin, longest


def regexes() -> None:
    print(f"\n{'pattern':<34} {'chosen µs':>10} {'RE2 µs':>8}")
    text = b"/api/v12/users"
    for pattern in (
        "users",
        "^/api/",
        "^/api/v[0-9]+/",
        "^/(api|web)/v[0-9]+/",
        r"^/api/.*\.json$",
        "(?i)users$",
        r"a(.*)b(.*)c",
    ):
        chosen, slow = compile_search(pattern), compile_re2(pattern)
        print(f"{pattern:<34} {microseconds(lambda: chosen(text)):10.2f} {microseconds(lambda: slow(text)):8.2f}")  # noqa: B023


def balancing() -> None:
    print(f"\n{'round robin over':<34} {'pick µs':>10}")
    asked = request("a", "/")
    for what, weights in (("1 peer", [1]), ("8 equal peers", [1] * 8), ("8 peers, weights 1 to 8", list(range(1, 9)))):
        peers = [Peer(f"http://p{n}", host=f"p{n}", port=80, weight=weight) for n, weight in enumerate(weights)]
        pick = RoundRobin(RoundRobinConfig(), None).over(peers)
        print(f"{what:<34} {microseconds(lambda: pick(asked, ())):10.2f}")  # noqa: B023


if __name__ == "__main__":
    routing()
    regexes()
    balancing()
