"""The promise to people with a middleware of their own: pip install it beside the kernel, and it works."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pointsman.testing import answer, connect, gateway, upstream

ROOT = Path(__file__).parents[1]
PIP = ("-m", "pip", "--disable-pip-version-check", "-q")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """The Python of a fresh virtual environment with the kernel and one in-house package, and nothing else of ours."""
    folder = tmp_path_factory.mktemp("elsewhere")
    wheels = folder / "wheels"
    run(sys.executable, *PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, "./core", "./examples/bulkhead")
    run(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv/bin/python"
    run(python, *PIP, "install", "-c", "constraints.txt", *wheels.iterdir())
    return python


def run(*command):
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_installed_plugin_is_listed_and_no_other_package_of_ours_is(elsewhere):
    listed = run(elsewhere, "-m", "pointsman", "plugins")

    assert "bulkhead" in listed
    assert "pointsman-bulkhead" in listed
    assert "stripPrefix" not in listed


def document(url):
    return {
        "http": {
            "routers": {"all": {"rule": "PathPrefix(`/`)", "middlewares": ["few"], "service": "slow"}},
            "middlewares": {"few": {"bulkhead": {"amount": 1}}},
            "services": {"slow": {"loadBalancer": {"servers": [{"url": url}]}}},
        }
    }


async def test_a_request_above_the_amount_is_refused(elsewhere):
    release = asyncio.Event()
    async with (
        upstream([release, *answer(200, body=b"late")], answer(200)) as slow,
        gateway(document(slow.url), command=[str(elsewhere), "-m", "pointsman"]) as running,
        connect(running.port()) as first,
        connect(running.port()) as second,
    ):
        await first.send(b"GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n")
        await slow.received(1)

        refused = await second.get("/2")
        assert (refused.status, refused.body) == (503, b"too many requests in flight\n")

        release.set()
        assert (await first.message()).body == b"late"
        assert (await second.get("/3")).status == 200
