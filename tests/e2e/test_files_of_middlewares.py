"""Files that middlewares name, while requests run: exchanged, broken, gone; every worker switches, no request is lost."""

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.x509 import load_pem_x509_certificate

from pointsman.testing import answer, eventually

from .stage import Stage, routed, staged

WORKERS = 2


class Door:
    """An authentication server over TLS that demands a client's certificate. What it trusts may change at any time."""

    def __init__(self, authority: trustme.CA, *, closing: bool = True) -> None:
        self.becomes(authority)
        self.closing = closing
        """Whether every question needs a connection of its own."""
        self.seen: list[int] = []
        """The serial number of the certificate that each question came with."""

    def becomes(self, authority: trustme.CA, *trusted: trustme.CA) -> None:
        """For connections from now on: its certificate is from this authority, and a client's from this or those."""
        self._current = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._current.verify_mode = ssl.CERT_REQUIRED
        authority.issue_cert("127.0.0.1").configure_cert(self._current)
        for each in (authority, *trusted):
            each.configure_trust(self._current)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """Its URL."""
        choosing = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        choosing.verify_mode = ssl.CERT_REQUIRED
        choosing.num_tickets = 0  # a session that is resumed shows no certificate
        choosing.sni_callback = lambda connection, *_: setattr(connection, "context", self._current)
        async with await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=choosing) as server:
            yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serial = int(writer.get_extra_info("peercert")["serialNumber"], 16)
        with suppress(OSError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                self.seen.append(serial)
                lines = b"Content-Length: 0\r\n" + (b"Connection: close\r\n" if self.closing else b"")
                writer.write(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n")
                if self.closing:
                    break
        writer.close()


class Mount:
    """A secret as Kubernetes mounts it: `ca.crt`, `tls.crt` and `tls.key` by way of the link `..data`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version = 0
        self.serial = 0
        """Of the certificate."""
        folder.mkdir()
        for name in ("ca.crt", "tls.crt", "tls.key"):
            (folder / name).symlink_to(f"..data/{name}")

    @property
    def options(self) -> dict[str, str]:
        names = {"ca": "ca.crt", "cert": "tls.crt", "key": "tls.key"}
        return {key: str(self.folder / name) for key, name in names.items()}

    def holds(self, authority: trustme.CA, *trusted: trustme.CA, **spoiled: bytes) -> None:
        """A client's certificate of this authority, and to trust this and those."""
        self.version += 1
        version = self.folder / f"..{self.version}"
        version.mkdir()
        leaf = authority.issue_cert("gateway.test")
        contents = {
            "ca.crt": b"".join(each.cert_pem.bytes() for each in (authority, *trusted)),
            "tls.crt": leaf.cert_chain_pems[0].bytes(),
            "tls.key": leaf.private_key_pem.bytes(),
        }
        for name, content in contents.items():
            (version / name).write_bytes(spoiled.get(name.partition(".")[2], content))
        self.serial = load_pem_x509_certificate(contents["tls.crt"]).serial_number
        (self.folder / "..new").symlink_to(version.name)
        (self.folder / "..new").rename(self.folder / "..data")
        shutil.rmtree(self.folder / f"..{self.version - 1}", ignore_errors=True)


@asynccontextmanager
async def guarded(door: Door, tls: Mapping[str, Any]) -> AsyncIterator[Stage]:
    """A gateway that asks at the door, by two middlewares that name the same files."""
    async with door.open() as url:

        def dynamic(urls: Any) -> dict[str, Any]:
            routers = {name: {"rule": f"Host(`{name}.test`)", "middlewares": [f"door-{name}"]} for name in ("a", "b")}
            document = routed(routers, urls)
            block = {"forwardAuth": {"address": url, "trustForwardHeader": False, "tls": dict(tls)}}
            return {"http": {**document["http"], "middlewares": {f"door-{name}": block for name in routers}}}

        async with staged(dynamic, None, ["a"], workers=WORKERS) as stage:
            yield stage


class Visitors:
    """Clients that ask all the time, each on a connection of its own now and then, and what they heard."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.heard: list[int] = []
        self._leaving = False
        self._tasks = [asyncio.create_task(self._visit(f"{'ab'[number % 2]}.test")) for number in range(6)]

    async def _visit(self, host: str) -> None:
        while not self._leaving:
            async with self.stage.connect() as client:
                for _ in range(2):
                    self.heard.append((await client.get("/", host)).status)

    async def some(self) -> list[int]:
        """What they hear from now on, until every worker has surely been asked. Requests that are under way come first."""
        await self._more(len(self._tasks))
        since = await self._more(4 * WORKERS * len(self._tasks))
        return self.heard[since:]

    async def _more(self, count: int) -> int:
        before = len(self.heard)
        await eventually(lambda: len(self.heard) >= before + count or any(task.done() for task in self._tasks))
        return before

    async def leave(self) -> None:
        self._leaving = True
        await asyncio.gather(*self._tasks)


@asynccontextmanager
async def visited(stage: Stage) -> AsyncIterator[Visitors]:
    visitors = Visitors(stage)
    try:
        yield visitors
    finally:
        await visitors.leave()


async def all_enter(visitors: Visitors) -> bool:
    return set(await visitors.some()) == {200}


async def all_show(visitors: Visitors, door: Door, mount: Mount) -> bool:
    """Whether every worker asks with the certificate that is in the files."""
    door.seen.clear()
    await visitors.some()
    return set(door.seen) == {mount.serial}


@pytest.mark.parametrize("closing", [True, False], ids=["a connection each", "kept connections"])
async def test_a_rotation_as_it_is_meant_loses_no_request(tmp_path: Path, closing: bool) -> None:
    old, new = trustme.CA(), trustme.CA()
    door, mount = Door(old, closing=closing), Mount(tmp_path / "secret")
    mount.holds(old)
    async with guarded(door, mount.options) as stage, visited(stage) as visitors:
        assert await all_enter(visitors)
        door.becomes(old, new)
        mount.holds(old, new)
        assert await all_enter(visitors)
        mount.holds(new, old)
        await eventually(lambda: all_show(visitors, door, mount))
        door.becomes(new)
        assert await all_enter(visitors)
        mount.holds(new)
        await eventually(lambda: all_show(visitors, door, mount))
        await visitors.leave()

        assert set(visitors.heard) == {200}
        assert "ERR" not in stage.gateway.log()


async def test_an_authority_that_is_swapped_at_once_refuses_only_the_old_certificate(tmp_path: Path) -> None:
    old, new = trustme.CA(), trustme.CA()
    door, mount = Door(old), Mount(tmp_path / "secret")
    mount.holds(old)
    async with guarded(door, mount.options) as stage, visited(stage) as visitors:
        assert await all_enter(visitors)
        door.becomes(new)
        assert set(await visitors.some()) == {500}
        mount.holds(new)
        await eventually(lambda: all_enter(visitors))
        assert await all_enter(visitors)
        assert set(visitors.heard) == {200, 500}


@pytest.mark.parametrize("spoil", ["key", "ca", "gone", "folder"])
async def test_what_is_broken_changes_nothing_and_is_told_once(tmp_path: Path, spoil: str) -> None:
    old, new = trustme.CA(), trustme.CA()
    door, mount = Door(old), Mount(tmp_path / "secret")
    mount.holds(old)
    async with guarded(door, mount.options) as stage, visited(stage) as visitors:
        if spoil == "gone":
            (mount.folder / "..data").unlink()
        elif spoil == "folder":
            mount.folder.rename(tmp_path / "away")
        else:
            name, content = {"key": ("key", b"-----BEGIN PRIVATE KEY-----\nhalf"), "ca": ("crt", b"")}[spoil]
            mount.holds(new, **{name: content})
        place = "http.middlewares.door-a@file.forwardAuth.tls: "
        await eventually(lambda: place in stage.gateway.log())
        assert await all_enter(visitors)
        door.becomes(old, new)
        if spoil == "folder":
            (tmp_path / "secret").mkdir()
            (tmp_path / "away").rename(tmp_path / "secret")
        mount.holds(new, old)
        await eventually(lambda: all_show(visitors, door, mount))
        assert await all_enter(visitors)
        await visitors.leave()

        assert set(visitors.heard) == {200}
        (told,) = [line for line in stage.gateway.log().splitlines() if place in line]
        assert "what was read before stays in force until this is put right" in told
        assert "half" not in told


async def test_swaps_leave_nothing_open(tmp_path: Path) -> None:
    authority = trustme.CA()
    door, mount = Door(authority, closing=False), Mount(tmp_path / "secret")
    mount.holds(authority)
    async with guarded(door, mount.options) as stage:
        control = stage.gateway.process.pid

        def descriptors() -> int:
            children = Path(f"/proc/{control}/task/{control}/children").read_text().split()
            return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in (control, *children))

        async def one_after_another() -> bool:
            """So that each worker has one connection to each server."""
            door.seen.clear()
            for _ in range(8 * WORKERS):
                assert (await stage.get("/", "a.test")).status == 200
            return set(door.seen) == {mount.serial}

        await eventually(one_after_another)
        before = descriptors()
        for _ in range(10):
            mount.holds(authority)
            await eventually(one_after_another)
        await eventually(lambda: descriptors() <= before, "all that the old ones had is closed")


async def test_a_corrected_page_is_shown_by_every_worker(tmp_path: Path) -> None:
    page = tmp_path / "pages" / "sorry.html"
    page.parent.mkdir()
    page.write_text("one {status}")

    def dynamic(urls: Any) -> dict[str, Any]:
        routers = {"r": {"rule": "Host(`a.test`)", "middlewares": ["pages"]}}
        document = routed(routers, urls)
        middlewares = {"pages": {"errors": {"pages": {"404": {"file": str(page)}}}}}
        return {"http": {**document["http"], "middlewares": middlewares}}

    def replace(content: bytes) -> None:
        (tmp_path / "new").write_bytes(content)
        os.replace(tmp_path / "new", page)

    async with staged(dynamic, None, ["a"], workers=WORKERS) as stage:
        stage["a"].answers(answer(404, {}, b"dropped"))

        async def shown() -> set[bytes]:
            return {(await stage.get("/", "a.test")).body for _ in range(8 * WORKERS)}

        assert await shown() == {b"one 404"}
        replace(b"two {status}")
        await eventually(lambda: all_shown(shown, b"two 404"))

        page.parent.rename(tmp_path / "away")
        place = "http.middlewares.pages@file.errors.pages.404.file: "
        await eventually(lambda: f"{place}the file {page} cannot be read: No such file" in stage.gateway.log())
        assert await shown() == {b"two 404"}
        page.parent.mkdir()
        replace(b"thr\xff")
        await eventually(lambda: f"{place}it is not UTF-8; what was read before stays in force" in stage.gateway.log())
        assert await shown() == {b"two 404"}
        page.write_text("four")
        await eventually(lambda: all_shown(shown, b"four"))
        assert stage.gateway.log().count(place) == 2


async def all_shown(shown: Any, page: bytes) -> bool:
    return await shown() == {page}
