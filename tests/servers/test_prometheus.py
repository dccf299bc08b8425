"""What deploy/ brings for Prometheus and Grafana, and a Prometheus that scrapes a gateway."""

import asyncio
import json
import re
import signal
import urllib.parse
from pathlib import Path

import pytest

from pointsman.testing import connect, eventually, free_port, gateway, upstream
from tests.e2e.stage import routed

pytestmark = [pytest.mark.real("prometheus", "promtool"), pytest.mark.timeout(60)]

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana/pointsman.json"
ALERTS = DEPLOY / "prometheus/alerts.yml"
METRIC = re.compile(r"\b(?:traefik|pointsman|process)_[a-z0-9_]+")
WHOEVER = re.compile(r"\$(instance|entrypoint|service|job)\b")


async def checked_rules(path: Path) -> str:
    judge = await asyncio.create_subprocess_exec(
        "promtool", "check", "rules", str(path), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await judge.communicate()
    return said.decode() if judge.returncode else ""


def expressions() -> list[str]:
    dashboard = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    return [WHOEVER.sub(".*", expression.replace("$__rate_interval", "5m")) for expression in found]


async def test_rules_and_panels_are_promql_that_promtool_understands(tmp_path: Path) -> None:
    panels = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(expressions())]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": panels}]}))

    assert len(panels) > 20
    assert await checked_rules(tmp_path / "panels.yml") == ""
    assert await checked_rules(ALERTS) == ""


def test_they_name_metrics_that_are_documented_and_no_others() -> None:
    documented = (DEPLOY.parent / "docs/observability.md").read_text()
    used = {re.sub(r"_bucket$", "", name) for name in METRIC.findall(ALERTS.read_text() + " ".join(expressions()))}

    assert len(used) > 15
    assert [name for name in sorted(used) if not _is_documented(name, documented)] == []


def _is_documented(name: str, documented: str) -> bool:
    return name in documented or re.sub(r"_(entrypoint|router|service)_", "_X_", name, count=1) in documented


async def test_prometheus_scrapes_a_gateway_and_counts_its_requests(tmp_path: Path) -> None:
    async with upstream() as shop:
        document = routed({"r": "Host(`a.example`)"}, {"a": shop.url})
        async with gateway(document, {"metrics": {"prometheus": {}}}) as running:
            async with connect(running.port("web")) as client:
                for _ in range(7):
                    assert (await client.get()).status == 200
            port = free_port()
            target = f"127.0.0.1:{running.port('traefik')}"
            scraping = {
                "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
                "rule_files": [str(ALERTS)],
                "scrape_configs": [{"job_name": "pointsman", "static_configs": [{"targets": [target]}]}],
            }
            (tmp_path / "prometheus.yml").write_text(json.dumps(scraping))
            with (tmp_path / "prometheus.log").open("wb") as log:
                judge = await asyncio.create_subprocess_exec(
                    "prometheus",
                    f"--config.file={tmp_path}/prometheus.yml",
                    f"--storage.tsdb.path={tmp_path}/data",
                    f"--web.listen-address=127.0.0.1:{port}",
                    stdout=log,
                    stderr=log,
                )

            async def answers(query: str) -> list[str]:
                async with connect(port) as client:
                    found = await client.get(f"/api/v1/query?query={urllib.parse.quote(query)}", connection="close")
                if found.status != 200:  # it is not ready yet
                    return []
                return [each["value"][1] for each in json.loads(found.body)["data"]["result"]]

            counted = 'sum(traefik_entrypoint_requests_total{code="200",entrypoint="web"})'
            try:
                await eventually(lambda: _is(answers(counted), ["7"]))
                assert await answers('up{job="pointsman"}') == ["1"]
                assert await answers('traefik_service_request_duration_seconds_count{service="a@file"}') == ["7"]
            finally:
                judge.send_signal(signal.SIGTERM)
                await judge.wait()


async def _is(answering: "asyncio.Future[list[str]]", expected: list[str]) -> bool:
    return await answering == expected
