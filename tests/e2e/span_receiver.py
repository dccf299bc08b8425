"""A collector that takes OTLP by HTTP and by gRPC, and Zipkin's reports: all on 127.0.0.1, in threads of its own."""

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import grpc
import trustme
from attrs import Factory, define
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from .span_tree import Told, of_otlp, of_zipkin

PATHS = {"/v1/traces": of_otlp, "/api/v2/spans": of_zipkin}


@define
class Receiver:
    """What has come."""

    http: str = ""
    """Its URL."""
    grpc: str = ""
    """Its host and port."""
    grpc_tls: str = ""
    authority: str = ""
    """Of its certificate, as PEM."""
    spans: list[Told] = Factory(list)
    requests: list[tuple[str, dict[str, str]]] = Factory(list)
    """Path and headers, or the method and the metadata, of each."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.receiver.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        self.receiver.spans += PATHS[self.path](body)
        self.send_response(202 if self.path == "/api/v2/spans" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


class _Service(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
        metadata = dict(context.invocation_metadata())
        self._receiver.requests.append(("Export", metadata))
        self._receiver.spans += of_otlp(request.SerializeToString())
        return ExportTraceServiceResponse()


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that is there for as long as the block lasts."""
    receiver = Receiver()
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"receiver": receiver}))
    http.daemon_threads = True
    thread = Thread(target=http.serve_forever, args=(0.01,))
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(_Service(receiver), server)  # type: ignore[no-untyped-call]
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1")
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    credentials = grpc.ssl_server_credentials([(leaf.private_key_pem.bytes(), chain)])
    receiver.http = f"http://127.0.0.1:{http.server_address[1]}"
    receiver.grpc = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    receiver.grpc_tls = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
    receiver.authority = authority.cert_pem.bytes().decode()
    thread.start()
    server.start()
    try:
        yield receiver
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
        server.stop(None).wait()
