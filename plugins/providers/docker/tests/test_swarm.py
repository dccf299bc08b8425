"""Services and tasks as recorded from a swarm of Docker 20.10."""

import pytest
from aiohttp import web

from pointsman.testing import eventually
from pointsman_docker import Swarm

NETWORKS = [
    {"Name": "web", "Id": "n1", "Scope": "swarm", "Driver": "overlay", "Ingress": False},
    {"Name": "ingress", "Id": "n0", "Scope": "swarm", "Driver": "overlay", "Ingress": True},
    {"Name": "jobs", "Id": "n2", "Scope": "swarm", "Driver": "overlay", "Ingress": False},
]
NODES = [
    {"ID": "node1", "Status": {"State": "ready", "Addr": "192.0.2.7"}},
    {"ID": "node2", "Status": {"State": "ready", "Addr": "0.0.0.0"}, "ManagerStatus": {"Addr": "[2001:db8::8]:2377"}},
]
PORT = {"traefik.http.services.shop.loadbalancer.server.port": "8080"}


def service(labels=None, name="shop", mode="vip", spread="Replicated"):
    return {
        "ID": f"s-{name}",
        "Spec": {
            "Name": name,
            "Labels": PORT if labels is None else labels,
            "Mode": {spread: {}},
            "EndpointSpec": {"Mode": mode},
        },
        "Endpoint": {"VirtualIPs": [{"NetworkID": "n0", "Addr": "10.0.0.9/24"}, {"NetworkID": "n1", "Addr": "10.0.1.9/24"}]},
    }


def task(slot=1, state="running", name="shop", networks=None, node="node1"):
    addresses = {"n0": f"10.0.0.{slot}/24", "n1": f"10.0.1.{slot}/24", "n2": f"10.0.2.{slot}/24"}
    attached = [{"Network": {"ID": key, "Spec": {"Name": "x"}}, "Addresses": [value]} for key, value in addresses.items()]
    return {
        "ID": f"t{slot}",
        "ServiceID": f"s-{name}",
        "Slot": slot,
        "NodeID": node,
        "Status": {"State": state},
        "NetworksAttachments": attached if networks is None else networks,
    }


ON_HOST = [{"Network": {"ID": "h", "Spec": {"Name": "host"}, "DriverState": {"Name": "host"}}}]


@pytest.fixture
def swarm(docker, engine):
    """A swarm provider before these services and tasks: `swarm([service()], [task()])`."""

    def providing(services, tasks, **options):
        for path, answer in (("services", services), ("tasks", tasks), ("networks", NETWORKS), ("nodes", NODES)):
            engine.answers[f"/{path}"] = lambda request, answer=answer: said(answer)
        return docker.providing(Swarm, engine.socket, **options)

    return providing


@pytest.mark.spec("P-54")
async def test_each_task_that_runs_is_a_server(swarm, engine):
    tasks = [task(2), task(1), task(3, "starting"), task(4, "failed"), task(5, name="other")]
    async with swarm([service()], tasks) as published:
        assert published.servers("shop") == ["http://10.0.2.1:8080", "http://10.0.2.2:8080"], "ingress comes last"
        assert published.rule("shop") == "Host(`shop`)"
        assert published.said() == ""
        assert not any("/nodes" in each for each in engine.asked)


@pytest.mark.parametrize("labels", [{"traefik.swarm.network": "web"}, {}])
async def test_the_named_network_by_label_or_option(swarm, labels):
    async with swarm([service({**PORT, **labels})], [task()], network="ingress" if labels else "web") as published:
        assert published.servers("shop") == ["http://10.0.1.1:8080"]


@pytest.mark.spec("P-54")
async def test_with_lbswarm_the_virtual_address_is_the_only_server(swarm):
    labels = {**PORT, "traefik.swarm.lbswarm": "true"}
    async with swarm([service(labels)], [task(1), task(2)]) as published:
        assert published.servers("shop") == ["http://10.0.1.9:8080"]
    async with swarm([service(labels, mode="dnsrr")], [task(1), task(2)]) as published:
        assert len(published.servers("shop")) == 2
        assert "its endpoint mode is dnsrr" in published.said()


@pytest.mark.spec("P-55")
async def test_the_port_is_asked_for(swarm):
    async with swarm([service({})], [task()]) as published:
        assert published.servers("shop") is None
        assert "task shop.1: " in published.said()
        assert "port is missing" in published.said()


async def test_tasks_on_the_network_of_their_node(swarm):
    tasks = [task(1, networks=ON_HOST), task(2, networks=ON_HOST, node="node2"), task(3, networks=ON_HOST, node="lost")]
    async with swarm([service(spread="Global")], tasks) as published:
        assert published.servers("shop") == ["http://192.0.2.7:8080", "http://[2001:db8::8]:8080"]
        assert "task shop.t3: " in published.said()
        assert "nobody knows the address of its node" in published.said()


async def test_labels_of_docker_are_deprecated_and_not_mixed_with_those_of_swarm(swarm):
    old = {**PORT, "traefik.docker.network": "web"}
    async with swarm([service(old), service({**old, "traefik.swarm.network": "web"}, "both")], [task()]) as published:
        assert published.servers("shop") == ["http://10.0.1.1:8080"]
        first, second = sorted(map(str, published.problems))
        assert first.startswith("service both: has labels traefik.docker.* and traefik.swarm.*")
        assert second.startswith("service shop: labels traefik.docker.* of services are deprecated")


async def test_unknown_labels_are_named(swarm):
    async with swarm([service({**PORT, "traefik.swarm.nework": "web"}), service({}, "")], [task()]) as published:
        assert published.servers("shop") is None
        assert "nework" in published.said()
        assert "a service has no id or no name" in published.said()


async def test_services_without_tasks_are_kept_if_asked(swarm):
    async with swarm([service()], []) as published:
        assert published.servers("shop") is None
    async with swarm([service()], [], allowEmptyServices=True) as published:
        assert published.servers("shop") == []


async def test_who_is_exposed(swarm):
    hidden, other = service({"traefik.enable": "false"}, "hidden"), service({"tier": "back"}, "other")
    async with swarm([service(), hidden, other], [task()], constraints="!Label(`tier`, `back`)") as published:
        assert list(published.documents[-1]["http"]["services"]) == ["shop"]


async def test_it_looks_again_and_again(swarm, engine):
    tasks = [task(1)]
    async with swarm([service()], tasks, refreshSeconds="50ms") as published:
        tasks.append(task(2))
        await eventually(lambda: len(published.servers("shop")) == 2)


async def test_sighup_has_it_look_again_and_watch_false_does_not(swarm):
    tasks = [task(1)]
    async with swarm([service()], tasks) as published:
        tasks.append(task(2))
        published.provider.refresh()
        await eventually(lambda: len(published.servers("shop")) == 2)
    async with swarm([service()], tasks, watch=False) as published:
        assert await published.failed() == "None"


async def test_an_engine_that_is_no_manager_says_so(docker, engine):
    refusal = {"message": "This node is not a swarm manager. Use docker swarm init"}
    engine.answers["/services"] = web.json_response(refusal, status=503)
    async with docker.providing(Swarm, engine.socket) as published:
        said = await published.failed()
        assert said.endswith("/services was answered 503: This node is not a swarm manager. Use docker swarm init")


@pytest.mark.parametrize("odd", [[], {}, None, "x", [1, None, {}, {"Spec": []}]])
async def test_odd_answers_are_no_harm(swarm, odd, engine):
    async with swarm([service()], odd) as published:
        assert published.documents
    async with swarm(odd, [task(networks=ON_HOST)]) as published:
        assert published.documents or "is no list" in await published.failed()
    async with swarm([service()], [task(networks=ON_HOST)]) as published:
        engine.answers |= dict.fromkeys(("/networks", "/nodes"), lambda request: said(odd))
        before = len(published.documents)
        published.provider.refresh()
        await eventually(lambda: len(published.documents) > before)


async def said(answer):
    return web.json_response(answer)
