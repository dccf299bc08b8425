"""Three sample services and a gateway that routes to them, until Ctrl-C. `make demo` runs it."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
SERVICES = (("shop one", 9001), ("shop two", 9002), ("blog", 9003))
GATEWAY = "http://127.0.0.1:8000"

TRY = f"""
The gateway is at {GATEWAY}. Try, in another terminal:

  curl {GATEWAY}/shop/cart                     balanced 3:1 over two servers, /shop stripped
  curl -i {GATEWAY}/blog/                      a response header set by a middleware
  curl -H 'Host: blog.localhost' {GATEWAY}/    the same service, by host name
  curl -i {GATEWAY}/nowhere                    404: no router takes it
  curl {GATEWAY}/ping                          how the gateway is

Edit {HERE / "routes.yml"} and ask again: no restart is needed.
Why did a request go where it went?

  cd {HERE} && {{pointsman}} explain GET {GATEWAY}/shop/cart

Ctrl-C stops everything.
"""


def main() -> int:
    taken = [port for port in (8000, *(port for _, port in SERVICES)) if _taken(port)]
    if taken:
        print(f"the demo needs the ports 8000 and 9001 to 9003 of 127.0.0.1; taken: {', '.join(map(str, taken))}")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    programs = [[sys.executable, str(HERE / "service.py"), name, str(port)] for name, port in SERVICES]
    programs.append([sys.executable, "-m", "pointsman"])
    running: list[subprocess.Popen[bytes]] = []
    try:
        running += [subprocess.Popen(program, cwd=HERE, start_new_session=True) for program in programs]
        if not _answers(running):
            print("the gateway did not start; its messages are above")
            return 1
        pointsman = Path(sys.executable).with_name("pointsman")
        shown = os.path.relpath(pointsman, HERE) if pointsman.exists() else f"{sys.executable} -m pointsman"
        print(TRY.replace("{pointsman}", shown), flush=True)
        while all(process.poll() is None for process in running):
            time.sleep(0.2)
        print("one of the programs has ended; stopping the others")
        return 1
    except KeyboardInterrupt:
        print("\nstopping")
        return 0
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


def _answers(running: list["subprocess.Popen[bytes]"]) -> bool:
    """Whether the gateway answers, and every service behind it, within 20 seconds."""
    paths = ["/ping", "/shop/", "/shop/", "/shop/", "/shop/", "/blog/"]
    for _ in range(200):
        if any(process.poll() is not None for process in running):
            return False
        try:
            for path in paths:
                urllib.request.urlopen(GATEWAY + path, timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
