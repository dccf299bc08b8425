"""What labels and keys say, with the real Traefik as the judge.

Traefik reads labels from a Docker engine that is none, and keys from a Consul that is none; what Pointsman makes of them
goes to the same Traefik as a file. Its API must show the same elements twice, once for each provider. What Pointsman
refuses, Traefik must, too.
"""

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import pytest

from pointsman.config.labels import from_keys, from_labels
from pointsman.errors import ConfigError
from pointsman.plugins import load_registry
from pointsman.testing import Gateway, Message, Step, Upstream, answer, connect, eventually, gateway, upstream

from .harness import ORACLE, STATIC, TRAEFIK

pytestmark = ORACLE

R, S, M = "traefik.http.routers.NAME.", "traefik.http.services.NAME.loadbalancer.", "traefik.http.middlewares.NAME."
T = "traefik.tcp.services.NAME.loadbalancer."
LABELS: tuple[dict[str, str], ...] = (
    {R + "rule": " Host(`a`) ", R + "entrypoints": "web, other", R + "priority": "+5"},
    {"traefik.HTTP.Routers.NAME.EntryPoints": "web", R + "MIDDLEWARES": "a@file,b", R + "observability.tracing": "f"},
    {"traefik.http.routers.NAME": "true"},
    {R + "Rule": "upper", R + "rule": "lower"},
    {R + "tls": ""},
    {R + "tls": "FALSE", R + "tls.certresolver": "x"},
    {R + "tls.domains[0].main": "a", R + "tls.domains[0].sans": "b,c", R + "tls.domains[1].main": "d"},
    {R + "tls.domains.0.main": "a"},
    {R + "tls.domains": "a"},
    {R + "tls.domains[0]": "a"},
    {R + "parentrefs": "x"},
    {M + "headers.customrequestheaders.X-A": "a", M + "headers.customrequestheaders.x-a": "b"},
    {M + "headers.customrequestheaders.X.Y.Z": "a", M + "headers.stsseconds": "5", M + "headers.framedeny": "1"},
    {M + "compress": "True"},
    {M + "compress": "no"},
    {M + "compress.minresponsebodybytes": "10"},
    {M + "contenttype": "true"},
    {M + "ipallowlist.ipstrategy": "true", M + "ipallowlist.sourcerange": "10.0.0.0/8"},
    {M + "compress": "true", M + "retry.attempts": "1", M + "retry.initialinterval": "100"},
    {M + "plugin.foo": "true"},
    {M + "plugin.foo.List[0].x": "y", M + "plugin.foo.List[1].z": "z", M + "plugin.foo.S.2": "v"},
    {M + "plugin.foo.List[0]": "a", M + "plugin.foo.List[1]": "b"},
    {M + "ratelimit.average": "5", M + "ratelimit.period": "1m30s", M + "ratelimit.sourcecriterion.ipstrategy.depth": "2"},
    {M + "errors.status": "500-599", M + "errors.service": "s", M + "errors.statusrewrites.418": "404"},
    {S + "server.port": "8080", S + "server.weight": "3", S + "passhostheader": "F"},
    {S + "server.url": "http://10.9.9.9:81", S + "strategy": "p2c"},
    {S + "server.scheme": "h2c", S + "server.preservepath": "t", S + "server.fenced": "true"},
    {S + "sticky": "true", S + "healthcheck": "false", S + "healthcheck.path": "/h", S + "healthcheck.interval": "7"},
    {S + "sticky.cookie": "true", S + "sticky.cookie.name": "c", S + "sticky.cookie.maxage": "9"},
    {S + "sticky.cookie": "no", S + "sticky.cookie.name": "c"},
    {S + "responseforwarding.flushinterval": "1s", S + "serverstransport": "t@file"},
    {T + "proxyprotocol": "true", T + "server.tls": "t"},
    {T + "healthcheck": "true", T + "server.address": "x"},
    {"traefik.tcp.routers.NAME.tls": "true", "traefik.tcp.routers.NAME.rule": "HostSNI(`*`)"},
    {"traefik.udp.services.NAME.loadbalancer.server.port": "53"},
    {"traefik.udp.routers.NAME.entrypoints": "dns"},
    {"traefik.tcp.middlewares.NAME.inflightconn.amount": "3"},
    {"traefik.docker": "true", "traefik.nope.x": "true", "traefik.port": "1", R + "rule": "x"},
)  # fmt: skip
REFUSED: tuple[dict[str, str], ...] = tuple(
    {label: value}
    for label, value in (
        (R + "nope", "x"),
        (R + "priority", ""),
        (R + "priority", " 5"),
        (R + "priority", "0x10"),
        (R + "rule.x", "a"),
        (R + "observability", "true"),
        ("traefik.http.routers.[0].rule", "x"),
        ("traefik.http.routers.NAME[0].rule", "x"),
        ("traefik.http.routers..rule", "x"),
        ("traefik.http", "x"),
        ("TRAEFIK.http.routers.NAME.rule", "x"),
        ("traefik.enabled", "true"),
        ("traefik.enable.x", "true"),
        (S + "healthcheck", "true"),
        (S + "passivehealthcheck", "true"),
        (S + "server", "true"),
        (S + "server[0].port", "80"),
        (S + "servers[0].url", "http://x"),
        (S + "passhostheader", "yes"),
        (S + "passhostheader", " true"),
        (S + "healthcheck.interval", ""),
        (S + "healthcheck.interval", " 5s"),
        ("traefik.http.services.NAME.loadbalancer", "true"),
        (M + "headers.customrequestheaders", "a"),
        (M + "plugin", "true"),
        (M + "basicauth", "true"),
        (M + "errors", "true"),
        (M + "retry", "true"),
        (M + "passtlsclientcert.info", "true"),
        (M + "ratelimit.average.x", "1"),
        *(
            (M + block, "true")
            for block in (
                "buffering", "encodedcharacters", "forwardauth.tls", "grpcweb", "inflightreq.sourcecriterion",
                "inflightreq.sourcecriterion.ipstrategy", "ratelimit.redis", "ratelimit.redis.tls",
                "ratelimit.sourcecriterion", "ratelimit.sourcecriterion.ipstrategy",
            )
        ),
    )
)  # fmt: skip
KEYS: tuple[dict[str, str], ...] = (
    {"http/routers/NAME/rule": "x", "http/routers/NAME/entrypoints/0": "web", "http/routers/NAME/entrypoints/1": "b"},
    {"http/routers/NAME/entrypoints": "web", "http/routers/NAME/entrypoints/0": "b"},
    {"http/routers/NAME/entrypoints/0": "a, b", "http/routers/NAME/entrypoints/1": "c"},
    {"http/routers/NAME/tls/domains/0/main": "m", "http/routers/NAME/tls/domains/0/sans/0": "a"},
    {"http/routers/NAME/tls/domains": "a"},
    {"http/routers/NAME/tls/domains/0": "a", "http/routers/NAME/tls/domains/1/main": "b"},
    {"http/routers/NAME/tls/domains/00/main": "a", "http/routers/NAME/tls/domains/0/main": "b"},
    {"http/routers/NAME": "true"},
    {"http/routers/NAME/tls": "0", "http/routers/NAME/tls/certresolver": "a"},
    {"http/routers/NAME/parentrefs/0": "x", "HTTP/Routers/NAME/Rule/": "x"},
    {"http/routers/NAME/rule": "A", "http/routers/NAME/Rule": "B", "http/routers/a.b-NAME/rule": "c"},
    {"http/middlewares/NAME/headers/customrequestheaders/X/Y": "a"},
    {"http/middlewares/NAME/headers/customrequestheaders/X.Y": "a", "http/middlewares/NAME/compress": "true"},
    {"http/middlewares/NAME/headers/accesscontrolallowheaders/0": "a", "http/middlewares/NAME/contenttype": "true"},
    {"http/middlewares/NAME/plugin/foo": "true"},
    {"http/middlewares/NAME/plugin/foo/Sub/Key": "w"},
    {"http/middlewares/NAME/ipallowlist/ipstrategy": "true"},
    {"http/services/NAME/loadbalancer/servers/0/url": "http://a", "http/services/NAME/loadbalancer/servers/1/url": "http://b"},
    {"http/services/NAME/loadbalancer/sticky": "true", "http/services/NAME/loadbalancer/servers": "x"},
    {"http/services/NAME/weighted/services/0/name": "s", "http/services/NAME/weighted/services/0/weight": "3"}
    | {"http/services/NAME/weighted/healthcheck": "true"},
    {"http/services/NAME/mirroring/service": "x", "http/services/NAME/mirroring/mirrors/0/name": "y"}
    | {"http/services/NAME/mirroring/healthcheck": "true"},
    {"tcp/services/NAME/loadbalancer/proxyprotocol": "true", "tcp/services/NAME/loadbalancer/servers/0/address": "a:1"},
    {"tcp/services/NAME/loadbalancer/healthcheck": "true"},
    {"tcp/routers/NAME/tls": "true", "tcp/routers/NAME/rule": "HostSNI(`*`)"},
    {"udp/services/NAME/weighted/services/0/name": "s"},
    {"tick": "1"},
)  # fmt: skip
REFUSED_KEYS = (
    {"http/routers/NAME/nope": "x"},
    {"http/routers": "true"},
    {"http/services/NAME/loadbalancer/server/url": "http://x"},
)


def engine(containers: Mapping[str, Mapping[str, str]]) -> Any:
    """What a Docker engine would answer, were these its containers."""

    def answered(request: Message) -> list[Step]:
        path = request.start.split(b" ")[1].decode()
        if "/events" in path:
            return [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n", 60.0]
        if "/containers/json" in path:
            said: Any = [{"Id": name, "Names": [f"/{name}"]} for name in containers]
        elif "/containers/" in path:
            name = path.split("/containers/")[1].split("/")[0]
            said = {
                "Id": name,
                "Name": f"/{name}",
                "State": {"Running": True, "Status": "running"},
                "HostConfig": {"NetworkMode": "bridge"},
                "Config": {"Labels": containers[name], "ExposedPorts": {"80/tcp": {}}},
                "NetworkSettings": {"Ports": {"80/tcp": None}, "Networks": {"bridge": {"IPAddress": "10.0.0.1"}}},
            }
        else:
            said = {"Version": "27.0", "ApiVersion": "1.47", "MinAPIVersion": "1.24"}
        return answer(200, {"Content-Type": "application/json", "API-Version": "1.47"}, json.dumps(said).encode())

    return answered


def store(keys: Mapping[str, str]) -> Any:
    """What a Consul would answer, were these the keys below `root`."""
    pairs = [
        {"Key": f"root/{key}", "Value": b64encode(value.encode()).decode(), "Flags": 0, "CreateIndex": 1, "ModifyIndex": 1}
        for key, value in keys.items()
    ]
    found = answer(200, {"Content-Type": "application/json", "X-Consul-Index": "1"}, json.dumps(pairs).encode())
    return lambda request: [60.0] if b"index=" in request.start else found


def providing(consul: Upstream) -> dict[str, Any]:
    return {"providers": {"consul": {"endpoints": [f"127.0.0.1:{consul.port}"], "rootKey": "root"}}}


def named(said: Mapping[str, str], number: int) -> dict[str, str]:
    return {name.replace("NAME", f"n{number}"): value for name, value in said.items()}


def completed(document: dict[str, Any], name: str) -> dict[str, Any]:
    """With what the container itself adds: the address of its server, a rule and a service for a router without."""
    for area in ("http", "tcp", "udp"):
        for service in document.get(area, {}).get("services", {}).values():
            server = service["loadBalancer"].pop("server", {})
            scheme, port = server.pop("scheme", "http"), server.pop("port", "80")
            address = {"url": f"{scheme}://10.0.0.1:{port}"} if area == "http" else {"address": f"10.0.0.1:{port}"}
            service["loadBalancer"]["servers"] = [{**address, **server}]
    for area in ("http", "tcp", "udp"):
        for router in document.get(area, {}).get("routers", {}).values():
            router.setdefault("service", f"{name}@docker")
            if area == "http":
                router.setdefault("rule", f"Host(`{name}`)")
    return document


def merged(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """One document of many whose names differ."""
    whole: dict[str, Any] = {}
    for document in documents:
        for area, sections in document.items():
            for section, elements in sections.items():
                whole.setdefault(area, {}).setdefault(section, {}).update(elements)
    return whole


async def shown(running: Gateway) -> dict[str, dict[str, Any]]:
    """What the API shows of every element but how it fares, by section and name."""
    async with connect(running.port("traefik")) as client:
        raw = json.loads((await client.get("/api/rawdata", "127.0.0.1")).body)
    fares = ("using", "usedBy", "status", "serverStatus", "error")
    return {
        section: {name: {key: value for key, value in each.items() if key not in fares} for name, each in elements.items()}
        for section, elements in raw.items()
    }


def by_provider(sections: Mapping[str, Mapping[str, Any]], provider: str) -> dict[str, Any]:
    found = {}
    for section, elements in sections.items():
        for name, each in elements.items():
            if re.search(rf"n\d+@{provider}$", name):
                unqualified = re.sub(r"@(docker|consul|file)\b", "", json.dumps(each))
                found[f"{section} {name.removesuffix('@' + provider)}"] = json.loads(unqualified)
    return found


async def compared(document: dict[str, Any], static: Mapping[str, Any], provider: str) -> tuple[int, str]:
    """How many elements there are, equal for the file and the provider, and the log."""
    settings = {**STATIC, "api": {"insecure": True, "dashboard": False}, "log": {"level": "ERROR"}, **static}
    async with gateway(document, settings, workers=None, command=[str(TRAEFIK)]) as running:
        sections: dict[str, dict[str, Any]] = {}

        async def both() -> bool:
            sections.update(await shown(running))
            return bool(by_provider(sections, provider) and by_provider(sections, "file"))

        for _ in range(200):
            if await both():
                break
            await asyncio.sleep(0.03)
        theirs, ours = by_provider(sections, provider), by_provider(sections, "file")
        assert ours == theirs
        return len(ours), re.sub(r"\x1b\[[0-9]*m", "", running.log())


@pytest.mark.spec("P-42", "P-43", "P-44")
async def test_labels_say_to_both_the_same_and_are_refused_by_both():
    registry = load_registry()
    kinds = registry.middlewares, registry.tcp_middlewares
    containers = {f"c{number}": named(said, number) for number, said in enumerate((*LABELS, *REFUSED))}
    documents = []
    for number, said in enumerate(containers.values()):
        if number < len(LABELS):
            document, _ = from_labels(said, *kinds)
            documents.append(completed(document, f"c{number}"))
        else:
            with pytest.raises(ConfigError):
                from_labels(said, *kinds)
    async with upstream(engine(containers)) as docker:
        static = {"providers": {"docker": {"endpoint": f"tcp://127.0.0.1:{docker.port}"}}}
        count, log = await compared(merged(documents), static, "docker")
    assert count >= len(LABELS) - 2
    for name, said in list(containers.items())[len(LABELS) :]:
        assert re.search(rf"ERR.*(?:container={name}-|Skip container {name}\b)", log), said


@pytest.mark.spec("P-68", "P-70")
async def test_keys_say_to_both_the_same():
    registry = load_registry()
    keys = {key: value for number, said in enumerate(KEYS) for key, value in named(said, number).items()}
    document, _ = from_keys(keys, registry.middlewares, registry.tcp_middlewares)
    async with upstream(store(keys)) as consul:
        count, _ = await compared(document, providing(consul), "consul")
    assert count >= len(KEYS) - 1


@pytest.mark.spec("P-69")
@pytest.mark.parametrize("said", REFUSED_KEYS, ids=[next(iter(said)) for said in REFUSED_KEYS])
async def test_keys_are_refused_by_both(said):
    registry = load_registry()
    with pytest.raises(ConfigError):
        from_keys(said, registry.middlewares, registry.tcp_middlewares)
    async with upstream(store(said)) as consul:
        settings = {**STATIC, **providing(consul)}
        async with gateway({}, settings, workers=None, command=[str(TRAEFIK)]) as running:
            await eventually(lambda: "Cannot build the configuration" in running.log(), "Traefik refuses the keys")
