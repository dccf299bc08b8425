"""Three sample services and a gateway that routes to them, until Ctrl-C. `make demo` runs it."""

import datetime
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = Path(__file__).resolve().parent
SERVICES = (("shop one", 9001), ("shop two", 9002), ("blog", 9003))
GATEWAY = "http://127.0.0.1:8000"
SECURE = "https://localhost:8443"
CERTIFICATE, KEY = HERE / "demo.crt", HERE / "demo.key"

TRY = f"""
The gateway is at {GATEWAY}. Try, in another terminal:

  curl {GATEWAY}/shop/cart                     balanced 3:1 over two servers, /shop stripped
  curl -i {GATEWAY}/blog/                      a response header set by a middleware
  curl -H 'Host: blog.localhost' {GATEWAY}/    the same service, by host name
  curl -i {GATEWAY}/nowhere                    404: no router takes it
  curl {GATEWAY}/ping                          how the gateway is
  curl {GATEWAY}/metrics                       what it counts, for Prometheus
  curl {GATEWAY}/api/overview                  what it serves; a browser shows more: {GATEWAY}/dashboard/
  curl --cacert {CERTIFICATE} {SECURE}/shop/cart
                                               over TLS and HTTP/2; -k in place of --cacert trusts anybody

Edit {HERE / "routes.yml"} and ask again: no restart is needed.
Why did a request go where it went?

  cd {HERE} && {{pointsman}} explain GET {GATEWAY}/shop/cart

Ctrl-C stops everything.
"""


def main() -> int:
    taken = [port for port in (8000, 8443, *(port for _, port in SERVICES)) if _taken(port)]
    if taken:
        print(f"the demo needs the ports 8000, 8443 and 9001 to 9003 of 127.0.0.1; taken: {', '.join(map(str, taken))}")
        return 1
    make_certificate()
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


def make_certificate() -> None:
    """A certificate for localhost that nobody trusts unless told to, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Pointsman demo")])
    hosts: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.DNSName("blog.localhost")]
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([*hosts, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem, open_text = serialization.Encoding.PEM, serialization.NoEncryption()
    CERTIFICATE.write_bytes(certificate.public_bytes(pem))
    KEY.touch(0o600)
    KEY.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, open_text))


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
