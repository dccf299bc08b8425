"""Answers that Consul, or something in its place, may give: refusals, garbage, floods, a history that begins anew."""

import asyncio
import base64
import json
import ssl
from contextlib import asynccontextmanager, suppress

import pytest
import trustme

from pointsman.errors import ConfigError
from pointsman.testing import CLOSE, FakeContext, answer, build, connect, eventually
from pointsman.testing import upstream as upstream_of
from pointsman_consul import Consul, ConsulCatalog, agent
from pointsman_consul.agent import ConsulError, News, together

RULE = "http/routers/r/rule"


def keys(index, **headers):
    """A script for the tree with one router, whose rule says at which index it was read."""
    return listed({f"traefik/{RULE}": f"Path(`/{index}`)"}, index, **headers)


def listed(values, index, **headers):
    entries = [{"Key": key, "Value": base64.b64encode(value.encode()).decode()} for key, value in values.items()]
    lines = {"X-Consul-Index": str(index), **{name.replace("_", "-"): value for name, value in headers.items()}}
    return answer(200, lines, json.dumps(entries).encode())


def forever():
    return [asyncio.Event()]


@asynccontextmanager
async def running(upstream, *, kind=Consul, **options):
    """What a provider publishes while it runs; its failure is raised at the end."""
    endpoint = {"endpoints": [f"127.0.0.1:{upstream.port}"]} if kind is Consul else {"endpoint": {"address": upstream.url}}
    published = []
    provider = build(kind, endpoint | options, FakeContext("consul"))
    task = asyncio.create_task(provider.provide(lambda document, problems=(): published.append((document, list(problems)))))
    try:
        yield published
        if task.done():
            await task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, ConsulError):
            await task


async def ends(upstream, **options):
    kind = options.pop("kind", Consul)
    endpoint = {"endpoints": [f"127.0.0.1:{upstream.port}"]} if kind is Consul else {"endpoint": {"address": upstream.url}}
    provider = build(kind, endpoint | options, FakeContext("consul"))
    with pytest.raises(ConsulError) as error:
        async with asyncio.timeout(5):
            await provider.provide(lambda *_: None)
    return str(error.value)


def rule(published):
    return published[-1][0]["http"]["routers"]["r"]["rule"]


async def test_what_is_asked_and_when(upstream):
    upstream.answers(keys(7), keys(9), forever())
    async with running(upstream, token="t0ken", namespaces=["east"]) as published:
        await eventually(lambda: len(upstream.requests) == 3 and published)
    first, second, third = upstream.requests
    assert first.target == b"/v1/kv/traefik?ns=east&recurse=true&consistent=true"
    assert second.target == first.target + b"&index=7&wait=15000ms"
    assert third.target == first.target + b"&index=9&wait=15000ms"
    assert first.get_all("x-consul-token") == ["t0ken"]
    assert rule(published) == "Path(`/9`)"


async def test_changes_that_follow_one_another_are_taken_together(upstream):
    upstream.answers(keys(1), [0.03, *keys(2)], [0.03, *keys(3)], [0.4, *keys(4)], forever())
    async with running(upstream) as published:
        await eventually(lambda: published and rule(published) == "Path(`/4`)")
    assert [document["http"]["routers"]["r"]["rule"] for document, _ in published] == ["Path(`/3`)", "Path(`/4`)"]


async def test_changes_without_end_are_taken_in_time():
    news = News(quiet=0.1, limit=0.3)

    async def endless():
        while True:
            news.note()
            await asyncio.sleep(0.01)

    noise = asyncio.create_task(endless())
    async with asyncio.timeout(2):
        await news.settled()
    noise.cancel()


@pytest.mark.spec("P-64")
async def test_an_index_that_goes_back_begins_anew(upstream):
    upstream.answers(keys(70), keys(5), keys(5), forever())
    async with running(upstream) as published:
        await eventually(lambda: len(upstream.requests) == 4 and published and rule(published) == "Path(`/5`)")
    assert [b"index=" in request.target for request in upstream.requests] == [False, True, False, True]
    assert upstream.last.target.endswith(b"&index=5&wait=15000ms")


async def test_an_answer_without_news_that_did_not_wait_is_no_reason_to_ask_at_once(upstream):
    upstream.answers(keys(7))
    async with running(upstream) as published:
        await eventually(lambda: published)
        await asyncio.sleep(0.2)
    assert len(upstream.requests) == 2


async def test_nothing_left_clears_everything(upstream):
    upstream.answers(keys(1), [0.2, *answer(404, {"X-Consul-Index": "2"})], forever())
    async with running(upstream) as published:
        await eventually(lambda: len(published) == 2)
    assert published[1] == ({"http": {"routers": {}}}, [])


@pytest.mark.spec("P-69")
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({f"traefik/{RULE}": "Path(`/`)", "traefik/http/routers/r/nope": "1"}, "nope"),
        ({"traefik/http/routers/r/priority": "high"}, "priority"),
    ],
)
async def test_a_tree_that_cannot_be_used_leaves_the_last_good_one(upstream, broken, said):
    upstream.answers(keys(1), [0.2, *listed(broken, 2)], [0.2, *keys(3)], forever())
    async with running(upstream) as published:
        await eventually(lambda: len(published) == 3)
    assert published[1][0] == published[0][0]
    assert said in str(published[1][1][0])
    assert rule(published) == "Path(`/3`)"
    assert published[2][1] == []


async def test_a_value_that_is_no_text_is_a_problem_of_its_key(upstream):
    entry = {"Key": f"traefik/{RULE}", "Value": "/w=="}
    upstream.answers(answer(200, {"X-Consul-Index": "1"}, json.dumps([entry]).encode()), forever())
    async with running(upstream) as published:
        await eventually(lambda: published)
    assert [str(problem) for problem in published[0][1]] == [
        "consul: traefik/http/routers/r/rule: its value is not UTF-8 text"
    ]


async def test_folders_and_neighbours_say_nothing(upstream):
    folders = dict.fromkeys(("htt/", "htt/http/", "htt/http/routers/r/tls/", "htt/http/routers/new/"), "")
    upstream.answers(listed({**folders, f"htt/{RULE}": "Path(`/`)", "http/routers/x/rule": "x"}, 1), forever())
    async with running(upstream, rootKey="/htt") as published:
        await eventually(lambda: published)
    assert published == [({"http": {"routers": {"r": {"rule": "Path(`/`)"}}}}, [])]


async def test_what_a_token_may_not_read_is_told(upstream):
    upstream.answers(keys(1, X_Consul_Results_Filtered_By_ACLs="true"), forever())
    async with running(upstream) as published:
        await eventually(lambda: published)
    assert [(problem.path, problem.warning) for problem in published[0][1]] == [("consul", True)]


@pytest.mark.parametrize("kind", [Consul, ConsulCatalog])
@pytest.mark.parametrize(
    ("script", "said"),
    [
        (answer(403, {}, b"Permission \r\n\x1bdenied"), "answers 403: Permission denied (/v1/"),
        (answer(500, {}, b"No cluster leader"), "answers 500: No cluster leader"),
        (answer(302, {"Location": "http://127.0.0.1:1/v1/kv/x"}), "answers 302"),
        (answer(200, {"X-Consul-Index": "1"}, b"<html>"), "answers something that is not JSON"),
        (answer(200, {"X-Consul-Index": "1"}, b"[" * 100_000), "answers something that is not JSON"),
        (answer(200, {"X-Consul-Index": "1"}, b"7"), "does not answer like Consul"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[", CLOSE], "cannot be asked"),
        ([b"SSH-2.0-OpenSSH_9.2\r\n", CLOSE], "cannot be asked"),
    ],
    ids=["refused", "leaderless", "elsewhere", "no JSON", "deep", "no list", "cut", "another server"],
)
async def test_an_answer_that_is_no_answer_ends_it_with_the_reason(upstream, kind, script, said):
    upstream.answers(script)
    message = await ends(upstream, kind=kind, **({"token": "s3cret"} if kind is Consul else {}))
    assert said in message
    assert "s3cret" not in message
    assert "\n" not in message


async def test_an_answer_without_an_index_is_not_consuls(upstream):
    upstream.answers(answer(200, {}, b"[]"))
    assert "there is no X-Consul-Index" in await ends(upstream)


async def test_an_answer_that_does_not_end_is_given_up(upstream, monkeypatch):
    monkeypatch.setattr(agent, "MAX_ANSWER_BYTES", 100_000)
    upstream.answers(
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *([b"1000\r\n" + b" " * 4096 + b"\r\n"] * 100)]
    )
    assert "answers more than 0 MiB" in await ends(upstream)


async def test_an_answer_that_does_not_come_is_given_up(upstream, monkeypatch):
    monkeypatch.setattr(agent, "ANSWER_SECONDS", 0.1)
    upstream.answers(forever())
    assert "has not answered within 0 s" in await ends(upstream)


async def test_over_tls_the_agent_shows_who_it_is(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with upstream_of(keys(1), forever(), tls=context) as consul:
        async with running(consul, tls={"ca": str(tmp_path / "ca.pem")}) as published:
            await eventually(lambda: published)
        assert "certificate is not trusted" in await ends(consul, tls={"ca": trustme.CA().cert_pem.bytes().decode()})


async def test_an_agent_may_be_on_a_unix_socket(upstream, tmp_path):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(keys(1)[0])
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(talk, tmp_path / "consul.sock")
    async with server, running(upstream, endpoints=[f"unix://{tmp_path}/consul.sock"]) as published:
        await eventually(lambda: published)
    assert rule(published) == "Path(`/1`)"
    assert upstream.requests == []


async def test_who_is_not_there_is_named():
    provider = build(Consul, {"endpoints": ["127.0.0.1:1"]})
    with pytest.raises(ConsulError, match=r"Consul at http://127\.0\.0\.1:1 cannot be asked: .*\(/v1/kv/traefik\)"):
        await provider.provide(lambda *_: None)


async def test_the_token_of_a_file_is_read_when_it_is_needed(upstream, monkeypatch, tmp_path):
    monkeypatch.setenv("CONSUL_HTTP_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(ConsulError, match="CONSUL_HTTP_TOKEN_FILE cannot be read"):
        await build(Consul, {}).provide(lambda *_: None)
    (tmp_path / "token").write_text("from-file\n")
    upstream.answers(keys(1), forever())
    async with running(upstream) as published:
        await eventually(lambda: published)
    assert upstream.last.get_all("x-consul-token") == ["from-file"]


async def test_who_runs_together_fails_together():
    ended = []

    async def long():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def short():
        raise ConfigError("no")

    with pytest.raises(ConfigError, match="no"):
        await together(long(), short())
    assert ended == [True]


def catalogue(services, instances, index=3):
    """A script that answers as the catalogue does; the mesh's questions are never answered anew."""

    def script(request):
        path, _, query = request.target.partition(b"?")
        if b"index=" in query:
            return forever()
        name = path.rpartition(b"/")[2].decode()
        content = services if path == b"/v1/catalog/services" else instances.get(name, [])
        return answer(200, {"X-Consul-Index": str(index)}, json.dumps(content).encode())

    return script


def one(name="web", **own):
    node = {"Node": "node-a", "Address": "10.0.0.1", "Datacenter": "dc1"}
    return {"Node": node, "Service": {"ID": f"{name}-1", "Address": "", "Port": 80, "Tags": [], **own}, "Checks": []}


async def test_the_catalogue_is_asked_as_the_options_say(upstream):
    services = {
        "consul": [],
        "web": ["edge.enable=true"],
        "off": ["edge.enable=false", "x"],
        "none": [],
        "odd": ["edge.Enable=1"],
    }
    upstream.answers(
        catalogue(services, {"web": [one(Tags=["edge.enable=true"])], "odd": [one("odd", Tags=["edge.Enable=1"])]})
    )
    options = {"exposedByDefault": False, "prefix": "edge", "stale": True, "cache": True, "namespaces": ["ns1"]}
    async with running(upstream, kind=ConsulCatalog, **options) as published:
        await eventually(lambda: published)
    first, *rest = [request.target.decode() for request in upstream.requests]
    assert first == "/v1/catalog/services?ns=ns1&stale=true&cached=true"
    assert sorted(rest) == [
        "/v1/health/service/odd?ns=ns1&stale=true&cached=true",
        "/v1/health/service/off?ns=ns1&stale=true&cached=true",
        "/v1/health/service/web?ns=ns1&stale=true&cached=true&tag=edge.enable%3Dtrue",
    ]
    document, problems = published[0]
    assert problems == []
    assert document["http"]["services"]["web"]["loadBalancer"]["servers"] == [{"url": "http://10.0.0.1:80"}]
    assert sorted(document["http"]["routers"]) == ["odd", "web"]


@pytest.mark.parametrize(("constraints", "asked"), [("Tag(`public`)", 1), ("!Tag(`old`)", 2)])
async def test_constraints_are_judged_of_each_instance(upstream, constraints, asked):
    new, old = one(ID="new", Address="10.0.0.7", Tags=["public"]), one(ID="old", Tags=["old"])
    upstream.answers(catalogue({"consul": ["public"], "web": ["public", "old"], "job": ["x"]}, {"web": [new, old]}))
    async with running(upstream, kind=ConsulCatalog, constraints=constraints) as published:
        await eventually(lambda: published)
    assert published[0][0]["http"]["services"]["web"]["loadBalancer"]["servers"] == [{"url": "http://10.0.0.7:80"}]
    assert len(upstream.requests) == 1 + asked


async def test_a_tag_that_makes_no_sense_leaves_out_its_instance_alone(upstream):
    wrong, right = one(ID="wrong", Tags=["traefik.consulcatalog.conect=true"]), one(ID="right")
    portless = one("job", Port=0)
    upstream.answers(catalogue({"web": [], "job": []}, {"web": [wrong, right], "job": [portless]}))
    async with running(upstream, kind=ConsulCatalog) as published:
        await eventually(lambda: published)
    document, problems = published[0]
    assert len(document["http"]["services"]["web"]["loadBalancer"]["servers"]) == 1
    assert "job" not in document["http"]["services"]
    texts = sorted(map(str, problems))
    assert texts[0].startswith("instance job-1 of job on node-a")
    assert "port is missing" in texts[0]
    assert texts[1].startswith("instance wrong of web on node-a: traefik.consulcatalog: unknown key 'conect'")


async def test_proxies_of_the_mesh_are_nothing_to_who_is_not_in_it(upstream):
    proxy = one("web-sidecar-proxy", Kind="connect-proxy", Tags=["traefik.http.routers.r.rule=Path(`/`)"])
    tags = ["traefik.http.routers.r.rule=Path(`/`)"]
    found = {"web": [one(Tags=tags)], "web-sidecar-proxy": [proxy]}
    upstream.answers(catalogue({"web": tags, "web-sidecar-proxy": tags}, found))
    async with running(upstream, kind=ConsulCatalog) as published:
        await eventually(lambda: published)
    assert published[0][0]["http"]["routers"] == {"r": {"rule": "Path(`/`)", "service": "web"}}
    assert published[0][1] == []


async def test_services_in_the_mesh_are_named_where_the_gateway_is_not(upstream):
    upstream.answers(catalogue({"web": ["traefik.consulcatalog.connect=true"], "job": []}, {"job": [one("job")]}))
    async with running(upstream, kind=ConsulCatalog) as published:
        await eventually(lambda: published)
    document, problems = published[0]
    assert list(document["http"]["services"]) == ["job"]
    assert [(problem.warning, "connectAware to reach them: web" in problem.message) for problem in problems] == [
        (True, True)
    ]


@pytest.mark.spec("P-60")
async def test_the_names_of_a_namespace_end_in_it(upstream, start_gateway):
    upstream.answers(catalogue({"web": []}, {"web": [one(Address="127.0.0.1", Port=upstream.port)]}))
    options = {"endpoint": {"address": upstream.url}, "namespaces": ["ns1", "ns2"], "watch": True}
    api = {"http": {"routers": {"api": {"rule": "PathPrefix(`/api`)", "service": "api@internal"}}}}
    running = await start_gateway(api, {"providers": {"consulCatalog": options}, "api": {}})

    async def names():
        async with connect(running.port()) as client:
            routers = json.loads((await client.get("/api/http/routers", connection="close")).body)
        return {router["name"] for router in routers} >= {"web@consulcatalog-ns1", "web@consulcatalog-ns2"}

    await eventually(names)
