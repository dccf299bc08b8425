"""The provider before an engine that answers as recorded, and otherwise."""

import asyncio
import base64
import ssl
import threading

import pytest
import trustme
from aiohttp import web

from pointsman.errors import ConfigError
from pointsman.testing import FakeContext, build, eventually, free_port
from pointsman_docker import Docker, hosts
from pointsman_docker import docker as provider


@pytest.mark.spec("P-29")
async def test_a_container_without_labels_has_a_router_and_a_service(docker, engine):
    engine.has(docker.inspected())
    async with docker.providing(Docker, engine.socket) as published:
        assert published.rule() == "Host(`web`)"
        assert published.servers() == ["http://172.17.0.2:80"]
        assert (engine.asked[0], published.said()) == ("HEAD /_ping", "")
        assert "GET /v1.41/containers/json?all=1" in engine.asked


async def test_it_listens_before_it_looks_and_looks_again_when_told(docker, engine):
    async with docker.providing(Docker, engine.socket) as published:
        assert [each.split("?")[0] for each in engine.asked[1:]] == ["GET /v1.41/events", "GET /v1.41/containers/json"]
        assert published.documents[-1]["http"]["services"] == {}
        engine.has(docker.inspected())
        await engine.tell("exec_start: /bin/check")
        await engine.tell("start")
        await eventually(lambda: published.servers() == ["http://172.17.0.2:80"])
        engine.has()
        await engine.tell("die")
        await eventually(lambda: published.servers() is None)
        assert len(published.documents) == 3


async def test_only_who_changed_is_asked_for_again(docker, engine):
    engine.has(*(docker.inspected(f"c{number}", id=f"c{number}") for number in range(20)))
    async with docker.providing(Docker, engine.socket) as published:
        assert engine.inspections() == 20
        moved = docker.inspected("c7", id="c7", networks={"bridge": docker.network("172.17.0.99")})
        engine.has(*engine.containers.values(), moved)
        await engine.tell("start", "c3")
        await eventually(lambda: published.servers("c7") == ["http://172.17.0.99:80"])
        assert engine.inspections() == 22, "c7, for its address, and c3, which was told of"


async def test_what_only_the_list_tells_is_seen_and_time_that_passes_is_no_change(docker, engine):
    engine.has(docker.inspected(health="starting"), docker.inspected("other"))
    async with docker.providing(Docker, engine.socket, allowEmptyServices=True) as published:
        assert published.servers() == []
        engine.has(docker.inspected(health="healthy"), docker.inspected("other"))
        engine.up = "Up 3 minutes"
        published.provider.refresh()
        await eventually(lambda: published.servers())
        assert engine.inspections() == 3


async def test_health_is_asked_for_where_the_list_does_not_tell_of_it_as_podmans(docker, engine):
    engine.has(docker.inspected(health="starting"))
    engine.tells_health = False
    async with docker.providing(Docker, engine.socket, allowEmptyServices=True) as published:
        assert published.servers() == []
        engine.has(docker.inspected(health="healthy"))
        published.provider.refresh()
        await eventually(lambda: published.servers())


async def test_nothing_is_looked_at_before_it_listens(docker, engine):
    async def late(request):
        await asyncio.sleep(0.1)
        assert not any("/containers" in each for each in engine.asked)
        return await engine.events(request)

    engine.answers["/events"] = late
    async with docker.providing(Docker, engine.socket) as published:
        engine.has(docker.inspected())
        await engine.tell("start")
        await eventually(lambda: published.servers())


async def test_a_burst_of_events_is_few_looks(docker, engine):
    async with docker.providing(Docker, engine.socket) as published:
        for _ in range(40):
            await engine.tell("start")
            await asyncio.sleep(0.005)
        engine.has(docker.inspected())
        await engine.tell("start")
        await eventually(lambda: published.servers())
        assert len(published.documents) < 20


async def test_an_engine_that_hangs_up_takes_no_container_away(docker, engine):
    async def hang_up(request):
        request.transport.abort()

    engine.has(docker.inspected())
    async with docker.providing(Docker, engine.socket) as published:
        engine.answers["/containers/webwebweb/json"] = hang_up
        await engine.tell("start")
        assert "/engine: " in await published.failed()
        assert published.servers()


@pytest.mark.spec("P-50")
@pytest.mark.parametrize(
    ("known", "address"),
    [
        ({"host.docker.internal": "192.0.2.1", "host.containers.internal": "192.0.2.2"}, "192.0.2.1"),
        ({"host.containers.internal": "192.0.2.2"}, "192.0.2.2"),
        ({}, "127.0.0.1"),
        (None, "127.0.0.1"),
    ],
)
async def test_containers_on_the_hosts_network_are_where_the_engine_says(docker, engine, monkeypatch, known, address):
    silence = threading.Event()
    monkeypatch.setattr(hosts, "_SECONDS", 0.1 if known is None else 20)
    monkeypatch.setattr(hosts, "_first", lambda name: silence.wait() and "" if known is None else known.get(name, ""))
    port = {"traefik.http.services.web.loadbalancer.server.port": "8080"}
    engine.has(docker.inspected(labels=port, mode="host", ports={}, networks={"host": docker.network()}))
    async with docker.providing(Docker, engine.socket) as published:
        assert published.servers() == [f"http://{address}:8080"]
    silence.set()


async def test_it_looks_again_without_being_told(docker, engine, monkeypatch):
    monkeypatch.setattr(provider, "SLOW_LOOK_SECONDS", 0.1)
    async with docker.providing(Docker, engine.socket) as published:
        engine.has(docker.inspected())
        await eventually(lambda: published.servers())


async def test_sighup_has_it_look_again(docker, engine):
    async with docker.providing(Docker, engine.socket) as published:
        engine.has(docker.inspected())
        published.provider.refresh()
        await eventually(lambda: published.servers())


async def test_without_watch_it_reads_once(docker, engine):
    engine.has(docker.inspected())
    async with docker.providing(Docker, engine.socket, watch=False) as published:
        assert await published.failed() == "None"
        assert published.servers()
        assert not any("/events" in each for each in engine.asked)


@pytest.mark.spec("P-47", "P-48")
async def test_who_does_not_run_or_is_not_well(docker, engine):
    may = {"traefik.docker.allownonrunning": "true"}
    engine.has(
        docker.inspected("gone", running=False, ports={}, networks={}),
        docker.inspected("kept", may, running=False, health="unhealthy", ports={}, networks={}),
        docker.inspected("starting", health="starting"),
        docker.inspected("ill", health="unhealthy"),
        docker.inspected("well", health="healthy"),
        docker.inspected("unchecked", health="none"),
    )
    running = {"well": ["http://172.17.0.2:80"], "unchecked": ["http://172.17.0.2:80"]}

    def services(published):
        return {name: published.servers(name) for name in published.documents[-1]["http"]["services"]}

    async with docker.providing(Docker, engine.socket) as published:
        assert services(published) == {**running, "kept": []}
    async with docker.providing(Docker, engine.socket, allowEmptyServices=True) as published:
        assert services(published) == {**running, "kept": [], "starting": [], "ill": []}
        assert published.said() == ""


@pytest.mark.spec("P-31", "P-46")
async def test_who_is_exposed(docker, engine):
    engine.has(
        docker.inspected("one", {"tier": "front", "env": "prod", "traefik.enable": "true"}),
        docker.inspected("two", {"tier": "front", "env": "dev1", "traefik.enable": "true"}),
        docker.inspected("three", {"tier": "front"}),
    )
    options = {"exposedByDefault": False, "constraints": "Label(`tier`,`front`) && !LabelRegex(`env`,`^dev`)"}
    async with docker.providing(Docker, engine.socket, **options) as published:
        assert list(published.documents[-1]["http"]["services"]) == ["one"]


@pytest.mark.spec("P-32", "P-38")
async def test_one_that_cannot_be_used_is_named_and_the_others_are_served(docker, engine):
    engine.has(
        docker.inspected("typo", {"traefik.docker.nework": "x"}),
        docker.inspected("label", {"traefik.http.routers.r.roole": "x"}),
        docker.inspected("portless", ports={}),
        docker.inspected("odd", {"traefik.docker.allownonrunning": "perhaps"}, running=False),
        docker.inspected("hidden", {"traefik.docker.nework": "x", "traefik.enable": "false"}),
        docker.inspected("lost", {"traefik.docker.network": "proj_web"}),
        docker.inspected(),
    )
    async with docker.providing(Docker, engine.socket) as published:
        problems = {str(each).partition(":")[0]: each for each in published.problems}
        assert sorted(problems) == [f"container {name}" for name in ("label", "lost", "odd", "portless", "typo")], (
            published.said()
        )
        assert "nework" in str(problems["container typo"])
        assert "port is missing" in str(problems["container portless"])
        assert (problems["container lost"].warning, problems["container odd"].warning) == (True, False)
        assert sorted(published.documents[-1]["http"]["services"]) == ["lost", "web"]


@pytest.mark.spec("P-53")
async def test_the_default_rule_knows_the_container(docker, engine):
    engine.has(docker.inspected(labels={"dom": "a.test"}), docker.inspected("Plain_1"))
    rule = 'Host(`{{ index .Labels "dom" | default .Name }}`) || Host(`{{ .ContainerName }}`)'
    async with docker.providing(Docker, engine.socket, defaultRule=rule) as published:
        assert published.rule() == "Host(`a.test`) || Host(`web`)"
        assert published.rule("Plain-1") == "Host(`Plain-1`) || Host(`Plain_1`)"


async def test_a_container_that_goes_while_it_is_looked_at_is_left_out(docker, engine):
    engine.has(docker.inspected(), docker.inspected("gone"), docker.inspected("ill"))
    engine.answers["/containers/gonegonegone/json"] = web.json_response({"message": "No such container"}, status=404)
    engine.answers["/containers/illillill/json"] = web.json_response({"message": "broken  disk"}, status=500)
    async with docker.providing(Docker, engine.socket) as published:
        assert list(published.documents[-1]["http"]["services"]) == ["web"]
        (problem,) = published.problems
        assert str(problem).startswith("container ill: cannot be inspected: ")
        assert str(problem).endswith("/containers/illillill/json was answered 500: broken disk")


async def test_the_end_of_the_stream_is_a_failure_that_keeps_what_was_known(docker, engine):
    engine.has(docker.inspected())
    async with docker.providing(Docker, engine.socket) as published:
        engine.ended.set()
        assert (await published.failed()).endswith("/engine: the stream of events ended")
        assert len(published.documents) == 1


async def huge(request):
    response = web.StreamResponse(headers={"Content-Encoding": "identity"})
    await response.prepare(request)
    while True:
        await response.write(b" " * 1_000_000)


async def silent(request):
    await asyncio.sleep(60)


ANSWERS = {
    "no JSON": ("/containers/json", lambda: web.Response(text="<html>"), "the answer to /containers/json is no JSON"),
    "no list": ("/containers/json", lambda: web.json_response({}), "the answer to /containers/json is no list"),
    "deep": ("/containers/json", lambda: web.Response(text="[" * 99_999), "the answer to /containers/json is no JSON"),
    "endless": ("/containers/json", lambda: huge, "the answer to /containers/json is larger than 65536 KiB"),
    "silence": ("/containers/json", lambda: silent, "no answer to /containers/json in time"),
    "a refusal": ("/containers/json", lambda: web.Response(status=403, text="Forbidden"), "was answered 403: Forbidden"),
    "a redirect": ("/containers/json", lambda: web.Response(status=302, headers={"Location": "/"}), "was answered 302"),
    "no events": ("/events", lambda: web.Response(text="what?"), "the stream of events holds what is no event: 'what?'"),
    "a password": ("/_ping", lambda: web.Response(status=401), "was answered 401; are username and password right?"),
}


@pytest.mark.parametrize("kind", ANSWERS)
async def test_odd_answers_are_failures_in_words(docker, engine, kind):
    path, answer, message = ANSWERS[kind]
    engine.answers[path] = answer()
    timeout = "200ms" if kind == "silence" else "10s"
    async with docker.providing(Docker, engine.socket, httpClientTimeout=timeout) as published:
        assert message in await published.failed()
        assert published.said() == ""


async def test_an_engine_whose_events_do_not_begin_is_looked_at_all_the_same(docker, engine, monkeypatch):
    monkeypatch.setattr(provider, "_LISTENING_SECONDS", 0.05)
    engine.answers["/events"] = silent
    engine.has(docker.inspected())
    async with docker.providing(Docker, engine.socket) as published:
        assert published.servers()


async def test_ping_by_get_where_head_is_not_known(docker, engine):
    async def only_get(request):
        return web.Response(status=405 if request.method == "HEAD" else 200, headers=engine.headers)

    engine.answers["/_ping"] = only_get
    async with docker.providing(Docker, engine.socket):
        assert "GET /v1.41/containers/json?all=1" in engine.asked


async def test_an_engine_that_is_not_there(docker, tmp_path):
    async with docker.providing(Docker, tmp_path / "nobody") as published:
        assert (await published.failed()).endswith("/nobody: cannot be reached: No such file or directory")
    async with docker.providing(Docker, f"tcp://127.0.0.1:{free_port()}") as published:
        assert "cannot be reached: Connection refused" in await published.failed()


async def test_by_tls_with_a_certificate_and_a_password(docker, tmp_path):
    authority, port = trustme.CA(), free_port()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    own = authority.issue_cert("gateway.test")
    tls = {
        "ca": authority.cert_pem.bytes().decode(),
        "cert": own.cert_chain_pems[0].bytes().decode(),
        "key": own.private_key_pem.bytes().decode(),
    }
    endpoint = f"tcp://127.0.0.1:{port}"
    async with docker.serving(
        docker.words(), lambda run: web.TCPSite(run, "127.0.0.1", port, ssl_context=context)
    ) as engine:
        engine.has(docker.inspected())
        async with docker.providing(Docker, endpoint, tls=tls, username="me", password="hush") as published:
            assert published.servers()
            assert engine.authorizations == {"Basic " + base64.b64encode(b"me:hush").decode()}
        strangers = {"ca": trustme.CA().cert_pem.bytes().decode()}
        async with docker.providing(Docker, endpoint, tls=strangers) as published:
            assert "its certificate is not trusted" in await published.failed()


async def test_check_and_explain_see_what_containers_say_now(docker, engine):
    engine.has(docker.inspected())
    config = {"endpoint": f"unix://{engine.socket}"}
    document, problems = await asyncio.to_thread(build(Docker, config, FakeContext("docker")).read)

    assert list(document["http"]["routers"]) == ["web"]
    assert problems == []


def test_check_and_explain_do_without_an_engine(tmp_path):
    document, problems = build(Docker, {"endpoint": f"unix://{tmp_path}/nobody"}, FakeContext("docker")).read()

    assert document == {}
    assert [each.warning for each in problems] == [True]
    assert "cannot be reached: No such file" in str(problems[0])


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"endpoint": "npipe:////./pipe/x"}, "providers.docker.endpoint"),
        ({"constraints": "Tag(`x`)"}, "providers.docker.constraints"),
        ({"constraints": "Label(`x`"}, "providers.docker.constraints"),
        ({"defaultRule": "Host(`{{ nope .Name }}`)"}, "providers.docker.defaultRule"),
        ({"username": "me"}, "providers.docker"),
    ],
)
def test_wrong_options_are_refused_with_their_path(options, path):
    with pytest.raises(ConfigError) as refused:
        build(Docker, options, FakeContext("docker"))
    assert str(refused.value).startswith(f"{path}:")


def test_the_password_is_not_shown():
    assert "hush" not in repr(Docker.Config(password="hush"))
