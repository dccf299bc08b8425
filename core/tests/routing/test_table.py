"""The route table: an index that answers like a linear scan (design.md §4), ranks (routing.md §3.7), double meanings."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.builtin.matchers import MATCHERS
from pointsman.message import Request
from pointsman.routing.ranking import MAX_PRIORITY, PRECEDENCE, check_priority, provider_place, rank
from pointsman.routing.rules import parse
from pointsman.routing.table import SLICE, Ambiguous, Entry, RouteTable
from pointsman.testing import a_request

KNOWN = {matcher.name: matcher for matcher in MATCHERS}


def an_entry(name: str, text: str, priority: int = 0) -> Entry:
    rule = parse(text, KNOWN)
    return Entry(name, rule, rank(priority, rule, provider_place(name), name))


def a_table(**rules: str) -> RouteTable:
    return RouteTable.build(an_entry(f"{name}@file", text) for name, text in rules.items())


def winner(table: RouteTable, url: str, **more: object) -> str | None:
    entry = table.match(a_request(url=url, **more))  # type: ignore[arg-type]
    return entry.name if entry else None


def linear(entries: list[Entry], request: Request) -> Entry | None:
    return next((entry for entry in sorted(entries, key=lambda entry: entry.rank) if entry.rule.predicate(request)), None)


# --- the index ---

HOSTS = ["a.test", "b.test", "x.a.test", "y.x.a.test", "a", "a.test."]
PATHS = ["/", "/a", "/a/", "/a/b", "/ab", "/b", "/c/d/e"]
LEAVES = st.one_of(
    st.sampled_from([*HOSTS, "*", "*.test", "*.a.test", "*.x.a.test"]).map("Host(`{}`)".format),
    st.sampled_from(PATHS).map("Path(`{}`)".format),
    st.sampled_from(PATHS).map("PathPrefix(`{}`)".format),
    st.sampled_from(
        ["HostRegexp(`^a`)", "PathRegexp(`b$`)", "Method(`GET`)", "Method(`POST`)", "Query(`q`)", "Header(`x`,`1`)"]
    ),
)
RULES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map("!({})".format),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: "(" + " && ".join(parts) + ")"),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: "(" + " || ".join(parts) + ")"),
    ),
    max_leaves=6,
)
FLEETS = st.lists(st.tuples(RULES, st.sampled_from([0, 0, 0, 5, 10, -1]), st.sampled_from(["file", "docker"])), max_size=30)
REQUESTS = st.builds(
    lambda method, host, path, query, headers: a_request(method, f"http://{host}{path}{query}", headers),
    st.sampled_from(["GET", "POST"]),
    st.sampled_from([*HOSTS, "", "z.test", "q.x.a.test."]),
    st.sampled_from([*PATHS, "/abc", "/c/d/e/f", "/c/d"]),
    st.sampled_from(["", "?q", "?q=1"]),
    st.sampled_from([{}, {"X": "1"}]),
)


@settings(max_examples=300)
@given(FLEETS, st.lists(REQUESTS, min_size=1, max_size=10))
def test_the_index_gives_what_a_linear_scan_gives(fleet: list[tuple[str, int, str]], requests: list[Request]):
    entries = [an_entry(f"r{n}@{provider}", text, priority) for n, (text, priority, provider) in enumerate(fleet)]
    table = RouteTable.build(entries)
    for request in requests:
        assert table.find(request) is linear(entries, request)


@given(FLEETS, REQUESTS)
def test_the_order_of_the_entries_does_not_matter(fleet: list[tuple[str, int, str]], request: Request):
    entries = [an_entry(f"r{n}@{provider}", text, priority) for n, (text, priority, provider) in enumerate(fleet)]
    assert RouteTable.build(entries).find(request) is RouteTable.build(reversed(entries)).find(request)


def test_a_table_of_thousands_is_built_in_slices_and_finds_each():
    entries = [an_entry(f"h{n}@file", f"Host(`h{n}.test`)") for n in range(1000)]
    entries += [an_entry(f"p{n}@file", f"Host(`a.test`) && PathPrefix(`/p{n}/`)") for n in range(3000)]
    entries += [an_entry(f"q{n}@file", f"Query(`q`, `{n}`)") for n in range(2000)]
    building = RouteTable.building(entries)
    with pytest.raises(RuntimeError, match="not complete yet"):
        _ = building.table
    assert sum(1 for _ in building) >= 6000 // SLICE
    table = building.table
    assert len(table) == 6000
    assert repr(table) == "<RouteTable 6000 routers, 1001 hosts, 0 wildcards>"
    assert winner(table, "http://h77.test/") == "h77@file"
    assert winner(table, "http://a.test/p2999/x") == "p2999@file"
    assert winner(table, "http://b.test/?q=1999") == "q1999@file"
    assert winner(table, "http://b.test/?q=2000") is None


def test_the_longest_of_nested_prefixes_wins_and_the_shorter_ones_are_still_there():
    table = a_table(**{f"p{n}": f"PathPrefix(`/{'a' * n}`)" for n in range(20)})
    assert winner(table, "http://x/aaaaab") == "p5@file"
    assert winner(table, "http://x/b") == "p0@file"


def test_an_empty_table_finds_nothing():
    assert winner(RouteTable.build([]), "http://a.test/") is None


# --- ranks ---


@pytest.mark.spec("R-11")
def test_an_explicit_priority_beats_a_longer_rule():
    short = an_entry("short@file", "Host(`pr.x`)", 100)
    table = RouteTable.build([an_entry("long@file", "Host(`pr.x`) && PathPrefix(`/`)"), short])
    assert table.match(a_request(url="http://pr.x/")) is short


@pytest.mark.spec("R-12")
def test_or_and_and_bind_as_written():
    table = a_table(r="Path(`/1`) || Path(`/2`) && Host(`h`)")
    assert [winner(table, url) for url in ("http://x/1", "http://h/2", "http://x/2")] == ["r@file", "r@file", None]


@pytest.mark.spec("R-13")
def test_a_negated_group_matches_outside_of_it():
    table = a_table(r="!(Host(`x`) || Path(`/q`))")
    assert [winner(table, url) for url in ("http://y/", "http://x/", "http://y/q")] == ["r@file", None, None]


@pytest.mark.spec("R-29")
def test_the_highest_priorities_are_the_gateways_own():
    check_priority(MAX_PRIORITY, "a@file")
    check_priority(-5, "a@file")
    check_priority(2**63 - 1, "api@internal")
    with pytest.raises(ValueError, match="exceeds the max user-defined priority"):
        check_priority(9223372036854775800, "a@file")


@pytest.mark.spec("R-29")
def test_a_negative_priority_goes_behind_and_zero_means_the_length():
    table = RouteTable.build([an_entry("low@file", "PathPrefix(`/`)", -5), an_entry("high@file", "Path(`/`)", 0)])
    assert winner(table, "http://a/") == "high@file"
    assert winner(table, "http://a/b") == "low@file"


def test_a_tie_goes_to_the_provider_with_precedence():
    table = RouteTable.build([an_entry("a@file", "Path(`/`)"), an_entry("b@docker", "Path(`/`)")])
    assert winner(table, "http://a/") == "b@docker"
    assert provider_place("x@unheard") == len(PRECEDENCE)
    assert provider_place("x@unheard", ["unheard"]) == 0


@pytest.mark.spec("R-107")
def test_a_tie_within_a_provider_goes_by_name_whatever_the_order():
    entries = [an_entry(f"{name}@file", "PathPrefix(`/`)") for name in "cab"]
    for rotation in (entries, entries[1:] + entries[:1], entries[::-1]):
        assert winner(RouteTable.build(rotation), "http://a/") == "a@file"


@pytest.mark.spec("R-110")
def test_an_exact_host_goes_before_a_wildcard_of_the_same_length():
    table = a_table(a="Host(`*.wc.test`)", z="Host(`a.wc.test`)")
    assert winner(table, "http://a.wc.test/") == "z@file"
    assert winner(table, "http://b.wc.test/") == "a@file"


# --- paths of two meanings ---


@pytest.mark.spec("R-17")
def test_an_encoded_slash_is_matched_as_such():
    table = a_table(r="Path(`/a%2Fb`)")
    assert winner(table, "http://x/a%2fb") == "r@file"
    assert winner(table, "http://x/a/b") is None


GUARDED = {"all": "PathPrefix(`/`)", "guard": "PathPrefix(`/admin/`)"}


@pytest.mark.parametrize(
    "path", ["/admin%2Fx", "/x/..%2Fadmin/", "/admin%5Cx", "/admin%252Fx", "/x%2F..%2Fadmin%2F", "/x/%252e%252e/admin/"]
)
def test_a_path_that_decodes_to_another_router_is_refused(path: str):
    with pytest.raises(Ambiguous, match=r"reaches router all@file, but read as '/admin/.*' router guard@file") as caught:
        a_table(**GUARDED).match(a_request(url=f"http://x{path}"))
    assert (caught.value.status, caught.value.side) == (400, "client")


@pytest.mark.parametrize("path", ["/files/a%2Fb", "/100%25", "/a%3Fb", "/foo%20bar", "/admin/a%2Fb"])
def test_a_path_that_stays_with_its_router_is_not(path: str):
    assert winner(a_table(**GUARDED), f"http://x{path}") in ("all@file", "guard@file")


def test_a_reading_that_reaches_nobody_is_none():
    assert winner(a_table(r="PathPrefix(`/a%2F`)"), "http://x/a%2Fb") == "r@file"


def test_the_request_is_left_as_it_was():
    request = a_request(url="http://x/admin%2Fx")
    with pytest.raises(Ambiguous):
        a_table(**GUARDED).match(request)
    assert request.routing_path == b"/admin%2Fx"


@pytest.mark.spec("R-80")
def test_a_rewritten_path_is_what_children_see():
    request = a_request(url="http://x/old")
    request.rewrite(b"/new")
    entry = a_table(new="Path(`/new`)", old="Path(`/old`)").match(request)
    assert entry is not None
    assert entry.name == "new@file"


@pytest.mark.spec("R-79")
def test_a_header_set_on_the_way_is_what_children_see():
    table = a_table(child="Header(`X-Role`,`admin`) && Path(`/adm`)")
    request = a_request(url="http://x/adm")
    assert table.match(request) is None
    request.headers.set(b"x-role", b"admin")
    assert table.match(request) is not None
