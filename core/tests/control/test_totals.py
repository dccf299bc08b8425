"""What all workers have counted, as metrics."""

import pytest

from pointsman.control.reading import Reader, without_user
from pointsman.control.totals import Totals
from pointsman.measures import Distribution, Needs

ALL = Needs(routers=True, servers=True, boundaries=(0.1, 1.0))
URL = "http://10.0.0.1:80"


def tree(*routers, services=("s@file",), urls=(URL,)):
    balancer = {"loadBalancer": {"servers": [{"url": url} for url in urls]}}
    return {"http.routers": {key: {} for key in routers}, "http.services": dict.fromkeys(services, balancer)}


def a_route(router="r@file", count=1, *values, code="200"):
    return ["web", router, "s@file", code, "GET", "http", *values, count, 0.5 * count, [0, count, 0], 3, 5]


def an_attempt(service="s@file", url=URL, code="200"):
    return [service, url, code, "GET", "http", 1, 0.25, [0, 1, 0], 3, 5]


def told(reader):
    """Metrics by name, samples by their labels."""
    work = reader.reading()
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return {metric.name: dict(metric.samples) for metric in stop.value}


@pytest.fixture
def totals():
    totals = Totals([ALL], 100)
    totals.keep(tree("r@file", "q@file"))
    return totals


def test_rows_of_all_workers_add_up_in_each_family(totals):
    reader = Reader(totals, ALL)
    totals.take(0, {"routes": [a_route()], "attempts": [an_attempt()]})
    totals.take(1, {"routes": [a_route(count=2), a_route("q@file"), a_route("", code="404")]})

    found = told(reader)
    assert found["traefik_entrypoint_requests_total"] == {
        ("200", "web", "GET", "http"): 4,
        ("404", "web", "GET", "http"): 1,
    }
    assert found["traefik_router_requests_total"] == {
        ("200", "GET", "http", "r@file", "s@file"): 3,
        ("200", "GET", "http", "q@file", "s@file"): 1,
    }
    assert found["traefik_router_request_duration_seconds"]["200", "GET", "http", "r@file", "s@file"] == Distribution(
        (0.1, 1.0), (0, 3, 0), 1.5
    )
    assert found["traefik_service_responses_bytes_total"] == {("200", "GET", "http", "s@file"): 5}
    assert found["pointsman_server_requests_total"] == {("200", "s@file", URL): 1}


def test_each_reader_gets_what_it_needs():
    few, fine = Needs(services=False, boundaries=(1.0,)), Needs(entry_points=False, boundaries=(0.1,))
    totals = Totals([few, fine], 100)
    totals.keep(tree("r@file"))
    totals.take(0, {"routes": [a_route()], "attempts": [an_attempt()]})

    one, other = told(Reader(totals, few)), told(Reader(totals, fine))
    assert one["traefik_entrypoint_request_duration_seconds"]["200", "web", "GET", "http"].counts == (1, 0)
    assert not any(name.startswith("traefik_service") for name in one)
    assert other["traefik_service_request_duration_seconds"]["200", "GET", "http", "s@file"].counts == (0, 1)
    assert not any(name.startswith("traefik_entrypoint") for name in other)


def test_what_has_left_the_configuration_is_told_once_more_to_each(totals):
    one, other = Reader(totals, ALL), Reader(totals, ALL)
    totals.take(0, {"routes": [a_route(), a_route("q@file")], "attempts": [an_attempt(), an_attempt("t@file")]})
    totals.keep(tree("q@file"))

    def names(reader):
        return [labels[3] for labels in told(reader).get("traefik_router_requests_total", {})]

    assert names(one) == ["r@file", "q@file"]
    assert names(one) == ["q@file"]
    assert names(other) == ["r@file", "q@file"]
    assert names(other) == ["q@file"]
    assert set(totals.routers) == {("q@file", "s@file")}
    assert told(one)["traefik_service_requests_total"].keys() == {("200", "GET", "http", "s@file")}
    assert told(one)["traefik_entrypoint_requests_total"] == {("200", "web", "GET", "http"): 2}


def test_a_server_that_has_left_its_service_goes_too(totals):
    reader = Reader(totals, ALL)
    totals.take(0, {"attempts": [an_attempt(), an_attempt(url="http://10.0.0.2:80")]})
    told(reader)

    assert told(reader)["pointsman_server_requests_total"].keys() == {("200", "s@file", URL)}


def test_what_nobody_reads_is_forgotten_after_a_while():
    now = [1.0]
    totals = Totals([ALL], 100, clock=lambda: now[0])
    Reader(totals, ALL)
    totals.keep(tree("r@file"))
    totals.take(0, {"routes": [a_route()]})
    totals.keep(tree())
    assert totals.routers
    now[0] += 601
    totals.keep(tree())
    assert not totals.routers


def test_what_comes_of_a_new_router_before_all_workers_have_it_is_kept(totals):
    reader = Reader(totals, ALL)
    totals.expect(tree("new@file", "r@file"))
    totals.take(0, {"routes": [a_route("new@file")]})
    assert "new@file" in str(told(reader))
    totals.keep(tree("new@file"))

    assert "new@file" in str(told(reader))


def test_a_copy_of_a_router_with_an_entry_points_name_is_known(totals):
    reader = Reader(totals, ALL)
    totals.take(0, {"routes": [a_route("web-r@file")]})
    told(reader)

    assert "web-r@file" in str(told(reader))


def test_values_of_headers_are_on_requests_only_and_too_many_are_other():
    needs = Needs(services=False, header_labels={"who": "X-Tenant"})
    totals = Totals([needs], 2)
    totals.take(0, {"routes": [[*a_route("r@file", 1, tenant)[:-3], [1], 3, 5] for tenant in ("a", "b", "", "c", "d")]})

    found = told(Reader(totals, needs))
    assert {labels[-1]: value for labels, value in found["traefik_entrypoint_requests_total"].items()} == {
        "a": 1,
        "b": 1,
        "": 1,
        "_other": 2,
    }
    assert found["traefik_entrypoint_requests_bytes_total"] == {("200", "web", "GET", "http"): 15}


def test_hosts_and_ports_that_clients_make_up_are_other_when_there_are_many():
    needs = Needs(semantic=True)
    totals = Totals([needs], 2)
    for port in range(100):
        row = ["", "GET", "200", "http", "1.1", "a.example", str(port), "http", 1, 0.5, [1], 0, 0]
        totals.take(0, {"server": [row], "client": [row]})

    assert [key[5:7] for key in totals.semantic["server"]] == [("a.example", "0"), ("a.example", "1"), ("_other", "")]
    assert len(totals.semantic["client"]) == 100  # servers are configured


def test_counters_of_a_worker_that_died_stay_and_its_gauges_go(totals):
    reader = Reader(totals, ALL)
    for worker in (0, 1):
        numbers = [["pointsman_x_total", "counter", "X", {}, 2.0], ["pointsman_y", "gauge", "Y", {"entrypoint": "web"}, 3.0]]
        totals.take(worker, {"numbers": numbers})
    assert told(reader)["pointsman_y"] == {("web",): 6.0}

    totals.lost(1)
    found = told(reader)
    assert found["pointsman_x_total"] == {(): 4.0}
    assert found["pointsman_y"] == {("web",): 3.0}
    totals.take(0, {"numbers": [["pointsman_y", "gauge", "", {"entrypoint": "web"}, None]]})
    assert "pointsman_y" not in told(reader)


def test_numbers_of_a_middleware_that_is_gone_are_told_once_more(totals):
    reader = Reader(totals, ALL)
    labels = {"middleware": "m@file", "router": "r@file", "service": ""}
    totals.keep({**tree("r@file"), "http.middlewares": {"m@file": {}}})
    totals.take(0, {"numbers": [["pointsman_x_total", "counter", "X", labels, 2.0]]})
    told(reader)
    totals.keep(tree("r@file"))

    assert "pointsman_x_total" in told(reader)
    assert "pointsman_x_total" not in told(reader)


@pytest.mark.parametrize(
    "news",
    [
        {"routes": [[1]]},
        {"routes": [[*a_route()[:-3], [1], 3, 5]]},
        {"attempts": 7},
        {"numbers": [["x", "histogram", "", {}, 1]]},
        {"tls": [["route"]]},
    ],
)
def test_what_makes_no_sense_is_refused_by_an_exception_that_is_expected(totals, news):
    with pytest.raises((ValueError, TypeError, LookupError, AttributeError)):
        totals.take(0, news)


def test_a_password_in_a_servers_url_is_in_no_label():
    assert without_user("http://10.0.0.1:80/a@b") == "http://10.0.0.1:80/a@b"
    assert without_user("https://me:pa@ss@10.0.0.1/x") == "https://REDACTED@10.0.0.1/x"

    totals = Totals([ALL], 100)
    totals.keep(tree("r@file", urls=("http://me:secret@h",)))
    totals.take(0, {"attempts": [an_attempt(url="http://me:secret@h")]})
    assert "secret" not in str(told(Reader(totals, ALL)))
