"""pebble, a certificate authority that speaks ACME, and the name server it asks, from Debian; on ports of 127.0.0.1."""

import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import trustme

from pointsman.testing import free_port

needs_pebble = pytest.mark.skipif(
    not shutil.which("pebble") or not shutil.which("pebble-challtestsrv"),
    reason="pebble is not installed: apt-get install pebble",
)


class Pebble:
    """The authority. It proves names at `http_port` and `tls_port` of 127.0.0.1, whatever they are called."""

    def __init__(self, folder: Path, http_port: int, tls_port: int, **settings: Any) -> None:
        self.folder = folder
        self.port, self._management, self._dns, self._names = free_port(), free_port(), free_port(), free_port()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "authority.pem"))
        leaf = authority.issue_cert("localhost", "127.0.0.1")
        leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
        leaf.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
        self._context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
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
        with urllib.request.urlopen(url, timeout=5, context=self._context) as answer:
            return str(answer.read().decode())
