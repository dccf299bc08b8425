"""Consul, as `.ci/consul` puts it here: one server with access control, on ports of 127.0.0.1 that were free."""

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pointsman.testing import free_port

needs_consul = pytest.mark.skipif(
    not shutil.which("consul"), reason="Consul is not installed: .ci/consul puts Debian 11's into /usr/local/bin"
)
MASTER = "11111111-2222-3333-4444-555555555555"


class Consul:
    """One server; `start` again after `kill` goes on with what it had, on the same port."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        ports = {name: free_port() for name in ("dns", "server", "serf_lan", "grpc")}
        configuration = {
            "data_dir": str(folder / "data"),
            "server": True,
            "bootstrap_expect": 1,
            "bind_addr": "127.0.0.1",
            "client_addr": "127.0.0.1",
            "disable_update_check": True,
            "node_name": "node-a",
            "ports": {"http": self.port, "serf_wan": -1, **ports},
            "performance": {"raft_multiplier": 1},
            "connect": {"enabled": True},
            "ui": False,
            "acl": {"enabled": True, "default_policy": "deny", "tokens": {"master": MASTER, "agent": MASTER}},
        }
        (folder / "consul.json").write_text(json.dumps(configuration))

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> "Consul":
        with (self.folder / "log").open("ab") as log:
            command = ["consul", "agent", "-config-file", str(self.folder / "consul.json")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.ask("GET", "/v1/agent/self")
                self.ask("PUT", "/v1/kv/ready", b"1")
                return self
            except OSError:
                time.sleep(0.05)
        raise TimeoutError(f"Consul is not ready\n{(self.folder / 'log').read_text()[-3000:]}")

    def ask(self, method: str, path: str, body: Any = None, token: str = MASTER) -> Any:
        """The answer, from JSON. Bodies are bytes, or sent as JSON."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.endpoint}{path}", data, {"X-Consul-Token": token}, method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def put(self, **values: str) -> None:
        """Set keys below `traefik/`, all at once; in names `__` is a slash."""
        operations = [
            {"KV": {"Verb": "set", "Key": key, "Value": base64.b64encode(value.encode()).decode()}}
            for key, value in ((f"traefik/{name.replace('__', '/')}", value) for name, value in values.items())
        ]
        self.ask("PUT", "/v1/txn", operations)

    def delete(self, key: str) -> None:
        """Delete a key and all that is below it."""
        self.ask("DELETE", f"/v1/kv/{key}?recurse=true")

    def register(self, name: str, id: str, port: int, *tags: str, **more: Any) -> None:
        service = {"Name": name, "ID": id, "Address": "127.0.0.1", "Port": port, "Tags": list(tags), **more}
        self.ask("PUT", "/v1/agent/service/register", service)

    def deregister(self, *ids: str) -> None:
        for id in ids:
            self.ask("PUT", f"/v1/agent/service/deregister/{id}")

    def token(self, name: str, rules: str) -> str:
        """A token with these rights."""
        self.ask("PUT", "/v1/acl/policy", {"Name": name, "Rules": rules})
        return str(self.ask("PUT", "/v1/acl/token", {"Policies": [{"Name": name}]})["SecretID"])

    @contextmanager
    def proxy(self, service: str) -> Iterator[None]:
        """Consul's own proxy of the mesh, for a service with that id."""
        command = ["consul", "connect", "proxy", "-sidecar-for", service, "-http-addr", self.endpoint]
        with (self.folder / "proxy.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "CONSUL_HTTP_TOKEN": MASTER})
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
