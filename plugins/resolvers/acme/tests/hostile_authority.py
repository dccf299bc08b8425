"""An authority that issues whatever it is told to, over HTTP, and checks nothing."""

import base64
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(names, key=KEY, days=90):
    """As PEM, for the public half of a key."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).serial_number(7)
    public = key.public_key() if hasattr(key, "public_key") else key
    builder = (
        builder.public_key(public).not_valid_before(now - timedelta(days=99)).not_valid_after(now + timedelta(days=days))
    )
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    return builder.add_extension(alternatives, False).sign(KEY, hashes.SHA256()).public_bytes(PEM).decode()


class HostileAuthority:
    """`issue(csr) -> text` is what it issues; `manner`: "" or how it answers for its directory.

    `limit`: the status, kind of error and Retry-After by which it refuses orders.
    """

    def __init__(self) -> None:
        self.issue = lambda csr: certificate(names_of(csr), csr.public_key())
        self.manner = ""
        self.limit: tuple[int, str, str] | None = None
        self.asked: list[str] = []
        """The paths of all that it was asked."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None: ...

            def do_HEAD(self) -> None:
                self._say(200, b"")

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                try:
                    outer.directory(self)
                except OSError:
                    self.close_connection = True

            def do_POST(self) -> None:
                outer.asked.append(self.path)
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                payload = base64.urlsafe_b64decode(sent["payload"] + "==")
                outer.answer(self, json.loads(payload) if payload else {})

            def _say(self, status: int, body: bytes, **headers: str) -> None:
                self.send_response(status)
                kind = headers.pop("kind", "application/json")
                sent = {"Replay-Nonce": "bm9uY2U", "Content-Type": kind, "Content-Length": str(len(body)), **headers}
                for name, value in sent.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._csr: Any = None
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def directory(self, handler: Any) -> None:
        if self.manner == "redirects":
            handler._say(302, b"", Location=f"{self.url}/directory?{len(self.asked)}")
        elif self.manner == "busy":
            handler._say(503, b"{}", **{"Retry-After": "3600"})
        elif self.manner == "garbage":
            handler._say(200, b"[[[[" * 100_000)
        elif self.manner in ("endless", "drips"):
            handler.send_response(200)
            handler.send_header("Content-Type", "application/json")
            handler.end_headers()
            handler.close_connection = True
            for _ in range(10_000):
                handler.wfile.write(b" " * 65_536 if self.manner == "endless" else b" ")
                time.sleep(0 if self.manner == "endless" else 0.1)
        else:
            paths = {
                each: f"{self.url}/{each}" for each in ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange")
            }
            handler._say(200, json.dumps(paths).encode())

    def answer(self, handler: Any, payload: Any) -> None:
        path = handler.path.strip("/")
        order = {
            "status": "valid",
            "identifiers": [{"type": "dns", "value": "a.test"}],
            "authorizations": [],
            "finalize": f"{self.url}/finalize",
            "certificate": f"{self.url}/certificate",
        }
        if path == "newOrder" and self.limit is not None:
            status, kind, after = self.limit
            problem = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": "too many orders"}
            body = json.dumps(problem).encode() if kind else b"<html>busy</html>"
            handler._say(status, body, **({"Retry-After": after} if after else {}))
            return
        if path == "finalize":
            self._csr = x509.load_der_x509_csr(base64.urlsafe_b64decode(payload["csr"] + "=="))
        if path == "certificate":
            handler._say(200, self.issue(self._csr).encode(), kind="application/pem-certificate-chain")
        elif path == "newAccount":
            handler._say(201, b'{"status": "valid"}', Location=f"{self.url}/account/1")
        else:
            handler._say(201 if path == "newOrder" else 200, json.dumps(order).encode(), Location=f"{self.url}/order")


def names_of(csr):
    found = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.get_values_for_type(x509.DNSName)
