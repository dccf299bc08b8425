"""Certificates from a real authority, by every kind of challenge (operations.md §7)."""

import asyncio
import json
import ssl

import pytest
from cryptography import x509

from pointsman.testing import answer, eventually, free_port, upstream

from .pebble_servers import Pebble, needs_pebble

pytestmark = [needs_pebble, pytest.mark.real("pebble", "pebble-challtestsrv"), pytest.mark.timeout(60)]

PORTS = free_port(), free_port()


@pytest.fixture(scope="module")
def pebble(tmp_path_factory):
    server = Pebble(tmp_path_factory.mktemp("pebble"), *PORTS, domainBlocklist=["blocked.test"]).start()
    yield server
    server.stop()


def static(pebble, storage, **acme):
    settings = {"caServer": pebble.directory, "caCertificates": [pebble.trust], "storage": str(storage), "keyType": "EC256"}
    return {
        "entryPoints": {
            "web": {"address": f"127.0.0.1:{PORTS[0]}"},
            "secure": {"address": f"127.0.0.1:{PORTS[1]}"},
        },
        "certificatesResolvers": {"le": {"acme": {**settings, **acme}}},
    }


def router(rule, **tls):
    return {"rule": rule, "service": "s", "entryPoints": ["secure"], "tls": {"certResolver": "le", **tls}}


def document(url, **routers):
    return {"http": {"routers": routers, "services": {"s": {"loadBalancer": {"servers": [{"url": url}]}}}}}


async def shown(name):
    """The names in the certificate that a client of this name gets."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", PORTS[1], ssl=context, server_hostname=name)
    leaf = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    writer.transport.abort()
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return sorted(names.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        return []


@pytest.mark.spec("O-85")
async def test_http(pebble, tmp_path, start_gateway):
    async with upstream(answer(200)) as server:
        redirect = {"entryPoint": {"to": "secure", "priority": 5}}
        settings = static(pebble, tmp_path / "acme.json", httpChallenge={"entryPoint": "web"})
        settings["entryPoints"]["web"]["http"] = {"redirections": redirect}
        greedy = {"rule": "PathPrefix(`/.well-known`)", "service": "s", "entryPoints": ["web"], "priority": 100000}
        routers = document(server.url, shop=router("Host(`Shop.Test`) || Host(`www.shop.test`)"), greedy=greedy)
        await start_gateway(routers, settings)

        async def issued():
            return await shown("shop.test") == ["shop.test", "www.shop.test"]

        await eventually(issued)
        kept = json.loads((tmp_path / "acme.json").read_text())
        assert kept["le"]["Certificates"][0]["domain"] == {"main": "shop.test", "sans": ["www.shop.test"]}


@pytest.mark.spec("O-86")
async def test_tls(pebble, tmp_path, start_gateway):
    async with upstream(answer(200)) as server:
        settings = static(pebble, tmp_path / "acme.json", tlsChallenge={})
        await start_gateway(document(server.url, shop=router("Host(`alpn.test`)")), settings)

        async def issued():
            return await shown("alpn.test") == ["alpn.test"]

        await eventually(issued)
