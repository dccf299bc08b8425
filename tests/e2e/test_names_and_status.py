"""A mistake closes what it touches, says so, and leaves the rest alone (routing.md section 2, 4.4)."""

import asyncio
import subprocess

import pytest
import pytest_asyncio

from pointsman.testing import eventually
from pointsman.testing.gateways import COMMAND

from .stage import balancer, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULES = {
    "good": "Host(`good.test`)",
    "single": "Host('single.test')",
    "odd": "pathPrefix(`/odd`)",
    "no-service": {"rule": "Host(`no-service.test`)", "service": "nope"},
    "no-middleware": {"rule": "Host(`no-middleware.test`)", "middlewares": ["nope"]},
    "some-points": {"rule": "Host(`some-points.test`)", "entryPoints": ["nope", "web"]},
    "no-points": {"rule": "Host(`no-points.test`)", "entryPoints": ["nope"]},
    "high": {"rule": "Host(`high.test`)", "priority": 9223372036854775800},
    "just-high": {"rule": "Host(`just-high.test`)", "priority": 9223372036854774807},
    "low": {"rule": "Host(`low.test`)", "priority": -5},
    "bare": {"rule": "Host(`bare.test`)", "service": ""},
    "two-types": {"rule": "Host(`two-types.test`)", "service": "two-types"},
    "recursive": {"rule": "Host(`recursive.test`)", "service": "rec1"},
    "full": {"rule": "Host(`full.test`)", "service": "a@file"},
    "elsewhere": {"rule": "Host(`elsewhere.test`)", "service": "a@docker"},
    "noop": {"rule": "Host(`noop.test`)", "service": "noop@internal"},
    "ping": {"rule": "Host(`ping.test`)", "service": "ping@internal"},
    "prometheus": {"rule": "Host(`prometheus.test`)", "service": "prometheus@internal"},
    "unknown-internal": {"rule": "Host(`unknown-internal.test`)", "service": "nope@internal"},
    "tls-true": {"rule": "Host(`tls-true.test`)", "tls": True},
    "tls-false": {"rule": "Host(`tls-false.test`)", "tls": False},
    "parent": {"rule": "Host(`parent.test`)", "service": ""},
    "child": {"rule": "PathPrefix(`/`)", "parentRefs": ["parent"]},
    "tls-child": {"rule": "Path(`/tls`)", "parentRefs": ["parent"], "tls": {}},
    "point-child": {"rule": "Path(`/point`)", "parentRefs": ["parent"], "entryPoints": ["web"]},
}


AT = {"two-types": "http.services.two-types@file", "recursive": "http.services.rec1@file"}
"""What is wrong with these stands at their service."""


def dynamic(urls):
    document = routed(
        RULES,
        urls,
        rec1={"weighted": {"services": [{"name": "rec2"}]}},
        rec2={"weighted": {"services": [{"name": "rec1"}]}},
        **{"two-types": {**balancer(urls["a"]), "weighted": {"services": [{"name": "a"}]}}},
    )
    for router in document["http"]["routers"].values():
        if not router["service"]:
            del router["service"]
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(dynamic, {"ping": {}}) as stage:
        yield stage


@pytest.fixture(scope="module")
def verdict(stage):
    """What `pointsman check` says of the configuration that the gateway runs with."""
    checked = subprocess.run(
        [*COMMAND, "check", str(stage.gateway.folder / "static.yml")], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 1
    return checked.stderr.splitlines()


@pytest.mark.parametrize(
    ("router", "message"),
    [
        pytest.param("single", "unsupported function argument type", marks=pytest.mark.spec("R-23")),
        pytest.param("odd", "unsupported function", marks=pytest.mark.spec("R-24")),
        pytest.param("no-service", 'the service "nope@file" does not exist', marks=pytest.mark.spec("R-26")),
        pytest.param("no-middleware", 'middleware "nope@file" does not exist', marks=pytest.mark.spec("R-27")),
        pytest.param("no-points", "no valid entryPoint for this router", marks=pytest.mark.spec("R-28")),
        pytest.param("high", "exceeds the max user-defined priority", marks=pytest.mark.spec("R-29", "O-84")),
        pytest.param("bare", "router has no service and no child routers", marks=pytest.mark.spec("R-30")),
        pytest.param("two-types", "multi-types", marks=pytest.mark.spec("R-31")),
        pytest.param("recursive", "recursion detected in service:rec1@file->", marks=pytest.mark.spec("R-32")),
        pytest.param("elsewhere", 'the service "a@docker" does not exist', marks=pytest.mark.spec("R-33")),
        pytest.param("prometheus", "prometheus is not enabled", marks=pytest.mark.spec("R-34")),
        pytest.param("unknown-internal", "unknown internal service"),
    ],
)
async def test_a_router_with_a_mistake_is_closed_and_check_says_why(stage, verdict, router, message):
    answer = await stage.get("/odd" if router == "odd" else "/", f"{router}.test")

    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert [line for line in verdict if line.startswith("error:") and message in line and AT.get(router, router) in line]


@pytest.mark.spec("R-81")
@pytest.mark.parametrize("child", ["tls-child", "point-child"])
async def test_a_child_may_not_choose_its_door(stage, verdict, child):
    assert [line for line in verdict if f"routers.{child}@file" in line and "non-root router cannot have" in line]
    assert (await stage.get(f"/{child.partition('-')[0]}", "parent.test")).body == b"a"


@pytest.mark.spec("R-28")
async def test_a_router_with_one_unknown_entry_point_is_served_on_the_others_with_a_warning(stage, verdict):
    assert (await stage.get("/", "some-points.test")).status == 200
    assert [
        line
        for line in verdict
        if line.startswith("warning:") and "routers.some-points@file" in line and 'entryPoint "nope" doesn\'t exist' in line
    ]


@pytest.mark.parametrize(
    ("host", "status", "body"),
    [
        pytest.param("good.test", 200, b"a", marks=pytest.mark.spec("R-26", "R-27")),
        pytest.param("just-high.test", 200, b"a", marks=pytest.mark.spec("R-29")),
        pytest.param("low.test", 200, b"a", marks=pytest.mark.spec("R-29")),
        pytest.param("full.test", 200, b"a", marks=pytest.mark.spec("R-33")),
        pytest.param("noop.test", 418, b"", marks=pytest.mark.spec("R-34")),
        pytest.param("ping.test", 200, b"OK", marks=pytest.mark.spec("R-34")),
        pytest.param("tls-false.test", 200, b"a", marks=pytest.mark.spec("R-37")),
    ],
)
async def test_a_router_without_one_is_served_beside_them(stage, verdict, host, status, body):
    answer = await stage.get("/", host)

    assert (answer.status, answer.body) == (status, body)
    assert not [line for line in verdict if f"routers.{host.removesuffix('.test')}@file" in line]


@pytest.mark.spec("R-37")
async def test_a_router_for_tls_is_not_reached_in_plain(stage, verdict):
    answer = await stage.get("/", "tls-true.test")
    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert not [line for line in verdict if "routers.tls-true@file" in line]


async def test_the_log_says_what_check_says(stage, verdict):
    for line in verdict:
        kind, _, problem = line.partition(": ")
        if kind == "error":
            await eventually(lambda problem=problem: problem in stage.gateway.log(), problem)


@pytest.mark.spec("R-36")
async def test_a_bare_number_is_seconds(tmp_path):
    file = tmp_path / "dynamic.yml"
    file.write_text("http: {services: {a: {loadBalancer: {servers: [], responseForwarding: {flushInterval: 5}}}}}")
    command = [*COMMAND, "check", "--print", str(file)]

    shown = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)

    assert "flushInterval: 5s" in shown.stdout
