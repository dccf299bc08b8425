"""Routes from a real Consul: keys, catalogue and mesh, with tokens that may read just that (providers.md §4, §5.3)."""

import asyncio
import json
import shutil
import ssl
import subprocess
import time
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress

import pytest

from pointsman.testing import FakeContext, answer, build, connect, eventually, free_port, upstream
from pointsman_consul import Consul as KeyValues
from pointsman_consul import ConsulCatalog

from .consul_servers import Consul, needs_consul

pytestmark = [needs_consul, pytest.mark.real("consul"), pytest.mark.timeout(60)]
READS_KEYS = 'key_prefix "traefik/" { policy = "read" }'
READS_CATALOGUE = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'
IN_THE_MESH = READS_CATALOGUE + ' service "traefik" { policy = "write" }'
PROMPT = 5.0
"""Seconds: far less than any time after which it would be asked again by itself."""
API = {"http": {"routers": {"api": {"rule": "PathPrefix(`/api`)", "service": "api@internal"}}}}
STORED = "http__services__{0}__loadBalancer__servers__0__url"


@pytest.fixture(scope="module")
def consul(tmp_path_factory):
    server = Consul(tmp_path_factory.mktemp("consul") / "data").start()
    server.keys = server.token("keys", READS_KEYS)
    server.catalogue = server.token("catalogue", READS_CATALOGUE)
    server.mesh = server.token("mesh", IN_THE_MESH)
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def nothing_left(consul):
    """Each test begins with no key and no service."""
    yield
    consul.delete("traefik")
    while services := consul.ask("GET", "/v1/agent/services"):
        consul.deregister(min(services, key=len))  # its proxy goes with it


def of_keys(consul, **more):
    return {"endpoints": [consul.endpoint], "token": consul.keys, **more}


def of_catalogue(consul, token="", **more):
    return {"endpoint": {"address": consul.endpoint, "token": token or consul.catalogue}, "watch": True, **more}


@asynccontextmanager
async def servers(*names):
    """Servers that say who they are, by name."""
    running = {}
    async with AsyncExitStack() as stack:
        for name in names:
            running[name] = await stack.enter_async_context(upstream(answer(200, body=name.encode())))
        yield running


async def ask(gateway, path="/", host="a.example", entry_point="web", tls=None):
    """Status and body."""
    async with connect(gateway.port(entry_point), tls=tls) as client:
        got = await client.get(path, host, connection="close")
    return got.status, got.body.decode()


async def soon(gateway, expected, path="/", host="a.example", seconds=20.0, **how):
    """Wait until it answers like this; at most so long."""
    begun = time.monotonic()

    async def answers():
        return await ask(gateway, path, host, **how) == expected

    await eventually(answers, f"{host}{path} answers {expected}")
    assert time.monotonic() - begun < seconds


def static(**providers):
    return {"providers": providers, "entryPoints": {"web": {}, "other": {}}, "api": {}}


async def api(gateway, path):
    async with connect(gateway.port()) as client:
        return json.loads((await client.get(f"/api/{path}", connection="close")).body)


NOT_FOUND = (404, "404 page not found\n")


@pytest.mark.spec("P-64", "P-68", "P-69", "P-70")
async def test_keys_become_routes_and_follow_every_change(consul, start_gateway):
    async with servers("one", "two") as running:
        gateway = await start_gateway(API, static(consul=of_keys(consul)))
        consul.put(
            http__routers__r__rule="Host(`a.example`)",
            http__routers__r__entryPoints__0="web",
            http__routers__r__entryPoints__1="other",
            http__routers__r__service="w",
            http__services__w__weighted__services__0__name="one",
            http__services__w__weighted__services__0__weight="1",
            http__services__w__weighted__services__1__name="two",
            http__services__w__weighted__services__1__weight="0",
            **{STORED.format(name): server.url for name, server in running.items()},
        )
        await soon(gateway, (200, "one"), seconds=PROMPT)
        await soon(gateway, (200, "one"), entry_point="other")

        consul.put(
            http__services__w__weighted__services__0__weight="0", http__services__w__weighted__services__1__weight="1"
        )
        await soon(gateway, (200, "two"), seconds=PROMPT)

        consul.put(http__routers__r__nope="1", http__routers__r__rule="Host(`b.example`)")

        async def refused():
            providers = {each["name"]: each for each in await api(gateway, "providers")}
            return "consul: traefik/http/routers/r/nope: " in json.dumps(providers["consul"])

        await eventually(refused)
        assert await ask(gateway) == (200, "two")
        assert await ask(gateway, host="b.example") == NOT_FOUND

        consul.delete("traefik/http/routers/r/nope")
        await soon(gateway, (200, "two"), host="b.example", seconds=PROMPT)

        consul.put(http__routers__r__tls="true")
        await soon(gateway, (200, "two"), host="b.example", seconds=PROMPT, tls=unverified())
        assert await ask(gateway, host="b.example") == NOT_FOUND

        consul.delete("traefik")
        await soon(gateway, NOT_FOUND, host="b.example", seconds=PROMPT, tls=unverified())
        assert consul.keys not in gateway.log()


def unverified():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.mark.spec("P-56", "P-57", "P-58", "P-59")
async def test_what_is_registered_gets_requests_as_long_as_it_is_well(consul, start_gateway):
    async with servers("one", "two", "new") as running:
        gateway = await start_gateway(API, static(consulCatalog=of_catalogue(consul, refreshInterval="1h")))
        consul.register("Web_App", "one", running["one"].port, "traefik.http.routers.x.rule=Host(`a.example`)")
        await soon(gateway, (200, "one"), seconds=PROMPT)
        routers = {router["name"]: router for router in await api(gateway, "http/routers")}
        assert routers["x@consulcatalog"]["service"] == "Web-App"
        services = {service["name"]: service for service in await api(gateway, "http/services")}
        assert services["Web-App@consulcatalog"]["loadBalancer"]["servers"][0]["url"] == running["one"].url
        assert "consul@consulcatalog" not in services

        consul.register("Web_App", "one", running["one"].port, "traefik.http.routers.x.rule=Host(`b.example`)")
        await soon(gateway, (200, "one"), host="b.example", seconds=PROMPT)
        assert await ask(gateway) == NOT_FOUND

        check = {"CheckID": "two", "TTL": "1h", "Status": "passing"}
        consul.register("Web_App", "two", running["two"].port, "traefik.http.routers.x.rule=Host(`b.example`)", Check=check)
        await only(gateway, {"one", "two"})
        consul.ask("PUT", "/v1/agent/check/fail/two")
        await only(gateway, {"one"})
        consul.ask("PUT", "/v1/agent/check/warn/two")
        await only(gateway, {"one", "two"})
        consul.ask("PUT", "/v1/agent/service/maintenance/two?enable=true&reason=x")
        await only(gateway, {"one"})

        tags = ("traefik.consulcatalog.canary=true", "v2", "traefik.http.routers.c.rule=Host(`canary.example`)")
        consul.register("Web_App", "new", running["new"].port, *tags)
        await soon(gateway, (200, "new"), host="canary.example", seconds=PROMPT)
        await only(gateway, {"one"})
        names = {service["name"] for service in await api(gateway, "http/services")}
        assert any(name.startswith("Web-App-") and name.endswith("@consulcatalog") for name in names)

        consul.deregister("one")
        await soon(gateway, NOT_FOUND, host="b.example", seconds=PROMPT)
        assert (await ask(gateway, host="canary.example"))[1] == "new"
        assert consul.catalogue not in gateway.log()


async def only(gateway, names, host="b.example"):
    """Wait until requests reach these servers and no others."""

    async def reached():
        return {(await ask(gateway, host=host))[1] for _ in range(6)} == names

    await eventually(reached, f"{names} answer")


class Provider:
    """One without a gateway: what it publishes, and how it ends."""

    def __init__(self, kind, options):
        self.published = []
        provider = build(kind, options, FakeContext("consul"))
        self.task = asyncio.create_task(provider.provide(lambda document, problems: self.published.append(document)))

    @property
    def services(self):
        return self.published and list(self.published[-1]["http"]["services"])

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        self.task.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await self.task


@pytest.mark.spec("P-57")
async def test_without_watch_it_is_asked_again_and_any_state_will_do_if_that_is_wanted(consul):
    options = of_catalogue(consul, watch=False, refreshInterval="100ms")
    failing = {"CheckID": "one", "TTL": "1h", "Status": "critical"}
    consul.register("web", "one", 80, Check=failing)
    async with (
        Provider(ConsulCatalog, {**options, "strictChecks": ["any"]}) as all_of_them,
        Provider(ConsulCatalog, options) as the_good,
    ):
        await eventually(lambda: all_of_them.services == ["web"] and the_good.services == [])
        consul.deregister("one")
        await eventually(lambda: all_of_them.services == [])


async def test_a_token_that_consul_does_not_know_is_told_without_it(consul):
    unknown = "99999999-2222-3333-4444-555555555555"
    for kind, options in (
        (KeyValues, of_keys(consul, token=unknown)),
        (ConsulCatalog, of_catalogue(consul, unknown)),
    ):
        async with Provider(kind, options) as provider:
            with pytest.raises(OSError, match="answers 403: ACL not found") as error:
                await provider.task
            assert unknown not in str(error.value)
            assert provider.published == []


async def test_routes_stay_while_consul_is_away_and_follow_it_again(consul, start_gateway):
    async with servers("stored", "listed", "later") as running:
        consul.put(
            http__routers__r__rule="Host(`stored.example`)",
            http__routers__r__service="s",
            **{STORED.format("s"): running["stored"].url},
        )
        consul.register("listed", "l", running["listed"].port, "traefik.http.routers.l.rule=Host(`listed.example`)")
        both = {"consul": of_keys(consul), "consulCatalog": of_catalogue(consul)}
        consul.kill()
        gateway = await start_gateway(API, static(**both))
        assert await ask(gateway, host="stored.example") == NOT_FOUND
        consul.start()
        await soon(gateway, (200, "stored"), host="stored.example")
        await soon(gateway, (200, "listed"), host="listed.example")

        asked, gone = 0, []

        async def keep_asking():
            nonlocal asked
            while True:
                for name in ("stored", "listed"):
                    got = await ask(gateway, host=f"{name}.example")
                    asked += 1
                    if got != (200, name):
                        gone.append(got)
                await asyncio.sleep(0.02)

        watching = asyncio.create_task(keep_asking())
        consul.kill()

        async def noticed():
            states = {each["name"]: each for each in await api(gateway, "providers")}
            return all(states[name]["lastError"] for name in ("consul", "consulcatalog"))

        await eventually(noticed)
        await asyncio.to_thread(consul.start)
        consul.put(http__routers__n__rule="Host(`new.example`)", http__routers__n__service="s")
        consul.register("later", "n", running["later"].port, "traefik.http.routers.n.rule=Host(`later.example`)")
        await soon(gateway, (200, "stored"), host="new.example")
        await soon(gateway, (200, "later"), host="later.example")
        consul.put(http__routers__n__rule="Host(`newer.example`)")
        await soon(gateway, (200, "stored"), host="newer.example", seconds=PROMPT)
        watching.cancel()
        assert asked > 20
        assert gone == []
        assert "Traceback" not in gateway.log()


@pytest.mark.skipif(not shutil.which("nghttpd"), reason="nghttpd is not installed: apt-get install nghttp2-server")
async def test_in_the_mesh_both_sides_are_who_they_say(consul, start_gateway, tmp_path):
    """A service behind Consul's own proxy, which says that it speaks HTTP/2; one that speaks for itself; and an impostor."""
    behind, port = free_port(), free_port()
    (tmp_path / "index.html").write_text("proxied")
    proxied = {"SidecarService": {"Port": port, "Checks": [{"TTL": "1h", "Status": "passing"}]}}
    consul.register("proxied", "proxied", behind, *in_the_mesh("proxied"), Connect=proxied)
    intention = {"SourceName": "traefik", "DestinationName": "proxied", "Action": "allow"}
    consul.ask("POST", "/v1/connect/intentions", intention)
    async with upstream(answer(200, body=b"shop"), tls=meshed(consul, "shop", tmp_path)) as shop:
        raw = ("tcp.routers.raw.rule=HostSNI(`*`)", "tcp.routers.raw.entryPoints=other")
        raw += ("http.routers.shop.entryPoints=web", f"tcp.services.raw.loadBalancer.server.port={shop.port}")
        tags = *in_the_mesh("shop"), *(f"traefik.{tag}" for tag in raw)
        consul.register("shop", "shop", shop.port, *tags, Connect={"Native": True})
        consul.register("plain", "plain", shop.port)
        with consul.proxy("proxied"), running("nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", tmp_path, behind):
            gateway = await start_gateway(API, static(consulCatalog=of_catalogue(consul, consul.mesh, connectAware=True)))
            await soon(gateway, (200, "shop"), host="shop.example")
            await soon(gateway, (200, "proxied"), host="proxied.example")
            await soon(gateway, (200, "shop"), host="tcp.example", entry_point="other")
        services = {
            service["name"]: service["loadBalancer"]
            for service in await api(gateway, "http/services")
            if "loadBalancer" in service
        }
        assert services["proxied@consulcatalog"]["servers"] == [{"url": f"https://127.0.0.1:{port}"}]
        assert services["proxied@consulcatalog"]["serversTransport"] == "tls-default-dc1-proxied@consulcatalog"
        assert services["plain@consulcatalog"]["servers"] == [{"url": f"http://127.0.0.1:{shop.port}"}]
        assert "serversTransport" not in services["plain@consulcatalog"]

        async with upstream(answer(200, body=b"bank"), tls=meshed(consul, "bank", tmp_path)) as bank:
            consul.register("shop", "shop", bank.port, *in_the_mesh("shop"), Connect={"Native": True})
            await soon(gateway, (502, "Bad Gateway"), host="shop.example")
            assert bank.requests == []
        assert "PRIVATE KEY" not in json.dumps(await api(gateway, "rawdata")) + gateway.log()


def in_the_mesh(name):
    return "traefik.consulcatalog.connect=true", f"traefik.http.routers.{name}.rule=Host(`{name}.example`)"


def meshed(consul, name, folder):
    """A server's side of TLS in the mesh: its own certificate, and the demand for one of the mesh."""
    leaf = consul.ask("GET", f"/v1/agent/connect/ca/leaf/{name}")
    roots = consul.ask("GET", "/v1/agent/connect/ca/roots")["Roots"]
    (folder / name).write_text(leaf["CertPEM"] + leaf["PrivateKeyPEM"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / name)
    context.load_verify_locations(cadata="".join(root["RootCert"] for root in roots))
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@contextmanager
def running(*command):
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()
