"""A gateway whose routes are in a real etcd (providers.md §4): they come, change, break, survive and go."""

import ssl
import time

import pytest

from pointsman.testing import answer, connect, eventually, upstream

from .etcd_servers import EtcdServer, needs_etcd

pytestmark = [needs_etcd, pytest.mark.real("etcd", "etcdctl"), pytest.mark.timeout(60)]


@pytest.fixture
def etcd(tmp_path):
    server = EtcdServer(tmp_path / "etcd").start()
    yield server
    server.kill()


@pytest.fixture
async def shops():
    async with upstream(answer(200, {}, b"one")) as one, upstream(answer(200, {}, b"two")) as two:
        yield one, two


def static(etcd, **options):
    return {"providers": {"etcd": {"endpoints": [etcd.endpoint], **options}}}


def keys(name, url, rule=None):
    """A router and its service, below http."""
    return {
        f"traefik/http/routers/{name}/rule": rule or f"Host(`{name}.test`)",
        f"traefik/http/routers/{name}/entrypoints/0": "web",
        f"traefik/http/routers/{name}/service": name,
        f"traefik/http/services/{name}/loadbalancer/servers/0/url": url,
    }


async def ask(running, host):
    async with connect(running.port()) as client:
        got = await client.get("/", host)
    return got.status, got.body


@pytest.mark.spec("P-65", "P-69")
async def test_routes_come_change_stay_while_keys_are_wrong_survive_a_restart_and_go(etcd, shops, start_gateway):
    one, two = shops
    running = await start_gateway({}, static(etcd))

    async def serves(body):
        return await ask(running, "a.test") == (200, body)

    async def gone():
        return (await ask(running, "a.test"))[0] == 404

    assert await gone()
    etcd.put(keys("a", one.url))
    await eventually(lambda: serves(b"one"))

    quickest = 10.0
    for shop, body in ((two, b"two"), (one, b"one"), (two, b"two")):
        etcd.put({"traefik/http/services/a/loadbalancer/servers/0/url": shop.url})
        written = time.monotonic()
        await eventually(lambda body=body: serves(body))
        quickest = min(quickest, time.monotonic() - written)
    assert quickest < 1.0

    etcd.put({"traefik/http/routers/a/nope": "1", "traefik/http/services/a/loadbalancer/servers/0/url": one.url})
    await eventually(lambda: "nope" in running.log())
    assert await serves(b"two")
    etcd.ctl("del", "traefik/http/routers/a/nope")
    await eventually(lambda: serves(b"one"))

    etcd.kill()
    await eventually(lambda: "trying again in" in running.log())
    assert await serves(b"one")
    etcd.start()
    etcd.put({"traefik/http/services/a/loadbalancer/servers/0/url": two.url})
    await eventually(lambda: serves(b"two"))

    etcd.ctl("del", "--prefix", "traefik/")
    await eventually(gone)
    assert "Traceback" not in running.log()


@pytest.mark.spec("P-68", "P-70")
async def test_services_of_services_middlewares_and_tls_are_written_as_keys(etcd, shops, start_gateway):
    one, two = shops
    etcd.put(
        {
            **keys("one", one.url),
            **keys("two", two.url),
            "traefik/http/routers/w/rule": "Host(`w.test`)",
            "traefik/http/routers/w/service": "w",
            "traefik/http/routers/w/middlewares/0": "mark",
            "traefik/http/services/w/weighted/services/0/name": "one",
            "traefik/http/services/w/weighted/services/0/weight": "1",
            "traefik/http/services/w/weighted/services/1/name": "two",
            "traefik/http/services/w/weighted/services/1/weight": "3",
            "traefik/http/middlewares/mark/headers/customresponseheaders/X-Mark": "yes",
            "traefik/http/routers/secret/rule": "Host(`secret.test`)",
            "traefik/http/routers/secret/service": "one",
            "traefik/http/routers/secret/tls": "true",
            "traefik/elsewhere": "ignored",
        }
    )
    running = await start_gateway({}, static(etcd, rootKey="traefik"))

    async def weighted():
        async with connect(running.port()) as client:
            answers = [await client.get("/", "w.test") for _ in range(8)]
        assert {each.get("x-mark") for each in answers} == {"yes"}
        return sorted(each.body for each in answers) == [b"one"] * 2 + [b"two"] * 6

    await eventually(weighted)
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    async with connect(running.port(), tls=trusting, server_name="secret.test") as client:
        assert (await client.get("/", "secret.test")).body == b"one"
    assert (await ask(running, "secret.test"))[0] == 404


async def test_an_etcd_that_is_away_at_the_start_is_found_when_it_comes(etcd, shops, start_gateway):
    etcd.put(keys("a", shops[0].url))
    etcd.kill()
    running = await start_gateway({}, static(etcd))
    await eventually(lambda: "provider etcd" in running.log())
    etcd.start()

    async def found():
        return await ask(running, "a.test") == (200, b"one")

    await eventually(found)
