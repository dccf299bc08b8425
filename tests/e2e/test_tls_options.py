"""TLS options and default certificates as clients meet them, beyond what `test_tls` shows."""

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme
from cryptography import x509

from pointsman.server.x509 import DEFAULT_NAME
from pointsman.testing import connect

from .stage import Stage, routed, staged

AUTHORITY, STRANGER = trustme.CA(), trustme.CA()
CA = AUTHORITY.cert_pem.bytes().decode()
V13 = {"minVersion": "VersionTLS13"}


def issued(*names: str, authority: trustme.CA = AUTHORITY) -> dict[str, str]:
    leaf = authority.issue_cert(*names)
    chain = "".join(blob.bytes().decode() for blob in leaf.cert_chain_pems)
    return {"certFile": chain, "keyFile": leaf.private_key_pem.bytes().decode()}


def client(**settings: Any) -> ssl.SSLContext:
    """A client that looks at names itself."""
    context = ssl.create_default_context(cadata=CA)
    context.check_hostname = False
    for name, value in settings.items():
        setattr(context, name, value)
    return context


TRUSTING = client()
BLIND = client(verify_mode=ssl.CERT_NONE)
OLD = client(maximum_version=ssl.TLSVersion.TLSv1_2)


def showing(authority: trustme.CA, **expiry: Any) -> ssl.SSLContext:
    context = client()
    authority.issue_cert("client.test", **expiry).configure_cert(context)
    return context


def secure(host: str, options: str = "", **more: Any) -> dict[str, Any]:
    return {"rule": f"Host(`{host}`)", "tls": {"options": options} if options else {}, **more}


HOSTS = {
    "exact": secure("exact.test"),
    "v13": secure("v13.test", "v13"),
    "m1": secure("m1.test", "mtls"),
    "asked": secure("asked.test", "asked"),
    "any": secure("any.test", "any"),
    "bad": secure("bad.test", "bad"),
    "nope": secure("nope.test", "nope"),
    "one": secure("both.test", "v13"),
    "two": {**secure("both.test"), "rule": "Host(`both.test`) && PathPrefix(`/two`)"},
    "wide": secure("*.wc.test", "v13"),
    "narrow": secure("a.wc.test"),
}
OPTIONS = {
    "v13": V13,
    "mtls": {"clientAuth": {"caFiles": [CA], "clientAuthType": "RequireAndVerifyClientCert"}},
    "asked": {"clientAuth": {"clientAuthType": "RequestClientCert"}},
    "any": {"clientAuth": {"clientAuthType": "RequireAnyClientCert"}},
    "bad": {"cipherSuites": ["TLS_NOPE"]},
}
CERTIFICATES = [
    issued("exact.test"),
    issued("*.wc.test", *(f"{name}.test" for name in ("v13", "m1", "asked", "any", "both", "bad", "nope"))),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    def dynamic(urls: Any) -> dict[str, Any]:
        return {**routed(HOSTS, urls), "tls": {"certificates": CERTIFICATES, "options": OPTIONS}}

    async with staged(dynamic, {"entryPoints": {"web": {}}}, servers=["a"]) as ready:
        yield ready


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def names_shown(stage: Stage, server_name: str | None, context: ssl.SSLContext = BLIND) -> set[str]:
    """What the certificate is for that a client is shown."""
    _, writer = await asyncio.open_connection(
        "127.0.0.1", stage.gateway.port(), ssl=context, server_hostname=server_name or ""
    )
    der = writer.get_extra_info("ssl_object").getpeercert(True)
    writer.close()
    leaf = x509.load_der_x509_certificate(der)
    found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in found} | {str(each.value) for each in leaf.subject if "default" in str(each.value)}


async def status(
    stage: Stage, server_name: str, context: ssl.SSLContext = TRUSTING, *, host: str = "", path: str = "/"
) -> int:
    """The answer to a GET; the host is the server name unless it is said otherwise."""
    async with connect(stage.gateway.port(), tls=context, server_name=server_name) as one:
        return (await one.get(path, host or server_name)).status


async def refusal(stage: Stage, server_name: str, context: ssl.SSLContext = TRUSTING) -> str:
    """Which alert a client gets; "" if the connection is closed without one."""
    try:
        found = await status(stage, server_name, context)
    except ssl.SSLError as error:
        return "" if "EOF" in str(error) else str(error).upper().replace(" ", "_")
    except (ConnectionError, asyncio.IncompleteReadError):
        return ""
    raise AssertionError(f"answered with {found}")


async def test_an_expired_client_certificate_is_refused(stage: Stage) -> None:
    import datetime

    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    begun = past - datetime.timedelta(days=1)
    expired = showing(AUTHORITY, not_before=begun, not_after=past)
    assert "CERTIFICATE_EXPIRED" in await refusal(stage, "m1.test", expired)
    assert await status(stage, "any.test", expired) == 200


async def test_client_certificates_may_be_asked_for_without_a_look_at_who_issued_them(stage: Stage) -> None:
    assert await status(stage, "asked.test") == 200
    assert await status(stage, "asked.test", showing(STRANGER)) == 200
    assert "CERTIFICATE_REQUIRED" in await refusal(stage, "any.test")
    assert await status(stage, "any.test", showing(STRANGER)) == 200


@pytest.mark.spec("R-90")
@pytest.mark.parametrize("host", ["bad.test", "nope.test"])
async def test_unknown_or_broken_options_close_their_host_without_an_alert(stage: Stage, host: str) -> None:
    assert await refusal(stage, host) == ""
    assert await status(stage, "exact.test") == 200
    log = stage.gateway.log()
    assert "unknown TLS options: nope@file" in log
    assert "unknown cipher suite 'TLS_NOPE'" in log


@pytest.mark.spec("R-92")
async def test_different_options_for_one_host_make_both_routers_use_the_default(stage: Stage) -> None:
    assert await status(stage, "both.test", OLD) == 200
    assert await status(stage, "both.test", OLD, path="/two") == 200
    assert len(re.findall(r"routers\.(?:one|two)@file.tls.options: found different TLS options", stage.gateway.log())) == 2


@pytest.mark.spec("R-110")
async def test_an_exact_host_has_its_own_options_beside_a_wildcard(stage: Stage) -> None:
    assert await status(stage, "a.wc.test", OLD) == 200
    assert "PROTOCOL_VERSION" in await refusal(stage, "b.wc.test", OLD)
    assert await status(stage, "b.wc.test") == 200


async def test_whoever_comes_for_a_challenge_finds_no_certificate(stage: Stage) -> None:
    challenge = client()
    challenge.set_alpn_protocols(["acme-tls/1"])
    assert "UNRECOGNIZED_NAME" in await refusal(stage, "exact.test", challenge)


async def test_an_unreadable_default_certificate_gives_place_to_our_own_and_is_an_error() -> None:
    def dynamic(urls: Any) -> dict[str, Any]:
        tls = {"stores": {"default": {"defaultCertificate": {"certFile": "/nowhere.crt", "keyFile": "/nowhere.key"}}}}
        return {**routed({"r": secure("exact.test")}, urls), "tls": tls}

    async with staged(dynamic, servers=["a"]) as stage:
        assert DEFAULT_NAME in await names_shown(stage, "exact.test")
        assert "tls.stores.default.defaultCertificate.certFile: the file /nowhere.crt cannot be read" in stage.gateway.log()


async def test_the_generated_certificate_is_the_same_in_all_workers_and_after_a_change() -> None:
    async with staged(lambda urls: routed({"r": secure("exact.test")}, urls), servers=["a"], workers=2) as stage:
        before = [await names_shown(stage, "x.test") for _ in range(8)]
        await stage.gateway.update(routed({"r": secure("other.test")}, stage.urls))
        after = [await names_shown(stage, "x.test") for _ in range(8)]
        assert len({frozenset(names) for names in (*before, *after)}) == 1


async def test_an_entry_point_gives_its_tls_to_routers_without(tmp_path: Path) -> None:
    def dynamic(urls: Any) -> dict[str, Any]:
        tls = {"certificates": [issued("exact.test")], "options": {"v13": V13}}
        return {**routed({"r": "Host(`exact.test`)"}, urls), "tls": tls}

    points = {"web": {}, "websecure": {"http": {"tls": {"options": "v13@file"}}}}
    async with staged(dynamic, {"entryPoints": points}, servers=["a"]) as stage:
        assert (await stage.get("/", "exact.test")).status == 200
        assert (await stage.get("/", "exact.test", "websecure")).status == 404
        port = stage.gateway.port("websecure")
        async with connect(port, tls=TRUSTING, server_name="exact.test") as one:
            assert (await one.get("/", "exact.test")).status == 200
        with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
            async with connect(port, tls=OLD, server_name="exact.test"):
                pass


async def run(*arguments: str, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment},
    )
    async with asyncio.timeout(20):
        output, _ = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace")


@pytest.mark.real("curl")
async def test_curl_verifies_what_it_is_shown(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(CA)
    port = stage.gateway.port()
    asked = ("--http1.1", "-s", "-w", "%{http_code}", "--cacert", f"{tmp_path}/ca.pem")
    code, output = await run("curl", *asked, "--resolve", f"exact.test:{port}:127.0.0.1", f"https://exact.test:{port}/")
    assert (code, output) == (0, "a200")


@pytest.mark.real("openssl")
async def test_openssl_sees_the_chain_and_the_alerts(stage: Stage) -> None:
    to = ("openssl", "s_client", "-connect", f"127.0.0.1:{stage.gateway.port()}", "-servername")
    _, output = await run(*to, "exact.test", "-brief")
    assert "TLSv1.3" in output
    _, output = await run(*to, "v13.test", "-tls1_2")
    assert "alert protocol version" in output
    _, output = await run(*to, "exact.test", "-alpn", "smtp")
    assert "alert no application protocol" in output.lower()
