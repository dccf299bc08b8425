"""What a gateway tells of itself through its API (operations.md §6), asked through its own routers."""

import asyncio
import gzip
import io
import json
import re
import tarfile
from urllib.parse import quote

import jsonschema
import pytest
import pytest_asyncio
import trustme

from pointsman.testing import connect, eventually

from .stage import balancer, head, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

API = {"rule": "PathPrefix(`/gw`)", "service": "api@internal", "priority": 900, "entryPoints": ["web"]}
ECHO = {"rule": "Host(`a.test`)", "service": "echo", "middlewares": ["front"]}
STATIC = {
    "api": {"basePath": "/gw", "debug": True, "dashboardName": "Ours"},
    "ping": {"manualRouting": True},
    "entryPoints": {"web": {}, "b": {"http": {"middlewares": ["front@file"]}}, "u": {"address": "127.0.0.1:0/udp"}},
}
TEN = {f"r{number}": {"rule": f"Host(`r{number}.test`)", "service": "echo", "entryPoints": ["web"]} for number in range(10)}
AUTHORITY = trustme.CA()


def dynamic(urls):
    leaf = AUTHORITY.issue_cert("a.test", "127.0.0.1")
    pair = {"certFile": leaf.cert_chain_pems[0].bytes().decode(), "keyFile": leaf.private_key_pem.bytes().decode()}
    checked = {"path": "/health", "interval": "50ms", "timeout": "1s", "headers": {"X-Api-Token": "hush"}}
    return {
        "http": {
            "routers": {
                **TEN,
                "api": API,
                "echo": {**ECHO, "entryPoints": ["web"]},
                "x": {**ECHO, "rule": "Host(`x.test`)", "entryPoints": ["web", "b"]},
                "sl/ash": {"rule": "Path(`/sl`)", "service": "echo", "entryPoints": ["web"]},
                "lost": {"rule": "Host(`lost.test`)", "service": "nobody", "entryPoints": ["web"]},
                "odd": {"rule": "Host(`odd.test`)", "service": "echo", "entryPoints": ["web", "nope"]},
                "high": {"rule": "Host(`high.test`)", "service": "echo", "entryPoints": ["web"], "priority": 2**63 - 1},
                "shaky": {"rule": "Host(`shaky.test`)", "service": "shaky", "entryPoints": ["web"]},
                "secret": {"rule": "Host(`secret.test`)", "service": "echo", "entryPoints": ["web"], "tls": {}},
            },
            "services": {
                "echo": balancer(urls["a"]),
                "shaky": balancer(urls["closed"], passiveHealthCheck={"failureWindow": "60s"}),
                "checked": balancer(urls["a"], urls["closed"], healthCheck=checked),
            },
            "middlewares": {
                "front": {"headers": {"customRequestHeaders": {"Authorization": "Basic aHVzaA==", "X-A": "b"}}},
                "door": {"basicAuth": {"users": ["hush:$2y$05$hush"]}},
            },
        },
        "tcp": {
            "routers": {"t": {"rule": "HostSNI(`*`)", "service": "t", "entryPoints": ["b"], "middlewares": ["few"]}},
            "services": {"t": {"loadBalancer": {"servers": [{"address": urls["a"].removeprefix("http://")}]}}},
            "middlewares": {"few": {"inFlightConn": {"amount": 10}}},
        },
        "udp": {
            "routers": {"u": {"service": "u", "entryPoints": ["u"]}},
            "services": {"u": {"loadBalancer": {"servers": [{"address": urls["a"].removeprefix("http://")}]}}},
        },
        "tls": {"certificates": [pair]},
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage():
    async with staged(dynamic, STATIC, ["a"], workers=2) as running:
        yield running


async def told(stage, path, **headers):
    answer = await stage.get(f"/gw{path}", "gw.test", **headers)
    return json.loads(answer.body)


async def names(stage, query):
    return [each["name"] for each in await told(stage, f"/api/http/routers?{query}")]


@pytest.mark.spec("O-77")
async def test_a_list_has_pages_and_says_which_comes_next(stage):
    ours = [f"r{number}@file" for number in range(10)]
    first = await stage.get("/gw/api/http/routers?per_page=4&search=host(`r", "gw.test")
    last = await stage.get("/gw/api/http/routers?per_page=4&page=3&search=host(`r", "gw.test")

    assert [each["name"] for each in json.loads(first.body)] == ours[:4]
    assert (first.get("x-next-page"), last.get("x-next-page")) == ("2", "1")
    assert [each["name"] for each in json.loads(last.body)] == ours[8:]
    for query in ("page=0", "page=99", "per_page=none"):
        answer = await stage.get(f"/gw/api/http/routers?{query}", "gw.test")
        assert (answer.status, answer.get("content-type")) == (400, "application/json")
        assert "invalid request" in json.loads(answer.body)["message"]


@pytest.mark.spec("O-78")
async def test_lists_are_searched_filtered_and_sorted(stage):
    assert await names(stage, "search=A.TEST") == ["echo@file"]
    assert await names(stage, "status=disabled") == ["high@file", "lost@file"]
    assert await names(stage, "status=DISABLED&search=lost") == ["lost@file"]
    assert "echo@file" in await names(stage, "serviceName=echo@file")
    assert "lost@file" not in await names(stage, "serviceName=echo@file")
    assert await names(stage, "middlewareName=front@file") == ["b-x@file", "echo@file", "x@file"]
    by_priority = await told(stage, "/api/http/routers?sortBy=priority&direction=desc")
    assert [each["priority"] for each in by_priority] == sorted((each["priority"] for each in by_priority), reverse=True)
    assert by_priority[0]["name"] == "high@file"


@pytest.mark.spec("O-79")
async def test_a_router_says_why_it_does_not_serve_and_where_it_does(stage):
    lost = await told(stage, "/api/http/routers/lost@file")
    odd = await told(stage, "/api/http/routers/odd@file")

    assert (lost["status"], lost["error"]) == ("disabled", ['the service "nobody@file" does not exist'])
    assert (odd["status"], odd["using"], odd["entryPoints"]) == ("warning", ["web"], ["web", "nope"])
    assert 'entryPoint "nope" doesn\'t exist' in odd["error"][0]


@pytest.mark.spec("O-80")
async def test_one_element_is_found_by_its_full_name_escaped(stage):
    assert (await told(stage, "/api/http/routers/sl%2Fash@file"))["name"] == "sl/ash@file"
    for path in ("http/routers/echo", "http/routers/sl/ash@file", "http/services/nobody@file", "entrypoints/nope"):
        assert (await stage.get(f"/gw/api/{path}", "gw.test")).status == 404, path


@pytest.mark.spec("O-81")
async def test_overview_and_version_have_the_known_shapes_and_only_get_is_taken(stage):
    overview, version = await told(stage, "/api/overview"), await told(stage, "/api/version")

    assert overview["http"]["routers"] == {"total": 21, "warnings": 1, "errors": 2}
    assert overview["udp"] == {key: {"total": 1, "warnings": 0, "errors": 0} for key in ("routers", "services")}
    assert overview["features"] == {"tracing": "", "metrics": "", "accessLog": False}
    assert overview["providers"] == ["File"]
    assert overview["certificates"]["total"] == 1
    assert version.keys() == {"Version", "Codename", "startDate", "dashboardName"}
    for path in ("/gw/api/overview", "/gw/api/version", "/gw/api/http/routers"):
        answer = await stage.ask(f"POST {path} HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 0\r\n\r\n".encode())
        assert (answer.status, answer.body) == (405, b"")


@pytest.mark.spec("O-82")
async def test_a_router_on_an_entry_point_that_adds_something_has_a_copy_for_it(stage):
    both = {each["name"]: each for each in await told(stage, "/api/http/routers?search=x.test")}

    assert both.keys() == {"x@file", "b-x@file"}
    assert both["x@file"]["using"] == both["x@file"]["entryPoints"] == ["web"]
    assert both["b-x@file"]["using"] == ["b"]
    assert both["b-x@file"]["middlewares"] == ["front@file", "front@file"]
    assert "b-x@file" in (await told(stage, "/api/http/services/echo@file"))["usedBy"]


@pytest.mark.spec("O-84")
async def test_a_priority_above_all_others_is_the_gateways_own(stage):
    high = await told(stage, "/api/http/routers/high@file")

    assert (high["status"], high["priorityStr"]) == ("disabled", "9223372036854775807")
    assert "exceeds the max user-defined priority 9223372036854774807" in high["error"][0]
    assert (await stage.get("/", "high.test")).status == 404


@pytest.mark.spec("O-83")
async def test_below_a_base_path_the_api_is_there_and_nowhere_else(stage):
    redirect = await stage.get("/gw", "gw.test")
    assert (redirect.status, redirect.get("location")) == (302, "/gw/dashboard/")
    assert (await stage.get("/gw/api/overview", "gw.test")).status == 200
    for path in ("/api/overview", "/gw/api", "/gw/api/", "/gw/api/nothing", "/gw/debug/pprof/"):
        assert (await stage.get(path, "gw.test")).status == 404, path
    assert (await told(stage, "/debug/vars"))["workers"][1]["alive"] is True


async def test_no_secret_is_shown_anywhere(stage):
    for path in ("rawdata", "http/middlewares", "http/services", "support-dump", "http/middlewares/door@file"):
        body = (await stage.get(f"/gw/api/{path}", "gw.test")).body
        text = gzip.decompress(body) if path == "support-dump" else body
        assert b"hush" not in text, path
        assert b"aHVzaA==" not in text, path
    assert (await told(stage, "/api/http/middlewares/door@file"))["basicAuth"]["users"] == ["REDACTED"]


async def test_a_support_dump_holds_three_files_without_hosts_and_addresses(stage):
    answer = await stage.get("/gw/api/support-dump", "gw.test")
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}

    assert answer.get("content-disposition") == "attachment; filename=support-dump.tar.gz"
    assert files.keys() == {"version.json", "static-config.json", "runtime-config.json"}
    runtime = json.loads(files["runtime-config.json"])
    assert runtime["routers"]["echo@file"]["rule"] == "Host(xxxx)"
    for content in files.values():
        assert b"127.0.0.1" not in content
        assert b".test" not in content


async def test_services_tell_which_servers_are_up(stage):
    async def found():
        service = await told(stage, "/api/http/services/checked@file")
        return service["serverStatus"][stage.urls["closed"]] == "DOWN"

    await eventually(found, "the server that refuses is down")
    service = await told(stage, "/api/http/services/checked@file")
    assert service["serverStatus"][stage.urls["a"]] == "UP"
    assert service["serverDetails"] == {stage.urls["closed"]: {"probes": "DOWN", "failing": 0, "ejected": 0}}


async def test_services_tell_which_servers_workers_do_not_use(stage):
    assert (await stage.get("/", "shaky.test")).status == 502

    async def found():
        service = await told(stage, "/api/http/services/shaky@file")
        return service.get("serverDetails", {}).get(stage.urls["closed"], {}).get("failing") == 1

    await eventually(found, "one of two workers says so")
    service = await told(stage, "/api/http/services/shaky@file")
    assert service["serverStatus"] == {stage.urls["closed"]: "UP"}  # of the other worker nothing is known


async def test_a_request_is_explained_without_being_sent(stage):
    seen = len(stage["a"].requests)
    told_ = await told(stage, f"/api/explain?url={quote('http://a.test/cart?x=1')}&entryPoint=web&header=X-A:%201")

    assert told_["outcome"] == "routed"
    assert told_["router"] == {"name": "echo@file", "rule": "Host(`a.test`)", "priority": 14}
    assert told_["middlewares"] == ["front@file"]
    assert told_["service"] == {"name": "echo@file", "servers": [stage.urls["a"]]}
    assert {each["name"] for each in told_["closed"]} == {"high@file", "lost@file"}
    assert all("request's" in each["reason"] for each in told_["others"] if "Host" in each["rule"])
    secure = await told(stage, f"/api/explain?url={quote('https://secret.test/')}&entryPoint=web")
    assert (secure["router"]["name"], secure["tls"]["options"]) == ("secret@file", "default")
    nobody = await told(stage, f"/api/explain?url={quote('http://nobody.test/')}&entryPoint=web")
    assert (nobody["outcome"], nobody["status"]) == ("unrouted", 404)
    assert len(stage["a"].requests) == seen or all(each.target == b"/health" for each in stage["a"].requests[seen:])


@pytest.mark.parametrize("query", ["", "url=http://a.test&entryPoint=nope", "url=http://a.test:99999"])
async def test_what_cannot_be_explained_is_refused(stage, query):
    answer = await stage.get(f"/gw/api/explain?{query}", "gw.test")

    assert answer.status == 400
    assert json.loads(answer.body)["message"]


async def test_all_problems_are_listed_with_their_place(stage):
    problems = {each["path"]: each for each in await told(stage, "/api/problems")}

    assert problems["http.routers.lost@file.service"]["severity"] == "error"
    assert problems["http.routers.odd@file.entryPoints"]["severity"] == "warning"
    assert problems["http.routers.odd@file.entryPoints"]["source"] == "worker"


async def test_traffic_is_told_per_entry_point_router_service_and_server(stage):
    for _ in range(3):
        await stage.get("/", "a.test")

    async def counted():
        traffic = await told(stage, "/api/traffic?history=2&name=echo@file")
        return traffic if traffic["servers"] else None

    await eventually(counted, "the first step is over")
    traffic = await counted()
    (router,), (service,) = traffic["routers"], traffic["services"]
    assert (router["name"], router["service"]) == ("echo@file", "echo@file")
    for each in (router, service, traffic["servers"][0]):
        assert each["1m"]["requestsPerSecond"] > 0
        assert each["1m"]["errorRate"] == 0
        assert each["1m"]["latency"]["p99"] > 0
        assert sum(each["history"]["requests"]) >= 3
    assert (traffic["servers"][0]["url"], traffic["servers"][0]["status"]) == (stage.urls["a"], "UP")
    assert traffic["entryPoints"] == []
    points = {each["name"]: each for each in (await told(stage, "/api/traffic?kind=entryPoints"))["entryPoints"]}
    assert points["web"]["connections"] >= 1
    for odd in ("kind=nonsense", "limit=x", "limit=" + "9" * 5000):
        assert (await stage.get(f"/gw/api/traffic?{odd}", "gw.test")).status == 400


async def test_a_method_that_nobody_knows_is_a_501_that_does_not_tell_what_answers(stage):
    answer = await stage.ask(head("BREW /gw/api/version HTTP/1.1", "Host: gw.test", "Connection: close"))

    assert (answer.status, answer.get("server"), answer.body) == (501, None, b"")


async def test_many_who_ask_for_everything_at_once_all_get_it(stage):
    answers = await asyncio.gather(*(stage.get("/gw/api/rawdata", "gw.test") for _ in range(200)))

    assert {answer.status for answer in answers} == {200}


async def test_providers_tell_how_they_are_doing(stage):
    providers = {each["name"]: each for each in await told(stage, "/api/providers")}

    assert providers["file"]["running"] is True
    assert providers["file"]["lastSuccess"].endswith("Z")


async def test_every_answer_is_as_the_openapi_document_says(stage):
    document = await told(stage, "/api/openapi.json")
    (certificate,) = await told(stage, "/api/certificates")
    known = {
        "entrypoints": "web",
        "certificates": certificate["name"],
        "http/routers": "b-x@file",
        "http/services": "checked@file",
        "http/middlewares": "door@file",
        "tcp/routers": "t@file",
        "tcp/services": "t@file",
        "tcp/middlewares": "few@file",
        "udp/routers": "u@file",
        "udp/services": "u@file",
    }
    assert document["servers"] == [{"url": "/gw"}]
    for path, operations in document["paths"].items():
        response = operations["get"]["responses"]["200"]["content"]
        if "application/json" not in response:
            continue
        kind = re.sub(r"^/api/|/\{name\}$", "", path)
        query = "?url=http://a.test/" if path.endswith("explain") else ""
        answer = await told(stage, path.replace("{name}", known.get(kind, "")) + query)
        schema = {**response["application/json"]["schema"], "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer)
        if "{name}" not in path and kind in known:
            assert answer, f"{path} shows nothing, so this shows nothing"
    jsonschema.Draft202012Validator.check_schema({"$defs": document["components"]["schemas"]})


async def test_a_reload_is_seen_at_once(stage):
    document = dynamic(stage.urls)
    document["http"]["routers"]["late"] = {"rule": "Host(`late.test`)", "service": "echo", "entryPoints": ["web"]}
    await stage.gateway.update(document)

    async with connect(stage.gateway.port("web")) as client:
        answer = await client.get("/gw/api/http/routers/late@file", "gw.test")
    assert json.loads(answer.body)["status"] == "enabled"
