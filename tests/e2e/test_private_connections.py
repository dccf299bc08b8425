"""Clients that authenticate their connection have a connection to the server for themselves (routing.md §6.8)."""

from typing import Any

import pytest

from pointsman.testing import connect, echo, eventually, gateway, upstream


def routes(port: int) -> dict[str, Any]:
    service = {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}"}]}}
    return {"http": {"routers": {"r": {"rule": "PathPrefix(`/`)", "service": "s"}}, "services": {"s": service}}}


@pytest.mark.spec("R-106")
@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
async def test_from_that_request_on_one_upstream_connection_is_the_clients_own(scheme: str) -> None:
    async with upstream(echo()) as server, gateway(routes(server.port)) as running:
        async with connect(running.port()) as other, connect(running.port()) as client:
            assert (await other.get("/", "a.test")).status == 200
            before = server.connections
            assert (await client.get("/", "a.test", authorization=f"{scheme} TlRMTVNTUAAB")).status == 200
            assert server.connections == before + 1
            for _ in range(3):
                assert (await other.get("/", "a.test")).status == 200
                assert (await client.get("/", "a.test")).status == 200
            assert server.connections == before + 1
            assert server.open == before + 1
        await eventually(lambda: server.open == before, "the private connection goes with its client")


async def test_other_authorizations_share_connections() -> None:
    async with upstream(echo()) as server, gateway(routes(server.port)) as running:
        for scheme in ("Basic YTpi", "Bearer x", "NTLMX y"):
            async with connect(running.port()) as client:
                assert (await client.get("/", "a.test", authorization=scheme)).status == 200
        assert server.connections == 1
