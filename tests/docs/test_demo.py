"""`make demo`: what it prints can be typed in, and works."""

import asyncio
import re
import shutil
import subprocess
import sys

import pytest

from pointsman.testing import eventually, free_port

from .documents import ROOT

PORTS = (8000, 8443, 9001, 9002, 9003)


@pytest.fixture
def demo(tmp_path):
    """A copy on ports that are free here."""
    folder = tmp_path / "demo"
    shutil.copytree(ROOT / "examples/demo", folder, ignore=shutil.ignore_patterns("demo.crt", "demo.key", "__pycache__"))
    here = {str(port): str(free_port()) for port in PORTS}
    for path in folder.iterdir():
        path.write_text(re.sub(r"\b\d{4}\b", lambda found: here.get(found[0], found[0]), path.read_text()))
    return folder


async def shell(command):
    """What it prints."""
    ran = await asyncio.to_thread(
        subprocess.run, ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, (command, ran)
    return ran.stdout


@pytest.mark.real("curl")
@pytest.mark.usefixtures("shell_programs")
@pytest.mark.timeout(120)
async def test_everything_it_says_to_try_works(demo):
    with (demo / "log").open("wb") as log:
        running = await asyncio.create_subprocess_exec(sys.executable, demo / "demo.py", stdout=log, stderr=log)
    try:
        await eventually(lambda: "Ctrl-C stops" in (demo / "log").read_text(), "it says what to try")
        said = (demo / "log").read_text()
        tries = dict(_tries(said))
        answers = {meant: await shell(f"{command} -sS") for command, meant in tries.items()}
        assert len(answers) == 8, said
        for meant, words in {
            "balanced 3:1": '"path": "/cart"',
            "a response header": "X-Greeting: hello from Pointsman",
            "by host name": '"service": "blog"',
            "404": "404 Not Found",
            "how the gateway is": "OK",
            "what it counts": 'traefik_router_requests_total{code="200"',
            "what it serves": '"routers":',
            "over TLS and HTTP/2": '"X-Forwarded-Proto": "https"',
        }.items():
            (answer,) = (answer for key, answer in answers.items() if meant in key)
            assert words in answer
        assert "<title>" in await shell(f"curl -sS {re.findall(r'http://[0-9.:]+/dashboard/', said)[0]}")
        assert "/shop/cart" in (demo / "access.log").read_text()
        (explaining,) = re.findall(r"^  (cd .*)$", said, re.MULTILINE)
        assert "shop@file takes the request" in await shell(explaining)
        assert (demo / "demo.key").stat().st_mode & 0o077 == 0
    finally:
        running.terminate()
        await running.wait()


def _tries(said):
    """Each command, and what is said of it beside or below."""
    for command, beside, below in re.findall(r"^  (curl .*?)(?:  +(\S.*)|\n {20,}(\S.*))$", said, re.MULTILINE):
        yield command, beside or below
