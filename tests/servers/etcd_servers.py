"""etcd, from Debian: on ports of 127.0.0.1 that were free, in a folder of its own."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest
import trustme

from pointsman.testing import free_port

needs_etcd = pytest.mark.skipif(
    not shutil.which("etcd") or not shutil.which("etcdctl"),
    reason="etcd is not installed: apt-get install etcd-server etcd-client",
)


class EtcdServer:
    """One member, which is a whole cluster. `start` after `kill` goes on with what it knew, on the same ports.

    With `tls` it speaks that at `endpoint`; etcdctl asks it at another port, without.
    """

    def __init__(self, folder: Path, *options: str, tls: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.options, self.tls = folder, options, tls
        self.port, self._plain_port, self._peer_port = free_port(), free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.login: list[str] = []
        """Options of etcdctl that say who asks."""

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> "EtcdServer":
        client = f"{'https' if self.tls else 'http'}://{self.endpoint},http://127.0.0.1:{self._plain_port}"
        peer = f"http://127.0.0.1:{self._peer_port}"
        command = ["etcd", "--data-dir", str(self.folder / "data"), "--unsafe-no-fsync", "--logger", "zap"]
        command += ["--listen-client-urls", client, "--advertise-client-urls", client]
        command += [
            "--listen-peer-urls",
            peer,
            "--initial-advertise-peer-urls",
            peer,
            "--initial-cluster",
            f"default={peer}",
        ]
        command += ["--heartbeat-interval", "10", "--election-timeout", "100", *self.options, *self.tls]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise TimeoutError(f"etcd does not start\n{(self.folder / 'log').read_text()[-3000:]}")
            time.sleep(0.02)
        return self

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._plain_port}/health", timeout=2) as answer:
                return json.load(answer) == {"health": "true"}
        except OSError:
            return False

    def ctl(self, *words: str) -> str:
        """What etcdctl says to that."""
        command = ["etcdctl", "--endpoints", f"127.0.0.1:{self._plain_port}", *self.login, *words]
        ran = subprocess.run(
            command, env={**os.environ, "ETCDCTL_API": "3"}, capture_output=True, text=True, timeout=20, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def put(self, pairs: dict[str, str]) -> None:
        for key, value in pairs.items():
            self.ctl("put", "--", key, value)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def certificates(folder: Path, authority: trustme.CA) -> list[str]:
    """Options for a server that speaks TLS and wants a certificate; `ca.pem`, `cert.pem` and `key.pem` are in the folder."""
    leaf = authority.issue_cert("127.0.0.1", "localhost")
    folder.mkdir(parents=True, exist_ok=True)
    leaf.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    leaf.private_key_pem.write_to_path(folder / "key.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    files = {"--cert-file": "cert.pem", "--key-file": "key.pem", "--trusted-ca-file": "ca.pem"}
    return ["--client-cert-auth", *(part for option, name in files.items() for part in (option, str(folder / name)))]
