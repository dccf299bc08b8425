"""Services of a real swarm of one node behind a real gateway, in a network of their own.

Overlay networks are not to be reached from the node itself, so only a service on the node's own network is asked.
"""

import asyncio
import json

import pytest

from pointsman.testing import connect, eventually, gateway

from .docker_servers import IMAGE, Engine, needs_docker, own_network

pytestmark = [needs_docker, pytest.mark.real("dockerd"), pytest.mark.timeout(90)]
PORT = 18_083


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    with own_network():
        running = Engine(tmp_path_factory.mktemp("swarm") / "engine")
        try:
            yield running.start()
        finally:
            running.close()


async def begin(engine):
    await engine.load()
    pools = {"DefaultAddrPool": ["172.30.128.0/17"], "SubnetSize": 24}
    await engine.ask("POST", "/swarm/init", {"AdvertiseAddr": "127.0.0.1", "ListenAddr": "127.0.0.1:18084", **pools})
    for number, name in enumerate(("neta", "netb")):
        pool = {"Config": [{"Subnet": f"172.30.{120 + number}.0/24"}]}
        await engine.ask("POST", "/networks/create", {"Name": name, "Driver": "overlay", "IPAM": pool})


async def deploy(engine, name, *networks, mode=None, endpoint="vip", port=80, **labels):
    own = {f"traefik.{key.replace('_', '.')}": value for key, value in labels.items()}
    if port:
        own[f"traefik.http.services.{name}.loadbalancer.server.port"] = str(port)
    spec = {
        "Name": name,
        "Labels": own,
        "TaskTemplate": {
            "ContainerSpec": {"Image": IMAGE, "Env": [f"PORT={port}"]},
            "Networks": [{"Target": network} for network in networks],
        },
        "Mode": mode or {"Replicated": {"Replicas": 1}},
        "EndpointSpec": {"Mode": endpoint},
    }
    made = await engine.ask("POST", "/services/create", spec)
    return made["ID"]


async def addresses(engine, service, network):
    """Of its running tasks."""
    tasks = await engine.ask("GET", f'/tasks?filters={{"service":["{service}"],"desired-state":["running"]}}')
    attached = [each for task in tasks for each in task.get("NetworksAttachments", ())]
    return sorted(
        f"http://{each['Addresses'][0].partition('/')[0]}:80"
        for each in attached
        if each["Network"]["Spec"]["Name"] == network
    )


@pytest.mark.spec("P-54", "P-55")
async def test_services_of_a_swarm(engine):
    await begin(engine)
    twice = {"Replicated": {"Replicas": 2}}
    shop, vip, _, _ = await asyncio.gather(
        deploy(engine, "shop", "neta", "netb", mode=twice, endpoint="dnsrr", swarm_network="netb"),
        deploy(engine, "vip", "neta", mode={"Replicated": {"Replicas": 0}}, swarm_lbswarm="true"),
        deploy(engine, "node", "host", mode={"Global": {}}, endpoint="dnsrr", port=PORT),
        deploy(engine, "portless", "neta", mode=twice, port=0),
    )
    options = {"endpoint": f"unix://{engine.socket}", "refreshSeconds": "200ms"}
    dynamic = {"http": {"routers": {"api": {"rule": "Host(`api.test`)", "service": "api@internal"}}}}
    async with gateway(dynamic, {"api": {"debug": True}, "providers": {"swarm": options}}) as running:

        async def get(host, path="/"):
            async with connect(running.port()) as client:
                return await client.get(path, host)

        async def servers(service):
            found = json.loads((await get("api.test", f"/api/http/services/{service}@swarm")).body)
            return sorted(each["url"] for each in found.get("loadBalancer", {}).get("servers", ()))

        async def balanced():
            tasks = await addresses(engine, shop, "netb")
            return len(tasks) == 2 and await servers("shop") == tasks

        await eventually(balanced)

        async def answered():
            return (await get("node")).status == 200 and await servers("node") == [f"http://127.0.0.1:{PORT}"]

        await eventually(answered)
        own = await engine.ask("GET", f"/services/{vip}")
        address = own["Endpoint"]["VirtualIPs"][0]["Addr"].partition("/")[0]
        assert await servers("vip") == [f"http://{address}:80"]
        await eventually(lambda: "task portless.1: " in running.log())
        assert "port is missing" in running.log()

        await engine.ask("DELETE", f"/services/{shop}")

        async def gone():
            return (await get("shop")).status == 404

        await eventually(gone)
        assert "Traceback" not in running.log()
