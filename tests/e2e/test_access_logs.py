"""Lines for requests: what they say, what is left out, who gets none, and where they go (operations.md §3.2 to §3.5)."""

import gzip
import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from pointsman.testing import answer, eventually, free_port, gateway, upstream

from . import paper
from .stage import balancer, head, routed, staged

LINE = re.compile(
    r'(\S+) - (\S+) \[([^]]+)\] "(\S+) (\S+) (\S+)" (\d+) (\d+) "([^"]*)" "([^"]*)" (\d+) "([^"]*)" "([^"]*)" (\d+)ms'
)
NOT_TELLING = {"observability": {"accessLogs": False}}


def lines(path: Path, *, of: str = "") -> list[str]:
    return [line for line in path.read_text().splitlines() if of in line] if path.exists() else []


@pytest.mark.spec("O-53", "O-54", "O-56", "O-57")
async def test_all_workers_write_whole_lines_to_one_file_and_to_a_new_one_when_told(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "access.log"
    fields = {
        "names": {"StartUTC": "drop", "clienthost": "drop"},
        "headers": {"names": {"user-agent": "keep", "Referer": "redact"}},
        "queryParameters": {"defaultMode": "drop"},
    }
    own = tmp_path / "logs" / "own.log"
    static = {
        "entryPoints": {"web": {}, "quiet": NOT_TELLING},
        "ping": {"manualRouting": True},
        "log": {"filePath": str(own), "levels": {"control": "INFO"}},
        "accessLog": {"filePath": str(file), "format": "json", "fields": fields},
    }
    rules = {
        "loud": "PathPrefix(`/loud`)",
        "silent": {"rule": "PathPrefix(`/silent`)", **NOT_TELLING},
        "told": {"rule": "PathPrefix(`/told`)", "observability": {"accessLogs": True}},
        "inside": {"rule": "PathPrefix(`/inside`)", "service": "ping@internal"},
    }
    async with staged(lambda urls: routed(rules, urls), static, ["a"], workers=2) as stage:
        for _ in range(10):
            await stage.get("/loud?secret=1", **{"User-Agent": "UA/1", "Referer": "http://r/"})
        await stage.get("/silent")
        await stage.get("/inside")
        await stage.get("/nowhere", entry_point="quiet")
        await stage.get("/told", entry_point="quiet")
        await stage.get("/nowhere")
        await stage.ask(head("GET /a#frag HTTP/1.1", "Host: a.example"))
        await eventually(lambda: lines(file, of='"/told"') and lines(file, of="/nowhere"), "both are written")

        assert "INF entry point web listens on " in own.read_text()
        own.rename(tmp_path / "own.old")
        moved = file.rename(tmp_path / "access.old")
        stage.gateway.process.send_signal(signal.SIGUSR1)
        await eventually(lambda: file.exists() and own.exists(), "there are new files")
        for _ in range(8):
            await stage.get("/loud/later")
        await eventually(lambda: len(lines(file, of="/loud/later")) == 8, "both workers write to it")

    assert "INF stopped" in own.read_text()
    told = [json.loads(line) for line in lines(moved) if '"traefik"' not in line]
    assert {each["entryPointName"] for each in told if each["RequestPath"] == "/nowhere"} == {"web"}
    assert {each["RequestPath"] for each in told} == {"/loud", "/told", "/nowhere"}
    loud = [each for each in told if each["RequestPath"] == "/loud"]
    assert len(loud) == 10
    assert {"StartUTC", "ClientHost"} & loud[0].keys() == set()
    assert loud[0]["request_User-Agent"] == "UA/1"
    assert loud[0]["request_Referer"] == "REDACTED"
    assert not lines(moved, of="/later")


@pytest.mark.spec("O-52", "O-55", "O-57")
async def test_lines_of_text_and_filters(tmp_path: Path) -> None:
    filters = {"statusCodes": ["200", "500-599"], "minDuration": "150ms", "retryAttempts": True}
    static = {"accessLog": {"filters": filters, "addInternals": True}, "ping": {"manualRouting": True}}

    def dynamic(urls: Any) -> Any:
        again = {"rule": "PathPrefix(`/again`)", "middlewares": ["again"], "service": "two"}
        inside = {"rule": "PathPrefix(`/inside`)", "service": "ping@internal"}
        document = routed(
            {"all": "PathPrefix(`/`)", "again": again, "inside": inside}, urls, two=balancer(urls["closed"], urls["a"])
        )
        document["http"]["middlewares"] = {"again": {"retry": {"attempts": 3}}}
        return document

    async with staged(dynamic, static, ["a"]) as stage:
        stage["a"].answers(answer(404))
        await stage.get("/fine")
        await stage.get("/inside")
        stage["a"].answers(answer(503))
        await stage.get("/failed", **{"User-Agent": 'a "UA"'})
        stage["a"].answers([0.2, *answer(404, {}, b"slow")])
        await stage.get("/slow")
        stage["a"].answers(answer(404))
        await stage.get("/again")
        await stage.get("/again")
        await eventually(lambda: "/again" in stage.gateway.log(), "the last is written")
        printed = stage.gateway.log()

    assert "/fine" not in printed
    failed = LINE.fullmatch(next(line for line in printed.splitlines() if "/failed" in line))
    assert failed is not None
    assert failed.groups()[:2] == ("127.0.0.1", "-")
    assert failed.groups()[3:10] == ("GET", "/failed", "HTTP/1.1", "503", "0", "-", "-")
    assert failed.groups()[11:13] == ("all@file", stage.urls["a"])
    assert "/slow" in printed
    assert "/inside" in printed


@pytest.mark.spec("O-59")
async def test_exporters_get_lines_of_requests_with_their_spans_and_what_all_processes_say(tmp_path: Path) -> None:
    own, kept = tmp_path / "own.log", tmp_path / "access.log"
    with paper.installed(tmp_path):
        async with upstream() as collector:
            collector.answers(answer(200))
            to = {"paper": {"url": collector.url}}
            static = {
                "tracing": to,
                "log": {"level": "INFO", "filePath": str(own), **to},
                "accessLog": {"format": "json", "filePath": str(kept), "dualOutput": True, **to},
                "entryPoints": {"web": {}, "traefik": {"observability": {"tracing": False, "accessLogs": False}}},
            }
            async with staged(lambda urls: routed({"all": "PathPrefix(`/`)"}, urls), static, ["a"], workers=2) as stage:
                await stage.get("/one?x=1")
                await eventually(lambda: paper.logs(collector, "/one") and len(paper.told(collector)) == 2, "all is told")
                (span,) = (span for span in paper.told(collector) if not span.parent_id)
                ((severity, body, attributes, *ids),) = paper.logs(collector, "/one")
                await eventually(lambda: paper.logs(collector, "entry point web listens on"), "the control side is heard")
            await eventually(lambda: paper.logs(collector, "stopping"), "to the end")
    assert (severity, ids) == (9, [span.trace_id, span.span_id])
    line = json.loads(body)
    assert (line["trace_id"], line["span_id"], line["TraceId"], line["SpanId"]) == (*ids, *ids)
    assert lines(kept) == [body]
    assert attributes["RequestPath"] == "/one?x=1"
    assert isinstance(attributes["StartUTC"], int)
    assert "stopped" in own.read_text()


@pytest.mark.parametrize("flags", ["00", "01"])
async def test_collectors_find_what_the_gateway_says_of_a_request_by_its_trace(tmp_path: Path, flags: str) -> None:
    trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

    def told() -> list[Any]:
        bodies = [gzip.decompress(each.body) for each in collector.requests if each.target == b"/v1/logs"]
        of_scopes = [
            scope
            for body in bodies
            for resource in ExportLogsServiceRequest.FromString(body).resource_logs
            for scope in resource.scope_logs
        ]
        records = [record for scope in of_scopes for record in scope.log_records]
        return [record for record in records if "into pieces" in record.body.string_value]

    def tearing(urls: Any) -> Any:
        found = routed({"all": {"rule": "PathPrefix(`/`)", "middlewares": ["torn"]}}, urls)
        return {"http": {**found["http"], "middlewares": {"torn": {"tearing": {"why": "into pieces"}}}}}

    with paper.installed(tmp_path):
        async with upstream() as collector:
            collector.answers(answer(200))
            static = {
                "experimental": {"otlpLogs": True},
                "log": {"otlp": {"http": {"endpoint": collector.url}}},
                "tracing": {"paper": {"url": collector.url}},
                "entryPoints": {"web": {}},
            }
            async with staged(tearing, static, ["a"]) as stage:
                assert (await stage.get("/", Traceparent=f"00-{trace}-{parent}-{flags}")).status == 500
                await eventually(told, "it is told")
    (record,) = told()
    assert (record.trace_id.hex(), record.flags, record.severity_number) == (trace, int(flags), 17)
    assert len(record.span_id) == 8
    assert {each.key for each in record.attributes} == {"routerName"}


async def test_a_file_that_nobody_may_write_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "not-a-folder").write_text("")
    static = {
        "entryPoints": {"web": {"address": f"127.0.0.1:{free_port()}"}},
        "accessLog": {"filePath": str(tmp_path / "not-a-folder" / "access.log")},
    }
    with pytest.raises(RuntimeError, match=r"accessLog.filePath: cannot write to .*access.log: "):
        async with gateway({}, static):
            pass
