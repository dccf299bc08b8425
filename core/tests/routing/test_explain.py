"""Why a request went where it went."""

from pointsman.builtin.matchers import MATCHERS
from pointsman.routing.ranking import rank
from pointsman.routing.rules import parse
from pointsman.routing.table import Entry, RouteTable
from pointsman.testing import a_request

KNOWN = {matcher.name: matcher for matcher in MATCHERS}


def a_table(rules: dict[str, str | tuple[str, int]]) -> RouteTable:
    entries = []
    for name, given in rules.items():
        text, priority = (given, 0) if isinstance(given, str) else given
        rule = parse(text, KNOWN)
        entries.append(Entry(name, rule, rank(priority, rule, 0, name)))
    return RouteTable.build(entries)


def reason(text: str | tuple[str, int], url: str = "http://b.test/x", **others: str) -> str:
    explanation = a_table({"it": text, **others}).explain(a_request(url=url))
    return next(loss.reason for loss in explanation.losses if loss.name == "it")


def test_a_leaf_says_what_the_request_has_instead():
    assert reason("Host(`a.test`)") == "Host(`a.test`) at column 1: the request's host is 'b.test'"
    assert reason("!(!Path(`/a`))") == "Path(`/a`) at column 4: the request's path is '/x'"
    assert reason("Method(`post`)") == "Method(`post`) at column 1: the request's method is 'GET'"
    assert reason("Query(`a`)", "http://b.test/?a=1") == "Query(`a`) at column 1: the request's query is 'a=1'"
    assert reason("ClientIP(`10.0.0.0/8`)") == "ClientIP(`10.0.0.0/8`) at column 1: the client's address is '127.0.0.1'"
    assert reason("Header(`a`,`b`)") == "Header(`a`, `b`) at column 1: the request has no headers"


def test_secrets_in_headers_stay_hidden():
    table = a_table({"it": "Header(`a`,`b`)"})
    text = str(table.explain(a_request(headers={"Authorization": "Basic c2VjcmV0", "X": "1"})))
    assert "authorization: …, x: '1'" in text
    assert "c2VjcmV0" not in text


def test_of_an_and_the_first_failure_is_named():
    assert reason("Host(`b.test`) && Path(`/y`) && Path(`/z`)").startswith("Path(`/y`) at column 19:")


def test_of_an_or_every_branch_is_named():
    assert reason("Host(`a.test`) || Host(`b.test`) && Path(`/y`)") == (
        "Host(`a.test`) at column 1: the request's host is 'b.test'; Path(`/y`) at column 37: the request's path is '/x'"
    )


def test_a_negation_says_what_matched():
    assert reason("Path(`/x`) && !Host(`b.test`)") == "Host(`b.test`) at column 16 matched, but is negated"
    assert reason("!(Host(`a`) || Path(`/x`))") == "Path(`/x`) at column 16 matched, but is negated"
    assert reason("!(Host(`b.test`) && Path(`/x`))") == (
        "Host(`b.test`) at column 3 matched, but is negated; Path(`/x`) at column 21 matched, but is negated"
    )


def test_a_lower_rank_is_put_in_words():
    assert reason("Path(`/x`)", other="PathPrefix(`/x`)") == (
        "matches too, but priority 10 (rule length) is lower than 16 (rule length)"
    )
    assert reason(("PathPrefix(`/`)", 3), other="Path(`/x`)") == "matches too, but priority 3 is lower than 10 (rule length)"
    assert reason("Path(`/x`)", a="Path(`/x`)") == "matches too, but priority 10 is the same, but 'a' sorts before 'it'"
    assert reason("Host(`*.b.test`)", "http://a.b.test/", zz="Host(`a.b.test`)").endswith(
        "an exact host goes before a wildcard"
    )


def test_an_ambiguous_path_is_explained():
    table = a_table({"all": "PathPrefix(`/`)", "guard": "PathPrefix(`/admin/`)"})
    explanation = table.explain(a_request(url="http://x/admin%2Fx"))
    assert "refused with 400: the path reaches router all, but read as '/admin/x' router guard" in str(explanation)


def test_every_one_of_fifty_overlapping_routers_is_accounted_for_in_rank_order():
    rules: dict[str, str | tuple[str, int]] = {}
    for n in range(10):
        rules[f"host{n}"] = f"Host(`h{n}.test`)"
        rules[f"prefix{n}"] = f"Host(`h1.test`) && PathPrefix(`/{'a' * n}`)"
        rules[f"either{n}"] = f"Host(`h{n}.test`) || Path(`/{n}`)"
        rules[f"neither{n}"] = f"!(Host(`h{n}.test`) || Path(`/aaa`))"
        rules[f"given{n}"] = ("PathPrefix(`/a`)", n)
    explanation = a_table(rules).explain(a_request(url="http://h1.test/aaa"))

    assert explanation.winner == "prefix3"
    assert {loss.name for loss in explanation.losses} == rules.keys() - {"prefix3"}
    priorities = [loss.priority for loss in explanation.losses]
    assert priorities == sorted(priorities, reverse=True)
    by_name = {loss.name: loss for loss in explanation.losses}
    assert by_name["host1"].matches
    assert by_name["prefix4"].reason == "PathPrefix(`/aaaa`) at column 20: the request's path is '/aaa'"
    assert by_name["prefix4"].columns == (20,)
    assert by_name["prefix2"].reason == "matches too, but priority 36 (rule length) is lower than 37 (rule length)"
    assert by_name["neither1"].reason == "Host(`h1.test`) at column 3 matched, but is negated"
    assert by_name["given5"].reason == "matches too, but priority 5 is lower than 37 (rule length)"
    lines = str(explanation).splitlines()
    assert lines[0] == "prefix3 takes the request: Host(`h1.test`) && PathPrefix(`/aaa`) (priority 37)"
    assert len(lines) == 50


def test_no_winner_is_said_so():
    assert str(a_table({}).explain(a_request())) == "no router takes the request"
