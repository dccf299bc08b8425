"""Load by wrk: one thread, a script of ours for requests that must not repeat, and exact numbers at the end."""

import subprocess
from pathlib import Path
from typing import Final

from attrs import frozen
from processes import pinned

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
    """What came back."""

    requests: int
    received: int
    seconds: float
    errors: int
    """Connections refused, broken or silent, and answers that are not 2xx or 3xx."""


def run(folder: Path, script: str, port: int, core: int, connections: int, seconds: float) -> Result:
    """Load one gateway for a while; wrk counts whole seconds only."""
    path = folder / "load.lua"
    path.write_text(script + _DONE)
    whole = max(1, round(seconds))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{whole}s", "--timeout=10s", "-s", path, f"http://127.0.0.1:{port}"]
    ran = subprocess.run(pinned(core, *command), capture_output=True, text=True, check=True, timeout=whole + 60)
    numbers = [int(word) for word in ran.stdout.rpartition("RESULT ")[2].split()]
    return Result(numbers[0], numbers[1], numbers[2] / 1e6, sum(numbers[3:8]))
