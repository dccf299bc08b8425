"""pebble, a certificate authority that speaks ACME, and the name server it asks, from Debian; on ports of 127.0.0.1."""

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import ClientSession, web

from pointsman.testing import free_port

needs_pebble = pytest.mark.skipif(
    not shutil.which("pebble") or not shutil.which("pebble-challtestsrv"),
    reason="pebble is not installed: apt-get install pebble",
)


class Pebble:
    """The authority. It proves names at `http_port` and `tls_port` of 127.0.0.1, whatever they are called."""

    def __init__(self, folder: Path, http_port: int, tls_port: int, **settings: Any) -> None:
        self.folder = folder
        self.http_port, self.tls_port = http_port, tls_port
        self.port, self._management, self._dns, self._names = free_port(), free_port(), free_port(), free_port()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "authority.pem"))
        leaf = authority.issue_cert("localhost", "127.0.0.1")
        leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
        leaf.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
        self.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(self.server_context)
        self.client_context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
        document = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(folder / "cert.pem"),
            "privateKey": str(folder / "key.pem"),
            "httpPort": http_port,
            "tlsPort": tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            **settings,
        }
        (folder / "pebble.json").write_text(json.dumps({"pebble": document}))
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def directory(self) -> str:
        return f"https://127.0.0.1:{self.port}/dir"

    @property
    def trust(self) -> str:
        """The file of the authority of its own API."""
        return str(self.folder / "authority.pem")

    @property
    def name_server(self) -> str:
        return f"127.0.0.1:{self._dns}"

    @property
    def records(self) -> str:
        """Where records are set: `POST /set-txt`."""
        return f"http://127.0.0.1:{self._names}"

    def start(self) -> "Pebble":
        names = ["pebble-challtestsrv", "-dns01", self.name_server, "-management", f"127.0.0.1:{self._names}"]
        names += ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]
        self._run(names)
        self._run(["pebble", "-config", str(self.folder / "pebble.json"), "-dnsserver", self.name_server])
        end = time.monotonic() + 20
        while not self._ready():
            if any(process.poll() is not None for process in self.processes) or time.monotonic() > end:
                raise TimeoutError(f"pebble does not start\n{self.log()[-3000:]}")
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        processes, self.processes = self.processes, []
        for process in processes:
            process.terminate()
            process.wait(5)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def root(self) -> str:
        """The certificate that signs what is issued, as PEM."""
        return self._get(f"https://127.0.0.1:{self._management}/roots/0")

    def _run(self, command: list[str]) -> None:
        environ = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0", "PEBBLE_WFE_NONCEREJECT": "20"}
        with (self.folder / "log").open("ab") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, env=environ))

    def _ready(self) -> bool:
        try:
            return "newOrder" in self._get(self.directory)
        except OSError:
            return False

    def _get(self, url: str) -> str:
        with urllib.request.urlopen(url, timeout=5, context=self.client_context) as answer:
            return str(answer.read().decode())


class Limited:
    """A proxy before an authority, at `directory`: the first order is one too many, and may come again after `seconds`."""

    def __init__(self, pebble: Pebble, seconds: int) -> None:
        self.orders: list[float] = []
        """When orders came, by the loop's clock."""
        self.trust = pebble.trust
        self._pebble = pebble
        self._seconds = seconds

    @asynccontextmanager
    async def running(self) -> "AsyncIterator[Limited]":
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        async with ClientSession(auto_decompress=False) as self._session:
            site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._pebble.server_context)
            await site.start()
            self.directory = f"https://127.0.0.1:{runner.addresses[0][1]}/dir"
            try:
                yield self
            finally:
                await runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.Response:
        if "order-plz" in request.path:
            self.orders.append(asyncio.get_running_loop().time())
            if len(self.orders) == 1:
                problem = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many orders"}
                headers = {"Retry-After": str(self._seconds), "Content-Type": "application/problem+json"}
                return web.Response(status=429, text=json.dumps(problem), headers=headers)
        url, sent = f"https://127.0.0.1:{self._pebble.port}{request.path_qs}", await request.read()
        headers = {name: request.headers[name] for name in ("Host", "Content-Type") if name in request.headers}
        context = self._pebble.client_context
        async with self._session.request(request.method, url, data=sent or None, headers=headers, ssl=context) as answer:
            back = {
                name: value for name, value in answer.headers.items() if name not in ("Content-Length", "Transfer-Encoding")
            }
            return web.Response(status=answer.status, body=await answer.read(), headers=back)
