"""What instances of a catalogue become, in the reference and here: a Nomad that says what these tests want it to.

The documents are compared as the reference shows them in its API, and why something is left out, as it says in its log.
"""

import itertools
import json
from contextlib import asynccontextmanager

from aiohttp import web

from pointsman.control.context import Context
from pointsman.dialect.fnv import fnv1
from pointsman.dialect.instances import Instance, Instances
from pointsman.testing import answer, connect, gateway, upstream
from pointsman.testing.wire import eventually

from .harness import ORACLE, STATIC, TRAEFIK

pytestmark = ORACLE

DEFAULT_RULE = (
    '{{ if hasPrefix "empty" .Name }}{{ else if hasPrefix "bad" .Name }}{{ .Nope }}{{ else }}'
    'Host(`{{ index .Labels "traefik.dom" | default (normalize .Name) }}`){{ end }}'
)
CONSTRAINTS = 'Tag(`web`) && !(Tag("hid\\x64en") || TagRegex(`(?i)SECRET`)) || TagRegex(`^saved\\d$`)'
R, S, M = "traefik.http.routers.", "traefik.http.services.", "traefik.http.middlewares."
T, U = "traefik.tcp.", "traefik.udp."
BAL = ".loadbalancer."
SERVER = f"{BAL}server."
CATALOGUE = {  # service: (tags, port) of each of its instances
    "plain": [([], 80)],
    "with-dom": [(["traefik.dom=shop.test"], 80)],
    "hidden": [(["hidden"], 80)],
    "secret": [(["a-secret-tag"], 80)],
    "saved": [(["hidden", "saved1"], 80)],
    "off": [(["traefik.enable=false"], 80)],
    "replicas": [([], 80), ([], 81), ([], 80)],
    "router": [([f"{R}router-a.rule=Host(`a`)"], 80)],
    "two-routers": [([f"{R}tr-a.rule=Host(`a`)", f"{R}tr-b.priority=7", f"{S}tr-s{SERVER}port=8080"], 80)],
    "two-services": [([f"{R}ts.rule=Host(`a`)", f"{S}ts-1{SERVER}port=1", f"{S}ts-2{SERVER}port=2"], 80)],
    "no-router": [([f"{S}nr-1{SERVER}port=1", f"{S}nr-2{SERVER}port=2"], 80)],
    "only-service": [([f"{S}os{BAL}strategy=p2c"], 80)],
    "only-middleware": [([f"{M}om.addprefix.prefix=/x"], 80)],
    "elsewhere": [([f"{R}elsewhere.service=plain"], 80)],
    "tcp": [([f"{T}routers.tcp.rule=HostSNI(`x.test`)"], 5432)],
    "tcp-service": [([f"{T}services.tcps{SERVER}port=1"], 5432)],
    "tcp-no-rule": [([f"{T}routers.tnr.entrypoints=web"], 5432)],
    "tcp-two": [
        ([f"{T}routers.tt.rule=HostSNI(`x.test`)", f"{T}services.tt1{SERVER}port=1", f"{T}services.tt2{SERVER}port=2"], 9)
    ],
    "tcp-tls": [([f"{T}routers.tls.rule=HostSNI(`x.test`)", f"{T}services.tls{SERVER}tls=true"], 9)],
    "tcp-http": [([f"{T}routers.th.rule=HostSNI(`x.test`)", f"{M}th.addprefix.prefix=/x"], 9)],
    "tcp-middleware": [([f"{T}middlewares.tm.inflightconn.amount=1"], 9)],
    "tcp-replicas": [([f"{T}services.trs{SERVER}port=1"], 1), ([f"{T}services.trs{SERVER}port=2"], 1)],
    "udp": [([f"{U}routers.udp.entrypoints=web"], 53)],
    "udp-two": [([f"{U}routers.ut.entrypoints=web", f"{U}services.ut1{SERVER}port=1", f"{U}services.ut2{SERVER}port=2"], 9)],
    "udp-service": [([f"{U}services.udps{SERVER}port=5353"], 53)],
    "scheme": [
        ([f"{S}scheme{SERVER}scheme=https", f"{S}scheme{SERVER}weight=3", f"{S}scheme{SERVER}preservepath=true"], 443)
    ],
    "url": [([f"{S}url{SERVER}url=http://else.test/x"], 80)],
    "url-and-port": [([f"{S}uap{SERVER}url=http://else.test", f"{S}uap{SERVER}port=1"], 80)],
    "url-and-scheme": [([f"{S}uas{SERVER}url=http://else.test", f"{S}uas{SERVER}scheme=http"], 80)],
    "no-port": [([], 0)],
    "no-type": [([f"{S}nt.weighted.services[0].name=plain"], 80)],
    "no-balancer": [([f"{S}nb.middlewares=om"], 80)],
    "empty-rule": [([], 80)],
    "bad-rule": [([f"{R}br-a.rule=Host(`a`)", f"{R}br-b.priority=7"], 80)],
    "named-empty": [([f"{R}ne.rule=", f"{R}ne.service="], 80)],
    "v6": [([f"{T}services.v6{SERVER}port=1", f"{R}v6.rule=Host(`v6`)"], 80)],
    "share-1": [([f"{R}shared.rule=Host(`a`)"], 80)],
    "share-2": [([f"{R}shared.rule=Host(`b`)"], 80)],
    "same-1": [([f"{M}same.addprefix.prefix=/x", f"{R}same.rule=Host(`a`)", f"{R}same.service=x"], 80)],
    "same-2": [([f"{M}same.addprefix.prefix=/x", f"{R}same.rule=Host(`a`)", f"{R}same.service=x"], 80)],
    "differ-1": [([f"{M}diff.addprefix.prefix=/x", f"{S}diff{BAL}strategy=wrr"], 80)],
    "differ-2": [([f"{M}diff.addprefix.prefix=/y", f"{S}diff{BAL}strategy=p2c"], 80)],
    "default-1": [([f"{S}def{BAL}strategy=wrr", f"{R}def.rule=Host(`d`)"], 80)],
    "default-2": [([f"{S}def{BAL}passhostheader=true", f"{R}def.rule=Host(`d`)", f"{R}def.priority=0"], 81)],
    "tcp-differ": [([f"{T}routers.td.rule=HostSNI(`a`)"], 1), ([f"{T}routers.td.rule=HostSNI(`b`)"], 1)],
    "store": [(["traefik.tls.stores.default.defaultgeneratedcert.resolver=x"], 80)],
}
SAID = [
    "Router ts cannot be linked automatically with multiple Services",
    "Router tt cannot be linked automatically with multiple Services",
    "Router ut cannot be linked automatically with multiple Services",
    "Empty rule",
    "Undefined rule",
    "Error while parsing default rule",
    "port is missing",
    "load-balancer is ",
    "defining scheme or port is not allowed when URL is defined",
    "HTTP router defined multiple times with different configurations",
    "HTTP service defined multiple times with different configurations",
    "HTTP middleware defined multiple times with different configurations",
    "TCP router defined multiple times with different configurations",
]


def registrations(name, port=0):
    host = "::1" if name == "v6" else "127.0.0.1"
    for number, (tags, own) in enumerate(CATALOGUE[name]):
        yield f"{name}-{number}", ["web", *tags], host, port if name == "plain" else own


@asynccontextmanager
async def nomad(port):
    """The address of a Nomad with this catalogue; the service `plain` is at the port."""

    async def services(request):
        named = [
            {"ServiceName": name, "Tags": list(itertools.chain(*(each[1] for each in registrations(name))))}
            for name in CATALOGUE
        ]
        return web.json_response([{"Namespace": "default", "Services": named}])

    async def service(request):
        name = request.match_info["name"]
        return web.json_response(
            [
                {"ID": key, "ServiceName": name, "Namespace": "default", "Tags": tags, "Address": host, "Port": port}
                for key, tags, host, port in registrations(name, port)
            ]
        )

    app = web.Application()
    app.add_routes([web.get("/v1/services", services), web.get("/v1/service/{name}", service)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def ours(port):
    """The document and the problems of the same catalogue."""

    def instance(name, key, tags, host, port):
        def address(wanted):
            if not (wanted or port):
                raise ValueError("port is missing")
            return host, wanted or port

        labels = dict(tag.split("=", 1) for tag in tags if tag.startswith("traefik."))
        return Instance(f"service {key}", name, labels, address, tags=tags)

    instances = Instances(
        Context("nomad", {}),
        kind="nomad",
        exposed_by_default=True,
        default_rule=DEFAULT_RULE,
        constraints=CONSTRAINTS,
        by_tags=True,
    )
    return instances.document([instance(name, *each) for name in CATALOGUE for each in registrations(name, port)])


def shown(document):
    """What both say, in the same words: `document` has one key per section."""
    said = {}
    for section, elements in document.items():
        for name, element in elements.items():
            if section.endswith("routers"):
                told = element.get("rule", ""), element["service"]
            elif section.endswith("ervices"):
                balancer = element["loadBalancer"]
                keys = ("url", "address", "weight", "preservePath", "tls")
                servers = [{key: server[key] for key in keys if server.get(key)} for server in balancer["servers"]]
                told = sorted(servers, key=str), balancer.get("strategy", "wrr") if section == "services" else ""
            else:
                told = {kind.lower() for kind, value in element.items() if isinstance(value, dict)}
            said[f"{section}.{name}"] = told
    return said


SECTIONS = {
    "routers": "http.routers", "services": "http.services", "middlewares": "http.middlewares",
    "tcpRouters": "tcp.routers", "tcpServices": "tcp.services", "tcpMiddlewares": "tcp.middlewares",
    "udpRouters": "udp.routers", "udpServices": "udp.services",
}  # fmt: skip


async def test_a_catalogue_becomes_what_the_reference_makes_of_it():
    async with upstream() as server, nomad(server.port) as address:
        server.answers(answer(200))
        provider = {"endpoint": {"address": address}, "refreshInterval": "200ms"}
        provider |= {"defaultRule": DEFAULT_RULE, "constraints": CONSTRAINTS}
        static = {**STATIC, "api": {"insecure": True, "dashboard": False}, "providers": {"nomad": provider}}
        async with gateway({}, {**static, "log": {"level": "INFO"}}, workers=None, command=[str(TRAEFIK)]) as running:
            raw = {}

            async def come():
                async with connect(running.port("traefik")) as client:
                    raw.update(json.loads((await client.get("/api/rawdata", "127.0.0.1")).body))
                return "plain@nomad" in raw.get("routers", {})

            await eventually(come, "the routers of Nomad")
            async with connect(running.port("web")) as client:

                async def served():
                    return (await client.get("/", "plain")).status == 200

                await eventually(served, "an answer of the service")
                mark = server.requests[-1].get("X-Traefik-Router")
                refused = await client.get("/", "plain", x_traefik_router=mark)
            log = running.log()

    theirs = {
        section: {name.removesuffix("@nomad"): element for name, element in raw.get(key, {}).items() if "@nomad" in name}
        for key, section in SECTIONS.items()
    }
    document, problems = ours(server.port)
    flat = {path: document[path.split(".")[0]][path.split(".")[1]] for path in SECTIONS.values()}
    assert shown(flat) == shown(theirs)
    assert len(shown(flat)) > 60
    told = "\n".join(map(str, problems))
    for text in SAID:
        assert text in log, text
        assert text in told, text
    assert mark == f"{fnv1(b'plain@nomad'):x}"
    assert refused.status == 400
