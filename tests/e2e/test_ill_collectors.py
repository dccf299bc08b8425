"""Collectors that are away, deaf, refuse or talk nonsense: no request is slower for it or fails, and no stop takes long."""

import asyncio
import time

import pytest

from pointsman.testing import answer, connect, eventually, gateway, refusing, upstream

REQUESTS = 300


async def deaf(reader, writer):
    """Takes all, says nothing."""
    while await reader.read(65_536):
        pass
    writer.close()


async def babbling(reader, writer):
    """Says what is no answer in any protocol."""
    await reader.read(1)
    writer.write(b"\x00\xff garbage \r\n\r\n" * 50)
    await writer.drain()
    writer.close()


@pytest.mark.spec("O-76")
async def test_requests_do_not_notice_and_the_log_says_so_once_for_each(monkeypatch):
    for name, value in (
        ("BSP_SCHEDULE_DELAY", "20"),
        ("EXPORTER_OTLP_TIMEOUT", "300"),
        ("EXPORTER_JAEGER_TIMEOUT", "300"),
        ("EXPORTER_ZIPKIN_TIMEOUT", "1500"),
    ):
        monkeypatch.setenv(f"OTEL_{name}", value)
    silent = await asyncio.start_server(deaf, "127.0.0.1", 0)
    mad = await asyncio.start_server(babbling, "127.0.0.1", 0)
    ports = [server.sockets[0].getsockname()[1] for server in (silent, mad)]
    with refusing() as closed:
        async with upstream(answer(200, body=b"hello")) as shop, silent, mad:
            tracing = {
                "zipkin": {"httpEndpoint": f"http://127.0.0.1:{ports[0]}/api/v2/spans"},
                "otlp": {"grpc": {"endpoint": f"127.0.0.1:{ports[1]}", "insecure": True}},
                "jaeger": {"collector": {"endpoint": f"http://127.0.0.1:{closed}"}},
            }
            service = {"loadBalancer": {"servers": [{"url": shop.url}]}}
            document = {"http": {"routers": {"r": {"rule": "PathPrefix(`/`)", "service": "s"}}, "services": {"s": service}}}
            async with gateway(document, {"tracing": tracing, "log": {"level": "WARN"}}) as running:
                slowest = 0.0
                async with connect(running.port()) as client:
                    for _ in range(REQUESTS):
                        before = time.monotonic()
                        assert (await client.get("/")).body == b"hello"
                        slowest = max(slowest, time.monotonic() - before)
                assert slowest < 1.0

                def told(name):
                    return running.log().count(f"tracing.{name}: spans cannot be exported")

                await eventually(lambda: told("otlp") and told("jaeger"), "the log tells of it")
                async with connect(running.port()) as client:  # and goes on
                    assert (await client.get("/")).body == b"hello"
                before = time.monotonic()
                assert await running.stop() == 0
                assert time.monotonic() - before < 6.0
                assert [told(name) for name in ("otlp", "jaeger")] == [1, 1]
                assert told("zipkin") <= 1
