"""Kinds of load: each runs a client on the other core for a while, and says how much was done and what went wrong.

`check` makes one request or exchange and puts it in words: gateways that answer it alike do the same work. TLS clients
offer one cipher suite and one group (`CLIENT_TLS`): servers choose differently where they may, and AES-256 is dearer than
AES-128.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from attrs import frozen
from processes import pinned

HOST: Final = "h0.example"
CLIENT_TLS: Final = """
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = default
[default]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
"""
_DONE: Final = """
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d %d %d\\n", summary.requests, summary.bytes, summary.duration,
    e.connect, e.read, e.write, e.timeout, e.status))
end
"""

SAME: Final = """
request = function() return "GET /hello HTTP/1.1\\r\\nHost: h0.example\\r\\nUser-Agent: wrk\\r\\nAccept: */*\\r\\n\\r\\n" end
"""
"""A client that repeats itself to the byte."""

OTHER_ID: Final = """
local n = 0
request = function()
  n = n + 1
  return string.format("GET /hello HTTP/1.1\\r\\nHost: h0.example\\r\\nUser-Agent: wrk\\r\\nAccept: */*\\r\\n" ..
    "X-Request-Id: %08x-%08x\\r\\n\\r\\n", math.random(0, 4294967295), n)
end
"""
"""A client that never repeats itself: every request bears another number."""

OTHER_HOST: Final = """
local requests, n = {}, 0
for i = 0, 9999 do
  requests[i] = "GET /hello HTTP/1.1\\r\\nHost: h" .. i .. ".example\\r\\nUser-Agent: wrk\\r\\nAccept: */*\\r\\n\\r\\n"
end
request = function() n = (n + 7919) % 10000 return requests[n] end
"""
"""Ten thousand hosts, each as often as any other, and none twice running."""

DOWNLOAD: Final = """
request = function() return "GET /big HTTP/1.1\\r\\nHost: h0.example\\r\\n\\r\\n" end
"""
BODY_BYTES: Final = 10 * 1024 * 1024
UPLOAD: Final = f"""
local upload = "POST /upload HTTP/1.1\\r\\nHost: h0.example\\r\\nContent-Length: {BODY_BYTES}\\r\\n\\r\\n" ..
  string.rep("x", {BODY_BYTES})
request = function() return upload end
"""


@frozen
class Result:
    """What was done in a while."""

    units: float
    """Requests, handshakes, messages, or MiB."""
    seconds: float
    errors: int
    """Connections refused, broken or silent, answers that are not 2xx or 3xx, echoes that were not one."""


class Load(Protocol):
    """A client program and how it is called."""

    def check(self, folder: Path, port: int) -> str:
        """What one exchange through a gateway looks like. SystemExit if there is none."""

    def run(self, folder: Path, port: int, core: int, seconds: float) -> Result:
        """Load a gateway on 127.0.0.1 for a while."""


@frozen
class Wrk:
    """HTTP/1.1, one thread, a script of ours for requests that must not repeat, and exact numbers at the end.

    Note that wrk resumes TLS sessions when it connects again, so that it cannot measure handshakes.
    """

    script: str
    connections: int = 50
    scheme: str = "http"
    unit: str = "request"
    """`download` and `upload` count MiB of bodies instead."""
    cookie: str = ""
    """Every request brings the cookie of this name that one answer gave before, if there was one."""
    header: str = ""
    """A line that the script sends, and whoever checks must send, too."""

    def check(self, folder: Path, port: int) -> str:
        path = "/hello" if self.unit == "request" else f"/{'big' if self.unit == 'download' else 'upload'}"
        upload: tuple[object, ...] = ("--data-binary", f"@{folder}/big", "-H", "Expect:") if self.unit == "upload" else ()
        upload += ("-H", self.header) if self.header else ()
        tls = secured(folder, port) if self.scheme == "https" else ""
        return f"{tls}{fetched(folder, f'{self.scheme}://{HOST}:{port}{path}', '--http1.1', *upload)}"

    def run(self, folder: Path, port: int, core: int, seconds: float) -> Result:
        """wrk counts whole seconds only."""
        path = folder / "load.lua"
        path.write_text(self._with_cookie(folder, port) + _DONE)
        whole = max(1, round(seconds))
        url = f"{self.scheme}://127.0.0.1:{port}"
        output = _ran(
            folder, core, whole + 60, "wrk", "-t1", f"-c{self.connections}", f"-d{whole}s", "--timeout=10s", "-s", path, url
        )
        numbers = [int(word) for word in output.rpartition("RESULT ")[2].split()]
        units: float = numbers[0]
        if self.unit == "download":
            units = numbers[1] / 2**20
        elif self.unit == "upload":
            units = numbers[0] * BODY_BYTES / 2**20
        return Result(units, numbers[2] / 1e6, sum(numbers[3:8]))

    def _with_cookie(self, folder: Path, port: int) -> str:
        if not self.cookie:
            return self.script
        head = fetched(folder, f"{self.scheme}://{HOST}:{port}/hello", "-i")
        given = re.search(rf"(?i)set-cookie: ({re.escape(self.cookie)}=[^;]+)", head)
        line = f"Cookie: {given[1] if given else f'{self.cookie}=none'}"
        return self.script.replace("\\r\\n\\r\\n", f"\\r\\n{line}\\r\\n\\r\\n", 1)


@frozen
class H2load:
    """HTTP/2: over TLS, or with prior knowledge if the scheme is http."""

    scheme: str
    connections: int = 50
    streams: int = 10
    grpc: bool = False
    """POST a small message as gRPC clients do, and want it back with trailers."""

    def check(self, folder: Path, port: int) -> str:
        tls = secured(folder, port, "h2") if self.scheme == "https" else ""
        how = ("--http2" if self.scheme == "https" else "--http2-prior-knowledge",)
        if self.grpc:
            how += ("--data-binary", f"@{folder}/message", *_flags(GRPC_HEADERS))
        answer = fetched(folder, f"{self.scheme}://{HOST}:{port}/hello", *how)
        return f"{tls}{answer}{self._trailer(folder, port) if self.grpc else ''}"

    def _trailer(self, folder: Path, port: int) -> str:
        """The gRPC status, which curl does not show."""
        headers = _flags({**GRPC_HEADERS, ":authority": HOST})
        command = ["nghttp", "-nv", "-d", folder / "message", *headers, f"{self.scheme}://127.0.0.1:{port}/hello"]
        found = re.findall(r"grpc-status: \S+", _out(folder, list(map(str, command)), 20))
        return f" and trailer {', '.join(found)}"

    def run(self, folder: Path, port: int, core: int, seconds: float) -> Result:
        how: list[object] = [f"-c{self.connections}", f"-m{self.streams}", f"-D{max(1, round(seconds))}"]
        if self.grpc:
            how += ["-d", folder / "message", *_flags(GRPC_HEADERS)]
        url = f"{self.scheme}://127.0.0.1:{port}/hello"
        output = _ran(folder, core, seconds + 60, "h2load", *how, "-H", f":authority: {HOST}", url)
        good = re.search(r"status codes: (\d+) 2xx", output)
        bad = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", output)
        if good is None or bad is None:
            raise SystemExit(f"h2load said:\n{output}")
        took = re.search(r"finished in ([\d.]+)(m?s)", output)
        span = float(took[1]) / (1000 if took[2] == "ms" else 1) if took else seconds
        return Result(int(good[1]), span, sum(int(number) for number in bad.groups()))


@frozen
class Handshakes:
    """A TLS connection per request (HTTP/1.0, no Host), by several `openssl s_time` at once, which tell for every connection
    whether its session was resumed; the wrong kind counts as an error."""

    resumed: bool
    processes: int = 8

    def check(self, folder: Path, port: int) -> str:
        answer = fetched(folder, f"https://{HOST}:{port}/hello", "--http1.0", "--no-alpn")
        return f"{secured(folder, port)}{answer.replace('HTTP/1.1', 'HTTP/1')}"

    def run(self, folder: Path, port: int, core: int, seconds: float) -> Result:
        kind = "-reuse" if self.resumed else "-new"
        whole = max(1, round(seconds))
        command = pinned(core, "openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-www", "/hello", kind, "-time", whole)
        environment = tls_environment(folder)
        running = [
            subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
            for _ in range(self.processes)
        ]
        outputs = [process.communicate(timeout=whole + 60)[0] for process in running]
        marks = [re.findall(r"^[*rt]+$", output, re.MULTILINE) for output in outputs]
        wanted, other = ("r", "*") if self.resumed else ("*", "r")
        done = sum(line.count(wanted) for each in marks for line in each)
        wrong = sum(line.count(other) for each in marks for line in each)
        failed = sum(process.returncode != 0 for process in running)
        return Result(done + wrong, whole, failed + max(0, wrong - 2 * self.processes))


@frozen
class Echo:
    """Our own client, `client.py`: messages that come back (`tcp`, `websocket`, `udp`), or bytes that come (`source`)."""

    kind: str
    connections: int = 50
    size: int = 64
    tls: bool = False

    def check(self, folder: Path, port: int) -> str:
        return str(self._ran(folder, port, 1, 0.2)["what"])

    def run(self, folder: Path, port: int, core: int, seconds: float) -> Result:
        told = self._ran(folder, port, core, seconds)
        return Result(told["units"], told["seconds"], told["errors"])

    def _ran(self, folder: Path, port: int, core: int, seconds: float) -> dict[str, float]:
        script = Path(__file__).with_name("client.py")
        wanted = (self.kind, port, self.connections, seconds, self.size, HOST if self.tls else "-")
        found: dict[str, float] = json.loads(_ran(folder, core, seconds + 60, sys.executable, script, *wanted))
        return found


GRPC_HEADERS: Final = {"content-type": "application/grpc", "te": "trailers"}


def tls_environment(folder: Path) -> dict[str, str]:
    """For clients; never for a gateway."""
    return {**os.environ, "OPENSSL_CONF": str(folder / "client.cnf")}


def secured(folder: Path, port: int, alpn: str = "") -> str:
    """What TLS a gateway agrees to: version, cipher suite, group, key of the certificate, protocol."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", HOST]
    command += ["-alpn", f"{alpn},http/1.1"] if alpn else []
    output = _out(folder, command, 20)
    words = (r"New, (TLS\S+), Cipher is (\S+)", r"Server Temp Key: (\S+),", r"Peer signature type: (\S+)")
    found = [match.groups() for word in (*words, r"Server public key is (\d+) bit") if (match := re.search(word, output))]
    if len(found) != 4 or "NONE" in output.partition("Cipher is ")[2][:8]:
        raise SystemExit(f"no TLS at port {port}:\n{output}")
    protocol = re.search(r"ALPN protocol: (\S+)", output)
    return " ".join(word for groups in found for word in groups) + f" {protocol[1] if protocol else 'no ALPN'}, "


def fetched(folder: Path, url: str, *how: object) -> str:
    """Version, status and body of an answer, as curl sees it."""
    where = ("--connect-to", "::127.0.0.1:", "-k", "-s", "-S", "--max-time", 20)
    output = _out(folder, ["curl", *map(str, where), *map(str, how), "-w", "|HTTP/%{http_version} %{http_code}", url], 30)
    body, _, outcome = output.rpartition("|")
    shown = body if len(body) < 10_000 else f"{len(body)} characters"
    return f"{shown!r} {outcome}"


def _flags(headers: Mapping[str, str]) -> list[object]:
    return [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]


def _out(folder: Path, command: list[str], limit: float) -> str:
    environment = tls_environment(folder)
    ran = subprocess.run(command, input=b"", capture_output=True, check=False, timeout=limit, env=environment)
    if ran.returncode and command[0] == "curl":
        raise SystemExit(f"{' '.join(command)}\n{ran.stderr.decode(errors='replace')}")
    return ran.stdout.decode("latin-1")


def _ran(folder: Path, core: int, limit: float, *command: object) -> str:
    ran = subprocess.run(
        pinned(core, *command), capture_output=True, text=True, check=False, timeout=limit, env=tls_environment(folder)
    )
    if ran.returncode:
        raise SystemExit(f"{command[0]} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
    return ran.stdout
