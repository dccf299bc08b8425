"""What pointsman-nomad makes of its options, the environment and tags, and of servers that are no Nomad."""

import asyncio
import json

import pytest

from pointsman.errors import ConfigError
from pointsman.testing import CLOSE, FakeContext, answer, build, chunked, eventually, upstream
from pointsman_nomad import NomadProvider, client, provider
from pointsman_nomad.client import NomadError
from pointsman_nomad.config import EndpointConfig, NomadConfig, place
from pointsman_nomad.tags import fnv1, labels_of, name_of


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("ADDR", "REGION", "TOKEN", "CACERT", "CLIENT_CERT", "CLIENT_KEY", "SKIP_VERIFY"):
        monkeypatch.delenv(f"NOMAD_{name}", raising=False)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        pytest.param(
            {"throttleDuration": "1s"}, r"nomad\.throttleDuration: has no effect without", marks=pytest.mark.spec("P-61")
        ),
        ({"refreshInterval": "0s"}, r"providers\.nomad\.refreshInterval: must be longer than 0s"),
        ({"prefix": ""}, r"providers\.nomad\.prefix: is empty"),
        ({"namespaces": ["a", "*"]}, r"providers\.nomad\.namespaces: wildcard namespace not supported"),
        ({"defaultRule": "{{ nope }}"}, r"providers\.nomad\.defaultRule"),
        ({"constraints": "Label(`a`,`b`)"}, r"providers\.nomad\.constraints"),
        ({"endpoint": {"address": "unix:///run/nomad"}}, r"endpoint\.address: is no URL of a Nomad agent: write it as"),
        ({"endpoint": {"address": "http://:4646"}}, r"endpoint\.address: is no URL of a Nomad agent: write it as"),
        ({"endpoint": {"address": "http://a:b"}}, r"endpoint\.address: is no URL of a Nomad agent"),
        ({"endpoint": {"address": "http://me:s3cret@a"}}, r"endpoint\.address: is no URL of a Nomad agent: it holds a user"),
        ({"endpoint": {"address": "https://a", "tls": {"cert": "/nowhere"}}}, r"endpoint\.tls: both TLS cert and key"),
    ],
)
def test_options_that_cannot_be_used_say_where_and_what_to_write(options, problem):
    with pytest.raises(ConfigError, match=problem) as refused:
        build(NomadProvider, options, FakeContext("nomad"))
    assert "s3cret" not in str(refused.value)


def test_each_namespace_is_a_provider_of_its_own():
    config = NomadConfig(namespaces=("shop", "office"))

    assert {name: one.namespaces for name, one in NomadProvider.instances(config).items()} == {
        "nomad-shop": ("shop",),
        "nomad-office": ("office",),
    }
    assert NomadProvider.instances(NomadConfig()) == {"nomad": NomadConfig()}


def test_the_environment_speaks_where_options_do_not(monkeypatch):
    assert place(EndpointConfig()).url == "http://127.0.0.1:4646"
    for name, value in {"ADDR": "https://env:1/", "REGION": "eu", "TOKEN": "t0ken", "SKIP_VERIFY": "true"}.items():
        monkeypatch.setenv(f"NOMAD_{name}", value)
    own, said = place(EndpointConfig()), place(EndpointConfig(address="http://said:2", region="us", token="other"))

    assert (own.url, own.region, own.token, own.tls.check_hostname) == ("https://env:1", "eu", "t0ken", False)
    assert (said.url, said.region, said.token) == ("http://said:2", "us", "other")
    assert "t0ken" not in repr(own)
    monkeypatch.setenv("NOMAD_CACERT", "/nowhere.pem")
    with pytest.raises(ConfigError, match=r"providers\.nomad\.endpoint\.tls\.ca"):
        place(EndpointConfig())


def test_tags_are_labels_below_the_prefix():
    tags = ["gate.enable = True", "gate.http.routers.a.rule= Host(`a`) && Path(`/=`)", "gate.x", "gateway.b=1", "c=1", "v2"]

    assert labels_of(tags, "gate") == {"traefik.enable": "true", "traefik.http.routers.a.rule": "Host(`a`) && Path(`/=`)"}
    assert labels_of(["traefik.enable=yes"], "traefik") == {"traefik.enable": "false"}


def test_canaries_are_called_by_their_tags():
    """The number is that of a running Traefik (providers.md §5.3)."""
    assert fnv1(b"traefik.consulcatalog.canary=truev2") == 8687280574039790457
    tags = ["v2", "traefik.nomad.canary=TRUE"]
    assert name_of("My_can", tags, labels_of(tags, "traefik")) == f"My-can-{fnv1(b'traefik.nomad.canary=TRUEv2')}"
    assert name_of("My_can", ["v2"], {}) == "My-can"


NONE = answer(200, {}, b"[]")
SERVICES = answer(200, {}, b'[{"Namespace":"default","Services":[{"ServiceName":"a","Tags":null}]}]')


def serving(**scripts):
    """A server that plays these for paths that end in the name, and knows nothing else."""

    def script(request):
        path = request.raw.split(b" ")[1].partition(b"?")[0].decode()
        return scripts.get(path.rpartition("/")[2], NONE)

    return script


@pytest.mark.parametrize(
    ("scripts", "words"),
    [
        pytest.param({"services": answer(200, {}, b"<html>")}, "answer to services that is no JSON", id="html"),
        pytest.param({"services": answer(200, {}, b"[" * 1_900)}, "is no JSON", id="deep"),
        pytest.param({"services": answer(200, {}, b"7")}, "an answer that Nomad does not give", id="number"),
        pytest.param({"services": answer(200, {}, b'[{"Services":[{}]}]')}, "that Nomad does not give", id="keys"),
        pytest.param({"services": SERVICES, "a": answer(200, {}, b'[{"ID":1}]')}, "that Nomad does not give", id="instance"),
        pytest.param({"services": SERVICES, "a": answer(500)}, "answered 500", id="500"),
        pytest.param(
            {"services": answer(403, {}, b"Permission\r\ndenied")}, r"answered 403 \(Permission denied\)", id="403"
        ),
        pytest.param({"services": answer(302, {"Location": "/v1/jobs"})}, "answered 302", id="302"),
        pytest.param({"services": answer(200, {}, b" " * 3_000)}, "more than 2000 bytes", id="huge"),
        pytest.param({"services": answer(500, {}, b" " * 9_000)}, "more than 4096 bytes", id="huge-error"),
        pytest.param({"services": [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[", CLOSE]}, "not completed", id="half"),
        pytest.param({"services": [b"SSH-2.0-x\r\n", CLOSE]}, "SSH", id="ssh"),
        pytest.param({"stream": answer(200, {}, b'{"Events":[]}\n')}, "ended the stream of events", id="end"),
        pytest.param({"stream": answer(200, {}, b"<html>\n")}, "that Nomad does not give", id="stream-html"),
        pytest.param({"stream": answer(200, {}, b"[1]\n")}, "that Nomad does not give", id="stream-list"),
        pytest.param({"stream": answer(200, {}, b"x" * 3_000)}, "that Nomad does not give", id="stream-huge"),
        pytest.param({"stream": answer(403, {}, b"Permission denied")}, "answered 403", id="stream-403"),
    ],
)
async def test_what_is_no_answer_of_nomad_fails_in_a_line(scripts, words, monkeypatch):
    monkeypatch.setattr(client, "MAX_BYTES", 2000)
    await fails_in_a_line(scripts, words)


@pytest.mark.parametrize(
    ("scripts", "limit", "words"),
    [
        pytest.param({"services": [5.0]}, "ANSWER_SECONDS", "did not answer within 0.2 s", id="silent"),
        pytest.param({"stream": [5.0]}, "SILENT_SECONDS", "imeout", id="stream-silent"),
        pytest.param({"stream": [*chunked([b"{}\n"])[:2], 5.0]}, "SILENT_SECONDS", "imeout", id="stream-dead"),
    ],
)
async def test_silence_of_nomad_is_given_up_in_a_line(scripts, limit, words, monkeypatch):
    monkeypatch.setattr(client, limit, 0.2)
    await fails_in_a_line(scripts, words)


async def fails_in_a_line(scripts, words):
    async with upstream(serving(**{"stream": [5.0], **scripts})) as server:
        source = build(NomadProvider, {"watch": True, "endpoint": {"address": server.url}}, FakeContext("nomad"))
        with pytest.raises(NomadError, match=words) as failed:
            await asyncio.wait_for(source.provide(lambda document, problems=(): None), 10)
    assert "\n" not in str(failed.value)
    assert len(str(failed.value)) < 500


async def test_a_job_that_is_purged_between_two_questions_is_none():
    jobs = answer(200, {}, json.dumps([{"ID": "a/b", "Stop": False}]).encode())
    documents = []
    async with upstream(serving(jobs=jobs, **{"a%2Fb": answer(404, {}, b"job not found")})) as server:
        options = {"allowEmptyServices": True, "endpoint": {"address": server.url}}
        task = asyncio.create_task(
            build(NomadProvider, options, FakeContext("nomad")).provide(
                lambda document, problems=(): documents.append(document)
            )
        )
        await server.received(3)
        await eventually(lambda: documents)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert b"/v1/job/a%2Fb" in server.last.raw
    assert documents[0]["http"]["services"] == {}


async def test_events_look_anew_and_a_quiet_stream_does_now_and_then(monkeypatch):
    monkeypatch.setattr(provider, "SLOW_LOOK_SECONDS", 0.05)
    async with upstream(serving(stream=chunked([b"{}\n", asyncio.Event()]))) as server:
        options = {"watch": True, "endpoint": {"address": server.url}}
        task = asyncio.create_task(build(NomadProvider, options, FakeContext("nomad")).provide(lambda *message: None))
        await server.received(5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
