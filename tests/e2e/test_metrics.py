"""Somebody watches a gateway with Prometheus: what it shows for what has happened, from all workers."""

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest

from pointsman.testing import answer, connect, eventually, gateway, upstream
from tests.e2e.stage import balancer, head, routed, staged

pytestmark = pytest.mark.timeout(60)

PROMETHEUS = {"addRoutersLabels": True, "headerLabels": {"ua": "User-Agent"}}
STATIC = {
    "metrics": {"prometheus": PROMETHEUS},
    "entryPoints": {"web": {}, "quiet": {"observability": {"metrics": False}}},
}


def dynamic(urls):
    rules = {
        "plain": "Host(`a.example`)",
        "again": {"rule": "Host(`again.example`)", "service": "moody", "middlewares": ["retry", "limit"]},
        "silent": {"rule": "Host(`silent.example`)", "observability": {"metrics": False}},
        "nobody": {"rule": "Host(`nobody.example`)", "service": "nobody"},
    }
    document = routed(rules, urls, moody=balancer(urls["b"]), nobody={"loadBalancer": {"servers": []}})
    document["http"]["middlewares"] = {
        "retry": {"retry": {"attempts": 3, "initialInterval": "1ms", "status": ["500-599"]}},
        "limit": {"ipAllowList": {"sourceRange": ["127.0.0.1"]}},
    }
    return document


async def scraped(stage, text=""):
    """The lines of an exposition that hold `text`, comments left out."""
    found = await stage.get("/metrics", entry_point="traefik")
    assert found.status == 200
    assert found.get("content-type") == "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
    return [line for line in found.body.decode().splitlines() if text in line and not line.startswith("#")]


@pytest.mark.spec("O-58", "O-60", "O-61", "O-62", "O-63", "O-64", "O-65")
async def test_what_happened_is_shown(tmp_path: Path):
    log = tmp_path / "access.log"
    async with staged(dynamic, {**STATIC, "accessLog": {"format": "json", "filePath": str(log)}}) as stage:
        assert (await stage.get()).status == 200
        shown = await scraped(stage, 'entrypoint="web"')
        assert 'traefik_entrypoint_requests_total{code="200",entrypoint="web",method="GET",protocol="http",ua=""} 1' in shown
        assert 'traefik_open_connections{entrypoint="web",protocol="TCP"} 0' in shown
        assert await scraped(
            stage, 'traefik_router_requests_total{code="200",method="GET",protocol="http",router="plain@file"'
        )

        await stage.ask(head("FOO / HTTP/1.1", "Host: a.example", "Accept: text/event-stream", "User-Agent: me"))
        assert 'method="EXTENSION_METHOD",protocol="sse",ua="me"' in "".join(
            await scraped(stage, "entrypoint_requests_total")
        )
        await stage.ask(
            head("POST / HTTP/1.1", "Host: a.example", "Content-Type: application/grpc", "Content-Length: 2", body=b"xy")
        )
        grpc = 'traefik_service_requests_bytes_total{code="2",method="POST",protocol="grpc",service="a@file"} 2'
        assert grpc in await scraped(stage, "grpc")
        with_agents = {line.partition("{")[0] for line in await scraped(stage, 'ua="')}
        assert with_agents == {f"traefik_{family}_requests_total" for family in ("entrypoint", "router", "service")}

        stage["b"].answers(answer(503), answer(503), answer(200))
        assert (await stage.get(host="again.example")).status == 200
        assert await scraped(stage, "retries_total") == ['traefik_service_retries_total{service="moody@file"} 2']
        await eventually(lambda: any('"RetryAttempts":2' in line for line in log.read_text().splitlines()))
        attempts = await scraped(stage, 'service="moody@file"')
        by_code = [line.rpartition(" ")[2] for line in attempts if line.startswith("traefik_service_requests_total")]
        assert sorted(by_code) == ["1", "2"]

        assert (await stage.get(host="unknown.example")).status == 404
        assert (await stage.get(host="nobody.example")).status == 503
        assert (await stage.get(host="silent.example")).status == 200
        await stage.get(entry_point="quiet")
        text = "\n".join(await scraped(stage))
        assert 'traefik_entrypoint_requests_total{code="404",entrypoint="web",method="GET",protocol="http",ua=""} 1' in text
        assert (
            'traefik_service_requests_total{code="503",method="GET",protocol="http",service="nobody@file",ua=""} 1' in text
        )
        assert "silent@file" not in text
        assert 'requests_total{code="200",entrypoint="quiet"' not in text
        assert "@internal" not in text

        (reloads,) = await scraped(stage, "traefik_config_reloads_total")
        broken = stage.gateway.folder / "dynamic" / "broken.yml"
        broken.write_text("http: {routers: 7}")
        await eventually(lambda: "broken.yml" in stage.gateway.log())
        assert await scraped(stage, "traefik_config_reloads_total") == [reloads]
        broken.unlink()

        left = dynamic(stage.urls)
        del left["http"]["routers"]["plain"]
        await stage.gateway.update(left)
        assert await scraped(stage, 'router="plain@file"')
        assert not await scraped(stage, 'router="plain@file"')
        assert await scraped(stage, 'entrypoint_requests_total{code="200"')
        (after,) = await scraped(stage, "traefik_config_reloads_total")
        assert int(after.split()[1]) > int(reloads.split()[1])


@pytest.mark.real("promtool")
async def test_promtool_finds_nothing_wrong_and_workers_count_together(tmp_path: Path):
    """Two workers, one of which dies: what it has counted stays."""
    guarded = {"ipAllowList": {"sourceRange": ["10.0.0.1"]}}
    async with upstream() as shop:
        document = routed(
            {"r": "Host(`a.example`)", "no": {"rule": "Host(`b.example`)", "middlewares": ["g"]}}, {"a": shop.url}
        )
        document["http"]["middlewares"] = {"g": guarded}
        check = {"path": "/", "interval": "100ms"}
        document["http"]["services"]["a"]["loadBalancer"]["healthCheck"] = check
        async with gateway(document, {"metrics": {"prometheus": {}}}, workers=2) as running:

            async def scraped(text):
                async with connect(running.port("traefik")) as client:
                    found = await client.get("/metrics", connection="close")
                body = found.body.decode()
                return body, [line for line in body.splitlines() if line.startswith(text)]

            async def asked(times, host="a.example"):
                for _ in range(times):
                    async with connect(running.port("web")) as client:
                        await client.get("/", host, connection="close")

            await asked(10)
            await asked(1, "b.example")
            counted = 'traefik_entrypoint_requests_total{code="200",entrypoint="web",method="GET",protocol="http"}'
            assert (await scraped(counted))[1] == [f"{counted} 10"]
            refused = "pointsman_refused_requests_total"
            reason = '{reason="The client\'s address is not allowed",router="no@file"} 1'
            assert (await scraped(refused))[1] == [refused + reason]
            up = f'traefik_service_server_up{{service="a@file",url="{shop.url}"}} 1'
            assert (await scraped("traefik_service_server_up"))[1] == [up]
            assert len((await scraped("pointsman_worker_restarts_total"))[1]) == 2

            os.kill(_a_worker(running.process.pid), signal.SIGKILL)
            await eventually(lambda: "is replaced" in running.log())
            await running.live()
            await asked(5)
            body, lines = await scraped(counted)
            assert lines == [f"{counted} 15"]
            assert re.search(r"^pointsman_worker_restarts_total\{worker=\"[01]\"\} 1$", body, re.MULTILINE)

        judge = await asyncio.create_subprocess_exec(
            "promtool", "check", "metrics", stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        _, said = await judge.communicate(body.encode())
        assert said.decode() == ""


def _a_worker(control: int) -> int:
    children = (Path(f"/proc/{control}/task/{control}") / "children").read_text().split()
    return int(children[0])
