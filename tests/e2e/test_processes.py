"""Control and workers: death and replacement, signals, and the end (design.md §3, operations.md §1.10)."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from pointsman.testing import connect, eventually, gateway, upstream
from pointsman.testing.gateways import Gateway


def children_of(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def libraries_of(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


def routes(port: int) -> dict[str, Any]:
    service = {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}"}]}}
    return {"http": {"routers": {"r": {"rule": "PathPrefix(`/`)", "service": "s"}}, "services": {"s": service}}}


async def status_of(port: int) -> int:
    async with connect(port) as client:
        answer = await client.get("/", "a.test", connection="close")
        return answer.status


async def test_what_a_middleware_says_of_its_options_is_said_once_however_many_build_it() -> None:
    async with upstream() as server:
        document = routes(server.port)
        document["http"]["middlewares"] = {"m": {"stripPrefix": {"prefixes": ["/x"], "forceSlash": True}}}
        document["http"]["routers"] |= {
            name: {"rule": f"Host(`{name}.test`)", "service": "s", "middlewares": ["m"]} for name in ("one", "two")
        }
        async with gateway(document, {"log": {"level": "WARN"}}, workers=2) as running:
            said = [line for line in running.log().splitlines() if "forceSlash" in line]
            assert len(said) == 1, said
            assert " WRN http.middlewares.m@file: stripPrefix.forceSlash" in said[0]


async def test_a_worker_that_dies_is_replaced_and_nobody_is_refused() -> None:
    async with upstream() as server, gateway(routes(server.port), workers=2) as running:
        workers = children_of(running.process.pid)
        assert len(workers) == 2
        assert "aiohttp" in libraries_of(running.process.pid)
        assert not any("aiohttp" in libraries_of(pid) for pid in workers), "libraries of providers cost memory"
        victim = min(workers)
        os.kill(victim, signal.SIGKILL)
        # The dead worker's socket stays open in the control process: who lands there waits for the replacement.
        for _ in range(20):
            assert await status_of(running.port()) == 200
        await eventually(lambda: len(children_of(running.process.pid) - {victim}) == 2, "the worker is replaced")
        assert "is replaced" in running.log()
        for _ in range(20):
            assert await status_of(running.port()) == 200


async def test_a_replacement_serves_the_latest_configuration() -> None:
    async with upstream() as server, gateway(routes(server.port), workers=2) as running:
        await running.update({"http": {}})
        for worker in children_of(running.process.pid):
            os.kill(worker, signal.SIGKILL)
        await running.live()
        for _ in range(10):
            assert await status_of(running.port()) == 404


async def test_when_control_dies_the_workers_leave() -> None:
    async with upstream() as server, gateway(routes(server.port), workers=2) as running:
        workers = children_of(running.process.pid)
        running.process.kill()
        running.process.wait()
        await eventually(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), "the workers leave")


async def test_a_worker_asked_to_leave_finishes_its_requests_and_is_replaced() -> None:
    async with upstream() as server, gateway(routes(server.port), workers=2) as running:
        victim = min(children_of(running.process.pid))
        os.kill(victim, signal.SIGTERM)
        for _ in range(20):
            assert await status_of(running.port()) == 200
        await eventually(lambda: len(children_of(running.process.pid) - {victim}) == 2, "the worker is replaced")


@pytest.mark.spec("P-17")
async def test_sighup_reads_files_again_that_are_not_watched(tmp_path: Path) -> None:
    file = tmp_path / "routes.json.yml"
    async with upstream() as server:
        file.write_text(json.dumps(routes(server.port)))
        static = {"providers": {"file": {"filename": str(file), "watch": False}}}
        running = Gateway({}, static)
        running.spawn()
        try:

            async def answers(status: int) -> bool:
                return await status_of(running.port()) == status

            await eventually(lambda: answers(200), "the file is read at the start")
            file.write_text(json.dumps({"http": {"routers": {}}}))
            running.process.send_signal(signal.SIGHUP)
            await eventually(lambda: answers(404), "the file is read again")
        finally:
            await running.stop()
            running.remove()


async def test_sigusr1_reopens_the_log_file(tmp_path: Path) -> None:
    file = tmp_path / "gateway.log"
    static = {"log": {"level": "INFO", "filePath": str(file)}}
    async with upstream() as server, gateway(routes(server.port), static) as running:
        await eventually(lambda: "listens on" in file.read_text(), "it says where it listens")
        file.rename(tmp_path / "old.log")
        running.process.send_signal(signal.SIGUSR1)
        await running.stop()
        assert "stopped" in file.read_text()
