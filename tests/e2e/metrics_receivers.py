"""Receivers of pushed metrics on this machine: datagrams, framed streams, and OTLP by gRPC."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)


class Datagrams(asyncio.DatagramProtocol):
    """Keeps what comes."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self.address = ""

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.packets.append(data)

    @property
    def lines(self) -> list[str]:
        return b"".join(self.packets).decode().splitlines()


@asynccontextmanager
async def over_udp(host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Datagrams]:
    transport, kept = await asyncio.get_running_loop().create_datagram_endpoint(Datagrams, local_addr=(host, port))
    host, port, *_ = transport.get_extra_info("sockname")
    kept.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        yield kept
    finally:
        transport.close()


@asynccontextmanager
async def over_unix(path: str) -> AsyncIterator[Datagrams]:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bound.setblocking(False)
    bound.bind(path)
    transport, kept = await asyncio.get_running_loop().create_datagram_endpoint(Datagrams, sock=bound)
    try:
        yield kept
    finally:
        transport.close()


@asynccontextmanager
async def over_stream(path: str) -> AsyncIterator[Datagrams]:
    """Each message after its length, four bytes of it, the low one first."""
    kept = Datagrams()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                size = int.from_bytes(await reader.readexactly(4), "little")
                kept.packets.append(await reader.readexactly(size))
        writer.close()

    server = await asyncio.start_unix_server(talk, path)
    try:
        yield kept
    finally:
        server.close()
        await server.wait_closed()


class _Service(metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self, kept: list[ExportMetricsServiceRequest]) -> None:
        self._kept = kept

    def Export(self, request: ExportMetricsServiceRequest, context: Any) -> ExportMetricsServiceResponse:
        self._kept.append(request)
        return ExportMetricsServiceResponse()


@contextmanager
def over_grpc() -> Iterator[tuple[str, list[ExportMetricsServiceRequest]]]:
    """Host and port, and what has come."""
    kept: list[ExportMetricsServiceRequest] = []
    server = grpc.server(ThreadPoolExecutor(2))
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(_Service(kept), server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", kept
    finally:
        server.stop(None).wait()
