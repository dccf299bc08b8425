"""A Docker engine from Debian, in a network of its own: its bridges, firewall rules and addresses are nowhere else."""

import asyncio
import ctypes
import io
import os
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

BUSYBOX = Path("/usr/bin/busybox")
IMAGE = "pointsman/web:1"
_NEW_NETWORK = 0x40000000
_missing = [name for name in ("dockerd", "containerd", "iptables", "ip", "umount") if not shutil.which(name)]

_CONTAINERS = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
"""

needs_docker = pytest.mark.skipif(
    os.getuid() != 0 or bool(_missing) or not BUSYBOX.exists(),
    reason="no Docker engine can be started: be root, and apt-get install docker.io busybox-static iproute2",
)

needs_podman = pytest.mark.skipif(
    os.getuid() != 0 or not all(map(shutil.which, ("podman", "runc", "ip"))) or not BUSYBOX.exists(),
    reason="no Podman can be started: be root, and apt-get install podman netavark aardvark-dns runc busybox-static",
)


@contextmanager
def own_network() -> Iterator[None]:
    """This thread, and every process that it starts, sees nothing but a loopback of its own while the block lasts.

    Not as `ip netns exec` does it, which hides the control groups.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(_NEW_NETWORK):
            pytest.xfail(f"this machine lets nobody have a network of its own: {os.strerror(ctypes.get_errno())}")
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            yield
        finally:
            libc.setns(before, _NEW_NETWORK)
    finally:
        os.close(before)


class Engine:
    """One engine; `start` again after `stop` continues with the containers that ran on meanwhile, if it was told to."""

    image = IMAGE

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options = folder, options
        self.socket = folder / "docker.sock"
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)

    def command(self) -> list[str]:
        folders = [
            "--data-root",
            f"{self.folder}/data",
            "--exec-root",
            f"{self.folder}/exec",
            "--pidfile",
            f"{self.folder}/pid",
        ]
        return ["dockerd", *folders, "-H", f"unix://{self.socket}", "--bip", "172.30.99.1/24", *self.options]

    def start(self) -> "Engine":
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log)
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            with suppress(OSError):
                if self._answers():
                    return self
            time.sleep(0.05)
        told = (self.folder / "log").read_text()[-4000:]
        if self.process.poll() is not None and "operation not permitted" in told.lower():
            pytest.xfail(f"this machine lets no container engine run: {told[-300:]}")
        raise TimeoutError(f"the engine does not answer\n{told}")

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(self.socket))
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in connection.recv(1024)

    async def ask(self, method: str, path: str, body: Any = None, *, raw: bool = False) -> Any:
        """What the engine answers to one call."""
        data = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        connector, timeout = aiohttp.UnixConnector(str(self.socket)), aiohttp.ClientTimeout(30)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.request(method, f"http://docker{path}", **data) as answer,
        ):
            content = await answer.read()
            assert answer.status < 400, (method, path, answer.status, content)
            return content if raw else await answer.json(content_type=None) if content else None

    async def load(self) -> None:
        """An image with a web server that says the name of its container's host."""
        rest = "changes=" + "&changes=".join(["EXPOSE%2080", "CMD%20%5B%22/bin/web%22%5D"])
        await self.ask("POST", f"/images/create?fromSrc=-&repo=pointsman/web&tag=1&{rest}", _image(), raw=True)

    async def run(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        *,
        networks: tuple[str, ...] = (),
        environment: tuple[str, ...] = (),
        health: Mapping[str, Any] | None = None,
        **host: Any,
    ) -> str:
        """A container's id. `networks` are joined besides that of its mode; `host` is its HostConfig."""
        config = {"Image": self.image, "Hostname": name, "Labels": dict(labels or {}), "HostConfig": host}
        config["Env"] = list(environment)
        if str(host.get("NetworkMode", "")).startswith(("container:", "host")):
            del config["Hostname"]
        if health is not None:
            config["Healthcheck"] = health
        made = await self.ask("POST", f"/containers/create?name={name}", config)
        for network in networks:
            await self.ask("POST", f"/networks/{network}/connect", {"Container": name})
        await self.ask("POST", f"/containers/{name}/start")
        return str(made["Id"])

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def close(self) -> None:
        """Remove every container, stop, and leave nothing behind."""
        with suppress(OSError, AssertionError, aiohttp.ClientError):
            asyncio.run(self._clear())
        self.stop()
        mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for place in reversed([each for each in mounted if each.startswith(f"{self.folder}/")]):
            subprocess.run(["umount", "-l", place], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _clear(self) -> None:
        with suppress(AssertionError):
            await self.ask("POST", "/swarm/leave?force=1")
        there = await self.ask("GET", "/containers/json?all=1")
        await asyncio.gather(*(self.ask("DELETE", f"/containers/{each['Id']}?force=1") for each in there))


class Podman(Engine):
    """The same API by another hand."""

    image = "docker.io/pointsman/web:latest"

    def command(self) -> list[str]:
        (self.folder / "containers.conf").write_text(_CONTAINERS)
        places = {"root": "graph", "runroot": "run", "tmpdir": "tmp", "network-config-dir": "net"}
        folders = [part for option, name in places.items() for part in (f"--{option}", f"{self.folder}/{name}")]
        own = ["env", f"CONTAINERS_CONF={self.folder}/containers.conf", "podman"]
        return [*own, *folders, "system", "service", "--time", "0", f"unix://{self.socket}"]


def _image() -> bytes:
    script = b"#!/bin/sh\nhostname > /www/index.html\nexec httpd -f -p ${PORT:-80} -h /www\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in ("bin", "www", "tmp", "etc"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, content in (("bin/busybox", BUSYBOX.read_bytes()), ("bin/web", script)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
        for name in ("sh", "httpd", "hostname", "test", "touch"):
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(entry)
    return packed.getvalue()
