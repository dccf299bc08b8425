"""Lists of elements, and the elements themselves, without a gateway."""

import pytest

from pointsman.config.entrypoint_model import EntryPoint, EntryPointHTTP
from pointsman.config.static import Static
from pointsman.control.merge import at_once, merge
from pointsman.inspection.elements import Indexing, Judged
from pointsman.inspection.lists import BadParameter, filtered, ordered, paged
from pointsman.inspection.shapes import Condition, Shapes, entry_point
from pointsman.plugins import load_registry

STATIC = Static(
    entry_points={
        "web": EntryPoint("127.0.0.1:80"),
        "b": EntryPoint("127.0.0.1:81", http=EntryPointHTTP(middlewares=["front@file"])),
        "u": EntryPoint("127.0.0.1:53/udp"),
    }
)
DOCUMENT = {
    "http": {
        "routers": {
            "one": {"rule": "Host(`a.test`)", "service": "s", "entryPoints": ["web"]},
            "both": {"RULE": "Host(`b.test`)", "Service": "s@file", "ENTRYPOINTS": "web, b", "middlewares": "front"},
            "behind": {"rule": "Path(`/x`)", "service": "s", "parentRefs": ["one"]},
        },
        "services": {"s": {"loadBalancer": {"servers": [{"url": "http://a"}, {"url": "http://b", "weight": 1}]}}, "odd": 7},
        "middlewares": {"front": {"headers": {}}},
    },
    "tcp": {
        "routers": {"t": {"rule": "HostSNI(`*`)", "service": "t", "entryPoints": ["web"]}},
        "services": {"t": {"loadBalancer": {"servers": [{"address": "a:1"}]}}},
    },
    "udp": {"routers": {"d": {"service": "x"}}},
}
SHAPES = Shapes(STATIC, load_registry(entry_point_plugins=False).middlewares, {})


@pytest.fixture
def index():
    tree, _ = merge({"file": DOCUMENT})
    judged = {"http.routers": {"b-both@file": Judged("disabled", ("no",)), "one@file": Judged("warning", ("hm",))}}
    return at_once(Indexing(STATIC, ["ping"]).building(tree, judged))


def names(rows):
    return [row.name for row in rows]


def test_a_router_on_an_entry_point_that_adds_something_is_two(index):
    rows = index.rows["http.routers"]

    assert list(rows) == ["b-both@file", "behind@file", "both@file", "one@file"]
    assert (rows["b-both@file"].status, rows["both@file"].status) == ("disabled", "enabled")
    assert rows["b-both@file"].middlewares == ("front@file", "front@file")
    assert rows["both@file"].using == ("web",)
    assert index.rows["http.services"]["s@file"].used_by == ["b-both@file", "behind@file", "both@file", "one@file"]


def test_priorities_are_the_length_of_the_rule_and_minus_one_for_a_tcp_catch_all(index):
    assert index.find("http.routers", "one@file").priority == 14
    assert index.find("tcp.routers", "t@file").priority == -1


def test_services_of_the_gateway_itself_are_there(index):
    shown = SHAPES.of("http.services", index.find("http.services", "ping@internal"))

    assert shown == {"status": "enabled", "name": "ping@internal", "provider": "internal"}
    assert index.find("http.services", "noop@internal") is not None


def test_counts_are_by_area_and_kind(index):
    assert index.counts["http"]["routers"] == {"total": 4, "warnings": 1, "errors": 1}
    assert index.counts["udp"] == {
        "routers": {"total": 1, "warnings": 0, "errors": 0},
        "services": {"total": 0, "warnings": 0, "errors": 0},
    }


def test_weights_are_shown_where_they_were_written(index):
    shown = SHAPES.of("http.services", index.find("http.services", "s@file"))

    assert shown["loadBalancer"]["servers"] == [{"url": "http://a"}, {"url": "http://b", "weight": 1}]


def test_what_cannot_be_understood_is_not_printed(index):
    assert SHAPES.of("http.services", index.find("http.services", "odd@file")).keys() == {"status", "name", "provider"}


@pytest.mark.parametrize(
    ("probed", "judged", "word"),
    [
        ({}, {}, "UP"),
        ({"http://a": False}, {}, "DOWN"),
        ({}, {"http://a": (1, 0)}, "UP"),
        ({}, {"http://a": (2, 0)}, "DOWN"),
        ({}, {"http://a": (0, 2)}, "DOWN"),
    ],
)
def test_a_server_is_down_if_checks_say_so_or_no_worker_uses_it(index, probed, judged, word):
    condition = Condition({"s@file": probed}, {"s@file": judged}, workers=2)
    shown = SHAPES.of("http.services", index.find("http.services", "s@file"), condition)

    assert shown["serverStatus"] == {"http://a": word, "http://b": "UP"}
    assert ("serverDetails" in shown) is bool(probed or judged)


def test_filters_combine(index):
    rows = list(index.rows["http.routers"].values())

    assert names(filtered(rows, {"search": ["B.TEST"], "status": ["Enabled"]}, "routers")) == ["both@file"]
    assert names(filtered(rows, {"serviceName": ["s"], "search": ["a.test"]}, "routers")) == ["one@file"]
    assert names(filtered(rows, {"middlewareName": ["front@file"]}, "routers")) == ["b-both@file", "both@file"]
    assert names(filtered(rows, {"middlewareName": ["front"]}, "routers")) == []


@pytest.mark.parametrize("direction", ["desc", "Down", "x"])
def test_any_direction_but_asc_is_down(index, direction):
    rows = list(index.rows["http.routers"].values())
    down = ordered(rows, {"direction": [direction]}, "routers", lambda row: row.name)

    assert names(down) == names(rows)[::-1]
    assert names(ordered(rows, {"direction": ["asc"]}, "routers", lambda row: row.name)) == names(rows)


def test_a_page_says_which_comes_next():
    assert paged([1, 2, 3], {"per_page": ["2"]}).next == 2
    assert paged([1, 2, 3], {"per_page": ["2"], "page": ["2"]}) == paged([3], {})
    assert paged([], {}).rows == []
    for query in ({"page": ["2"]}, {"page": ["0"]}, {"per_page": ["-1"]}, {"page": ["1e3"]}, {"page": ["9" * 5000]}):
        with pytest.raises(BadParameter):
            paged([1], query)


def test_an_entry_point_is_shown_with_its_defaults():
    shown = entry_point("web", STATIC.entry_points["web"])

    assert shown["transport"]["lifeCycle"] == {"graceTimeOut": "10s"}
    assert shown["forwardedHeaders"] == {}
    assert "observability" not in shown
