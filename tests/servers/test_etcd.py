"""pointsman-etcd with a real etcd: what it reads and follows, authentication, TLS, lost endpoints (providers.md §4)."""

import asyncio
import contextlib
import json
import time
import urllib.request
from base64 import b64encode

import pytest
import trustme

from pointsman.testing import FakeContext, build, eventually, free_port
from pointsman_etcd import EtcdProvider
from pointsman_etcd.client import Etcd, EtcdError, a_session

from .etcd_servers import EtcdServer, certificates, needs_etcd

pytestmark = [needs_etcd, pytest.mark.real("etcd", "etcdctl"), pytest.mark.timeout(60)]
NOTHING = {"http": {"routers": {}}}


class Keys(FakeContext):
    """Gives the keys themselves in place of what they say."""

    def __init__(self, between=lambda: None):
        super().__init__("etcd")
        self.between = between

    def from_keys(self, pairs):
        self.between()
        return {"keys": dict(pairs)}


@contextlib.asynccontextmanager
async def told(provider):
    """What a running provider publishes: documents, each as its keys."""
    messages = []

    def publish(document, problems=()):
        assert document["http"] == {"routers": {}}, "a section is there, so that what is gone is cleared"
        messages.append(document["keys"])

    task = asyncio.create_task(provider.provide(publish))
    try:
        yield messages, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(scope="module")
def etcd(tmp_path_factory):
    server = EtcdServer(tmp_path_factory.mktemp("etcd")).start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """One that speaks TLS, wants certificates and users: root, whose password is pw, and `stranger`, who may nothing."""
    folder = tmp_path_factory.mktemp("guarded")
    server = EtcdServer(folder, "--bcrypt-cost", "4", tls=certificates(folder, trustme.CA())).start()
    for words in ("user add root:pw", "user grant-role root root", "user add stranger:pw", "auth enable"):
        server.ctl(*words.split())
    server.login = ["--user", "root:pw"]
    yield server
    server.kill()


def provider(endpoints, root, context=None, **options):
    endpoints = endpoints if isinstance(endpoints, list) else [endpoints]
    return build(EtcdProvider, {"endpoints": endpoints, "rootKey": root, **options}, context or Keys())


@pytest.mark.spec("P-65")
async def test_keys_that_come_change_and_go_are_published_each_time_whole(etcd):
    etcd.put({"come/http/a": "1", "come2/http/b": "neighbour", "come/http/ü": "grüß"})
    async with told(provider(etcd.endpoint, "/come/")) as (messages, _):
        await eventually(lambda: messages == [{"http/a": "1", "http/ü": "grüß"}])
        etcd.put({"come/http/a": ""})
        await eventually(lambda: messages[-1] == {"http/a": "", "http/ü": "grüß"})
        etcd.ctl("del", "--prefix", "come/")
        await eventually(lambda: messages[-1] == {})
        etcd.put({"come/http/c": "3"})
        await eventually(lambda: messages[-1] == {"http/c": "3"})
        assert len(messages) == 4


async def test_keys_that_are_written_one_after_the_other_are_read_together(etcd):
    def write():
        for number in range(10):
            pair = {name: b64encode(text.encode()).decode() for name, text in (("key", f"many/{number}"), ("value", "x"))}
            request = urllib.request.Request(f"http://{etcd.endpoint}/v3/kv/put", json.dumps(pair).encode())
            urllib.request.urlopen(request, timeout=5).close()
            time.sleep(0.02)

    async with told(provider(etcd.endpoint, "many")) as (messages, _):
        await eventually(lambda: messages == [{}])
        await asyncio.to_thread(write)
        await eventually(lambda: len(messages[-1]) == 10)
        assert len(messages) <= 4  # a busy machine may be slower than the delay, twice


async def test_it_lists_anew_when_the_history_since_its_listing_was_compacted(etcd):
    def meanwhile():
        context.between = lambda: None
        etcd.put({"gone/a": "1", "gone/b": "1", "gone/c": "1"})
        revision = json.loads(etcd.ctl("get", "gone/c", "-w", "json"))["header"]["revision"]
        etcd.ctl("compact", str(revision))

    context = Keys(meanwhile)
    async with told(provider(etcd.endpoint, "gone", context)) as (messages, task):
        await eventually(lambda: messages[-1:] == [{"a": "1", "b": "1", "c": "1"}])
        assert not task.done()


async def test_a_lost_watch_fails_and_the_next_life_finds_what_changed(tmp_path):
    server = EtcdServer(tmp_path / "etcd").start()
    try:
        source = provider(server.endpoint, "life")
        async with told(source) as (messages, task):
            await eventually(lambda: messages == [{}])
            server.kill()
            await eventually(task.done)
            assert isinstance(task.exception(), EtcdError)
            assert server.endpoint in str(task.exception())
        with pytest.raises(EtcdError, match="Connection refused"):
            await source.provide(None)

        server.start().put({"life/a": "1"})
        async with told(source) as (messages, _):
            await eventually(lambda: messages == [{"a": "1"}])
            server.put({"life/a": "2"})
            await eventually(lambda: messages[-1] == {"a": "2"})
    finally:
        server.kill()


async def test_endpoints_are_tried_in_turn(etcd):
    etcd.put({"turn/a": "1"})
    away = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    async with told(provider([*away, etcd.endpoint], "turn")) as (messages, _):
        await eventually(lambda: messages == [{"a": "1"}])

    with pytest.raises(EtcdError) as failed:
        await provider(away, "turn").provide(None)
    assert all(endpoint in str(failed.value) for endpoint in away)


def guarded_options(server, **options):
    files = {option: str(server.folder / f"{name}.pem") for option, name in (("ca", "ca"), ("cert", "cert"), ("key", "key"))}
    return {"tls": files, "username": "root", "password": "pw", **options}


async def test_users_and_certificates_are_shown_to_an_etcd_that_wants_them(guarded):
    guarded.put({"tls/a": "1"})
    async with told(provider(guarded.endpoint, "tls", **guarded_options(guarded))) as (messages, _):
        await eventually(lambda: messages == [{"a": "1"}])
        guarded.put({"tls/a": "2"})
        await eventually(lambda: messages[-1] == {"a": "2"})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"password": "s3cret-and-wrong"}, "authentication failed, invalid user ID or password"),
        ({"username": "", "password": ""}, "lets in users only; give 'username' and 'password'"),
        ({"username": "stranger"}, "permission denied"),
        ({"tls": {"insecureSkipVerify": False}}, "certificate is not trusted"),
        ({"tls": {"insecureSkipVerify": True}}, "https://127"),  # when the server hangs up decides about the words
    ],
    ids=["password", "nobody", "stranger", "authority", "certificate"],
)
async def test_what_etcd_refuses_fails_with_its_words_and_no_secret(guarded, options, words):
    with pytest.raises(EtcdError, match=words) as failed:
        await provider(guarded.endpoint, "tls", **guarded_options(guarded, **options)).provide(None)
    assert "s3cret" not in str(failed.value)


async def test_a_token_that_is_no_longer_good_is_renewed(guarded):
    """Disabling authentication forgets all tokens, as their end of life does."""
    source = provider(guarded.endpoint, "token", **guarded_options(guarded))
    guarded.put({"token/a": "1"})
    async with a_session(source._tls) as session:
        client = Etcd(session, source._urls[0], ("root", "pw"))
        assert (await client.listed("token/")).pairs == {"token/a": "1"}
        guarded.ctl("auth", "disable")
        guarded.login = []
        assert (await client.listed("token/")).pairs == {"token/a": "1"}
        fresh = Etcd(session, source._urls[0], ("root", "pw"))
        assert (await fresh.listed("token/")).pairs == {"token/a": "1"}
        guarded.ctl("auth", "enable")
        guarded.login = ["--user", "root:pw"]
        revision = (await client.listed("token/")).revision
        assert (await fresh.listed("token/")).revision == revision

        guarded.ctl("auth", "disable")
        guarded.login = []
        guarded.ctl("auth", "enable")
        guarded.login = ["--user", "root:pw"]
        changed = asyncio.create_task(client.changed("token/", revision + 1))
        guarded.put({"token/b": "1"})
        await asyncio.wait_for(changed, 20)
