"""Certificates in files, while the gateway runs: replaced, broken, removed; connections that are open notice nothing."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509

from pointsman.server.x509 import DEFAULT_NAME
from pointsman.testing import connect, eventually

from .kept import Kept
from .stage import Stage, closed, routed, staged

AUTHORITY, OTHER = trustme.CA(), trustme.CA()
TRUSTING = ssl.create_default_context(cadata=AUTHORITY.cert_pem.bytes().decode())
BLIND = ssl.create_default_context()
BLIND.check_hostname = False
BLIND.verify_mode = ssl.CERT_NONE


def issued(name: str) -> tuple[bytes, bytes]:
    leaf = AUTHORITY.issue_cert(name)
    return leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes()


def serial(certificate: bytes) -> int:
    return x509.load_pem_x509_certificate(certificate).serial_number


async def shown(stage: Stage, name: str = "a.test") -> x509.Certificate:
    """The certificate that a new connection is shown."""
    _, writer = await asyncio.open_connection("127.0.0.1", stage.gateway.port(), ssl=BLIND, server_hostname=name)
    der = writer.get_extra_info("ssl_object").getpeercert(True)
    writer.close()
    return x509.load_der_x509_certificate(der)


async def shows(stage: Stage, certificate: bytes, name: str = "a.test") -> bool:
    return (await shown(stage, name)).serial_number == serial(certificate)


@asynccontextmanager
async def serving(folder: Path, kept: Kept | None = None, *, options: Mapping[str, Any] = {}) -> AsyncIterator[Stage]:
    """A gateway with the pairs a and b in files."""

    def dynamic(urls: Any) -> dict[str, Any]:
        router = {"rule": "Host(`a.test`) || Host(`b.test`)", "tls": {"options": "o"}}
        pairs = [{"certFile": f"{folder}/{name}.crt", "keyFile": f"{folder}/{name}.key"} for name in "ab"]
        return {
            **routed({"r": router}, urls),
            "tls": {"certificates": pairs, "options": {"o": {"sniStrict": False, **options}}},
        }

    async with staged(dynamic, {"log": {"level": "DEBUG"}}, servers=["a"], kept=kept) as stage:
        yield stage


def write(folder: Path, name: str, certificate: bytes | None = None, key: bytes | None = None) -> None:
    for kind, data in (("crt", certificate), ("key", key)):
        if data is not None:
            (folder / f"{name}.{kind}").write_bytes(data)


@pytest.mark.spec("P-18")
async def test_an_unreadable_certificate_is_an_error_and_the_others_are_served(tmp_path: Path, kept: Kept) -> None:
    pair = issued("b.test")
    write(tmp_path, "b", *pair)
    async with serving(tmp_path, kept) as stage:
        log = stage.gateway.log()
        assert f"tls.certificates.0@file.certFile: the file {tmp_path}/a.crt cannot be read: No such file" in log
        assert await shows(stage, pair[0], "b.test")
        assert DEFAULT_NAME in (await shown(stage)).subject.rfc4514_string()

        late = issued("a.test")
        write(tmp_path, "a", *late)
        await eventually(lambda: shows(stage, late[0]))


async def test_a_replaced_pair_takes_effect_and_open_connections_stay(tmp_path: Path, kept: Kept) -> None:
    before, after, other = issued("a.test"), issued("a.test"), issued("b.test")
    write(tmp_path, "a", *before)
    write(tmp_path, "b", *other)
    async with (
        serving(tmp_path, kept) as stage,
        connect(stage.gateway.port(), tls=TRUSTING, server_name="a.test") as one,
    ):
        assert (await one.get("/", "a.test")).status == 200
        write(tmp_path, "a", *after)
        await eventually(lambda: shows(stage, after[0]))
        assert (await one.get("/", "a.test")).status == 200
        assert await shows(stage, other[0], "b.test")
        assert "ERR" not in stage.gateway.log()


async def test_a_pair_whose_key_comes_later_is_never_served_by_halves(tmp_path: Path, kept: Kept) -> None:
    before, after = issued("a.test"), issued("a.test")
    write(tmp_path, "a", *before)
    write(tmp_path, "b", *issued("b.test"))
    async with serving(tmp_path, kept) as stage:
        write(tmp_path, "a", certificate=after[0])
        await eventually(lambda: "the key is not that of the certificate" in stage.gateway.log())
        assert "stays in force" in stage.gateway.log()
        assert await shows(stage, before[0])
        write(tmp_path, "a", key=after[1])
        await eventually(lambda: shows(stage, after[0]))


@pytest.mark.parametrize("how", ["garbage", "removal"])
async def test_garbage_and_removal_leave_what_was_there(tmp_path: Path, kept: Kept, how: str) -> None:
    before, after, other = issued("a.test"), issued("a.test"), issued("b.test")
    write(tmp_path, "a", *before)
    write(tmp_path, "b", *other)
    async with serving(tmp_path, kept) as stage:
        if how == "garbage":
            write(tmp_path, "a", certificate=b"garbage")
        else:
            (tmp_path / "a.crt").unlink()
        await eventually(lambda: "stays in force" in stage.gateway.log())
        assert await shows(stage, before[0])
        assert await shows(stage, other[0], "b.test")
        write(tmp_path, "a", *after)
        await eventually(lambda: shows(stage, after[0]))


async def test_a_pair_stays_when_another_before_it_goes(tmp_path: Path, kept: Kept) -> None:
    """Certificates are named by their place, and the file of this one is garbage by now."""
    before, other = issued("a.test"), issued("b.test")
    write(tmp_path, "a", *before)
    write(tmp_path, "b", *other)
    async with serving(tmp_path, kept) as stage:
        write(tmp_path, "b", certificate=b"garbage")
        await eventually(lambda: "stays in force" in stage.gateway.log())
        pair = {"certFile": f"{tmp_path}/b.crt", "keyFile": f"{tmp_path}/b.key"}
        routers = {"r": {"rule": "Host(`b.test`)", "tls": {}}}
        await stage.gateway.update({**routed(routers, stage.urls), "tls": {"certificates": [pair]}})
        assert await shows(stage, other[0], "b.test")
        assert DEFAULT_NAME in (await shown(stage)).subject.rfc4514_string()


async def test_whom_clients_may_be_issued_by_is_followed_too(tmp_path: Path, kept: Kept) -> None:
    write(tmp_path, "a", *issued("a.test"))
    write(tmp_path, "b", *issued("b.test"))
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.cert_pem.bytes())
    mine, theirs = ssl.create_default_context(), ssl.create_default_context()
    for context, authority in ((mine, AUTHORITY), (theirs, OTHER)):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        authority.issue_cert("client.test").configure_cert(context)

    async def accepted(context: ssl.SSLContext) -> bool:
        try:
            async with connect(stage.gateway.port(), tls=context, server_name="a.test") as one:
                return (await one.get("/", "a.test")).status == 200
        except ssl.SSLError:
            return False

    async with serving(tmp_path, kept, options={"clientAuth": {"caFiles": [f"{tmp_path}/ca.pem"]}}) as stage:
        assert (await accepted(mine), await accepted(theirs)) == (True, False)
        (tmp_path / "ca.pem").write_bytes(OTHER.cert_pem.bytes())
        await eventually(lambda: accepted(theirs))
        assert not await accepted(mine)


async def test_whoever_agreed_to_options_that_demand_more_by_now_must_connect_again(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path, name, *issued(f"{name}.test"))
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.cert_pem.bytes())

    def demanding(document: Any, **options: Any) -> Any:
        return {**document, "tls": {**document["tls"], "options": {"o": options, "other": {"sniStrict": False}}}}

    def dynamic(urls: Any) -> dict[str, Any]:
        routers = {
            "r": {"rule": "Host(`a.test`)", "tls": {"options": "o"}},
            "s": {"rule": "Host(`b.test`)", "tls": {"options": "other"}},
        }
        pairs = [{"certFile": f"{tmp_path}/{name}.crt", "keyFile": f"{tmp_path}/{name}.key"} for name in "ab"]
        return demanding({**routed(routers, urls), "tls": {"certificates": pairs}}, sniStrict=False)

    async with staged(dynamic, servers=["a"]) as stage:
        port = stage.gateway.port()
        async with (
            connect(port, tls=BLIND, server_name="a.test") as old,
            connect(port, tls=BLIND, server_name="b.test") as other,
        ):
            assert (await old.get("/", "a.test")).status == 200
            assert (await other.get("/", "b.test")).status == 200
            await stage.gateway.update(demanding(dynamic(stage.urls), clientAuth={"caFiles": [f"{tmp_path}/ca.pem"]}))
            assert await closed(old)
            assert (await other.get("/", "b.test")).status == 200


async def test_no_key_is_ever_logged(tmp_path: Path) -> None:
    before = issued("a.test")
    write(tmp_path, "a", *before)
    write(tmp_path, "b", issued("b.test")[0], before[1])
    async with serving(tmp_path) as stage:
        write(tmp_path, "a", key=before[1][:-60])
        await eventually(lambda: "stays in force" in stage.gateway.log())
        await stage.gateway.update({"tls": {"certificates": [{"certFile": "x", "keyFile": before[1].decode()}]}})
        log = stage.gateway.log()
        assert not [line for line in before[1].decode().splitlines()[1:-1] if line in log]
