"""The TCP table finds what a linear scan in rank order finds (routing.md §3.7)."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman.builtin.tcp_matchers import TCP_MATCHERS
from pointsman.message import Address, Facts
from pointsman.routing.ranking import PRECEDENCE
from pointsman.routing.rules import parse
from pointsman.routing.table import Entry
from pointsman.routing.tcp_table import Part, TcpRoutes, is_catch_all, tcp_rank

KNOWN = {matcher.name: matcher for matcher in TCP_MATCHERS}
LOCAL = Address("127.0.0.1", 443)


def entry(name, rule, priority=0):
    parsed = parse(rule, KNOWN)
    return Entry(name, parsed, tcp_rank(priority, parsed, name, PRECEDENCE), name)


class Counting(Facts):
    """Counts how often its name is looked at."""

    asked = 0

    @property
    def server_name(self):
        self.asked += 1
        return b"h7.test"

    @server_name.setter
    def server_name(self, name):
        pass


def facts(name=b"", client="10.0.0.1", alpn=()):
    return Facts(Address(client, 1), LOCAL, name, alpn)


NAMES = ["a.test", "b.test", "x.a.test", "y.a.test"]
MATCHERS = st.one_of(
    st.sampled_from([*NAMES, "*.a.test", "*.test", "*"]).map(lambda name: f"HostSNI(`{name}`)"),
    st.sampled_from(["^x", "a", "^$"]).map(lambda text: f"HostSNIRegexp(`{text}`)"),
    st.sampled_from(["10.0.0.1", "10.0.0.0/8", "::1"]).map(lambda text: f"ClientIP(`{text}`)"),
    st.just("ALPN(`h2`)"),
)
RULES = st.recursive(
    MATCHERS,
    lambda rules: st.one_of(
        rules.map(lambda rule: f"!({rule})"),
        st.tuples(rules, rules).map(" && ".join).map("({})".format),
        st.tuples(rules, rules).map(" || ".join).map("({})".format),
    ),
    max_leaves=4,
)
CONNECTIONS = st.builds(
    facts,
    st.sampled_from([b"", *(name.encode() for name in NAMES), b"c.test"]),
    st.sampled_from(["10.0.0.1", "192.0.2.1", "::1"]),
    st.sampled_from([(), (b"h2",)]),
)


@given(st.lists(st.tuples(RULES, st.integers(-2, 2)), max_size=8), st.lists(CONNECTIONS, min_size=1, max_size=5))
def test_the_index_finds_what_a_linear_scan_finds(rules, connections):
    entries = [entry(f"r{place}@file", rule, priority) for place, (rule, priority) in enumerate(rules)]
    table = TcpRoutes.build(entries)
    named, catching = Part(table, False), Part(table, True)
    for connection in connections:
        scan = (one for one in sorted(entries, key=lambda one: one.rank) if one.rule.predicate(connection))
        expected = next(scan, None)
        assert table.find(connection) is expected
        found = named.match(connection), catching.match(connection)
        if expected is None:
            assert found == (None, None)
        else:
            assert found == ((None, expected.name) if is_catch_all(expected.rule) else (expected.name, None))
    assert len(named) + len(catching) == len(table) == len(entries)


def test_a_pure_catch_all_goes_last_unless_it_says_otherwise():
    below, above = entry("all@file", "HostSNI(`*`)"), entry("all@file", "HostSNI(`*`)", 1000)
    other = entry("some@file", "ClientIP(`10.0.0.0/8`)", -1)  # the same priority: then the name decides

    assert below.priority == -1
    assert TcpRoutes.build([below, entry("some@file", "ClientIP(`10.0.0.0/8`)")]).match(facts()) == "some@file"
    assert TcpRoutes.build([above, entry("some@file", "HostSNI(`a.test`)")]).match(facts(b"a.test")) == "all@file"
    assert TcpRoutes.build([below, other]).match(facts()) == "some@file"


def test_an_exact_name_goes_before_a_wildcard_of_the_same_length():
    table = TcpRoutes.build([entry("wild@file", "HostSNI(`*.wc.test`)"), entry("exact@file", "HostSNI(`a.wc.test`)")])

    assert table.match(facts(b"a.wc.test")) == "exact@file"


def test_ten_thousand_routers_cost_a_lookup():
    entries = [entry(f"r{place}@file", f"HostSNI(`h{place}.test`)") for place in range(10_000)]
    table = TcpRoutes.build([*entries, entry("all@file", "HostSNI(`*`)")])
    connection = Counting(LOCAL, LOCAL)

    assert table.match(connection) == "r7@file"
    assert connection.asked < 5
    assert table.match(facts(b"nobody.test")) == "all@file"
