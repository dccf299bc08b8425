"""Several providers at once, and how the gateway lives with those that fail (providers.md §1, §2.2, §2.3, §7)."""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
import trustme

from pointsman.testing import Gateway, Upstream, answer, eventually, upstream

from . import told
from .stage import Stage, balancer, head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")

API = {"rule": "PathPrefix(`/api`)", "service": "api@internal", "entryPoints": ["web"]}
IN_FORCE = "a new configuration is in force"


def one(host: str, url: str, **router: Any) -> dict[str, Any]:
    """A router called r to a service called s."""
    rule = {"rule": f"Host(`{host}`)", "service": "s", "entryPoints": ["web"], **router}
    return {"http": {"routers": {"r": rule}, "services": {"s": balancer(url)}}}


def put(document: Any, name: str = "rest") -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    lines = (f"PUT /api/providers/{name} HTTP/1.1", "Host: a.test", f"Content-Length: {len(body)}")
    return head(*lines, body=body)


@asynccontextmanager
async def polling(static: Mapping[str, Any]) -> AsyncIterator[tuple[Stage, Upstream]]:
    """A stage whose gateway also asks an endpoint, which says nothing so far, and takes what is put."""
    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(upstream())
        endpoint.answers(answer(200))
        http = {"endpoint": f"{endpoint.url}/cfg", "pollInterval": "10ms", "headers": {"Host": "cfg.local"}}
        settings = {"api": {}, "log": {"level": "INFO"}, "metrics": {"prometheus": {"entryPoint": "web"}}, **static}
        settings["providers"] = {"http": http, "rest": {"insecure": True}, **settings.get("providers", {})}
        yield await stack.enter_async_context(staged(own, settings)), endpoint


def own(urls: Mapping[str, str], routers: Mapping[str, Any] | None = None, **services: Any) -> dict[str, Any]:
    """What the file says."""
    return routed({"api": API, "own": "Host(`own.test`)", **(routers or {})}, urls, **services)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory) -> AsyncIterator[tuple[Stage, Upstream]]:
    """For all who need no static configuration of their own: with a plugin's provider, and one whose options are bad."""
    with told.installed(tmp_path_factory.mktemp("plugins")):
        plugins = {
            "told": {"document": json.dumps(one("plugin.test", "http://127.0.0.1:1"))},
            "http": {"endpoint": "http://127.0.0.1:1", "pollTimeout": "-1s"},
        }
        async with polling({"providers": {"plugin": plugins}}) as found:
            yield found


@pytest_asyncio.fixture(loop_scope="module")
async def stage(shared) -> AsyncIterator[Stage]:
    """It says again what it said at the start."""
    stage, endpoint = shared
    yield stage
    endpoint.answers(answer(200))
    assert (await stage.ask(put({"http": {"routers": {}}}), "traefik")).status == 200
    await stage.gateway.update(own(stage.urls))

    async def is_over() -> bool:
        names = {router["name"] for router in await asked(stage, "http/routers")}
        return names & {"r@http", "r@rest"} == set()

    await eventually(is_over, "the test is over")


@pytest.fixture
def endpoint(shared) -> Upstream:
    return shared[1]


def tells(document: Any) -> Sequence[Any]:
    return answer(200, {}, document if isinstance(document, bytes) else json.dumps(document).encode())


async def body_of(stage: Stage, host: str) -> bytes:
    found = await stage.get("/", host)
    return found.body if found.status == 200 else str(found.status).encode()


async def becomes(stage: Stage, host: str, body: bytes) -> None:
    async def it_is() -> bool:
        return await body_of(stage, host) == body

    await eventually(it_is, f"{host} is answered by {body!r}")


async def asked(stage: Stage, path: str) -> Any:
    return json.loads((await stage.get(f"/api/{path}", "api.test")).body)


async def provider(stage: Stage, name: str) -> dict[str, Any]:
    (found,) = [each for each in await asked(stage, "providers") if each["name"] == name]
    return found


async def fails(stage: Stage, name: str, word: str) -> dict[str, Any]:
    async def it_does() -> bool:
        return word in (await provider(stage, name)).get("lastError", "")

    await eventually(it_does, f"{name} fails for {word}")
    return await provider(stage, name)


async def metrics(stage: Stage, name: str) -> dict[str, float]:
    """The metrics of providers, of one of them."""
    text = (await stage.get("/metrics", "m.test")).body.decode()
    return {
        key: float(value) for key, value in re.findall(rf'^pointsman_provider_(\w+){{provider="{name}"}} (\S+)$', text, re.M)
    }


async def polled(endpoint: Upstream) -> None:
    """Two more polls: one of them began after this."""
    await endpoint.received(len(endpoint.requests) + 2)


@pytest.mark.spec("P-1", "P-2", "P-3")
async def test_each_provider_has_its_names_and_may_use_those_of_others(stage, endpoint):
    endpoint.answers(tells(one("http.test", stage.urls["b"])))
    crossing = {"rule": "Host(`crossing.test`)", "service": "s@http"}
    await stage.gateway.update(own(stage.urls, {"r": "Host(`file.test`)", "crossing": crossing}))
    await becomes(stage, "http.test", b"b")

    assert await body_of(stage, "file.test") == b"a"
    assert await body_of(stage, "crossing.test") == b"b"
    assert {"r@file", "r@http", "crossing@file"} <= {router["name"] for router in await asked(stage, "http/routers")}


@pytest.mark.spec("P-19", "P-20", "P-21", "P-22")
async def test_an_endpoint_that_is_polled(stage, endpoint):
    endpoint.answers(tells(one("http.test", stage.urls["a"])))
    await becomes(stage, "http.test", b"a")
    assert endpoint.last.get_all("host") == ["cfg.local"]

    reloads = stage.gateway.log().count(IN_FORCE)
    plain = one("http.test", stage.urls["a"])["http"]
    as_yaml = "\n".join(f"  {key}: {json.dumps(value)}" for key, value in plain.items())
    endpoint.answers(tells(f"# in other words\nhttp:\n{as_yaml}\n".encode()))
    await polled(endpoint)
    assert (await provider(stage, "http"))["problems"] == 0

    endpoint.answers(tells(b"http: {routers: {r: {rule: 1, foo: 2}}}"))
    state = await fails(stage, "http", "foo")
    await polled(endpoint)
    assert await body_of(stage, "http.test") == b"a"
    assert stage.gateway.log().count("unknown key 'foo'") == 1
    assert (state["running"], state["problems"]) == (True, 1)
    assert stage.gateway.log().count(IN_FORCE) == reloads

    endpoint.answers(answer(500))
    state = await fails(stage, "http", "answered 500")
    assert state["lastErrorAt"] > state["lastSuccess"]
    assert await body_of(stage, "http.test") == b"a"
    told_now = await metrics(stage, "http")
    assert told_now["last_error_timestamp_seconds"] > told_now["last_success_timestamp_seconds"] > 1.7e9
    assert told_now["running"] == 1 or told_now["next_try_timestamp_seconds"] > told_now["last_error_timestamp_seconds"]

    endpoint.answers(tells(one("http.test", stage.urls["b"])))
    await becomes(stage, "http.test", b"b")
    told_now = await metrics(stage, "http")
    assert told_now["last_success_timestamp_seconds"] > told_now["last_error_timestamp_seconds"]
    assert (told_now["running"], told_now["next_try_timestamp_seconds"]) == (1, 0)
    assert (await provider(stage, "http"))["problems"] == 0

    endpoint.answers(answer(200))
    await becomes(stage, "http.test", b"404")


@pytest.mark.spec("P-23", "P-24")
async def test_a_configuration_that_is_put(stage):
    document = one("put.test", stage.urls["b"])
    stored = await stage.ask(put(document), "traefik")
    assert (stored.status, json.loads(stored.body)) == (200, document)
    await becomes(stage, "put.test", b"b")
    assert (await asked(stage, "http/services/rest@internal"))["status"] == "enabled"

    assert (await stage.ask(put({}), "traefik")).status == 200
    refused = await stage.ask(put(document, "file"), "traefik")
    assert (refused.status, refused.body) == (400, b"Only 'rest' provider can be updated through the REST API\n")
    refused = await stage.ask(put({"http": {"routers": {"r": {"priority": "high"}}}}), "traefik")
    assert (refused.status, refused.body.partition(b":")[0]) == (400, b"http.routers.r.priority")
    assert (await stage.ask(put(b"{"), "traefik")).status == 400
    assert (await stage.get("/api/providers/rest", entry_point="traefik")).status == 405
    assert (await provider(stage, "rest"))["problems"] == 0
    assert await body_of(stage, "put.test") == b"b"

    unknown = {**document, "new": 1, "http": {**document["http"], "newer": {}}}
    unknown["http"]["routers"]["r"]["newest"] = True
    unknown["http"]["middlewares"] = {"m": {"addPrefix": {"prefix": "/x", "newest": 1}}}
    stored = await stage.ask(put(unknown), "traefik")
    del unknown["new"], unknown["http"]["newer"], unknown["http"]["routers"]["r"]["newest"]
    del unknown["http"]["middlewares"]["m"]["addPrefix"]["newest"]
    assert (stored.status, json.loads(stored.body)) == (200, unknown)

    assert (await stage.ask(put({"http": {"routers": {}}}), "traefik")).status == 200
    await becomes(stage, "put.test", b"404")


async def test_a_configuration_that_is_put_through_a_router_of_ones_own(stage):
    rest = {"rule": "Host(`a.test`) && PathPrefix(`/api/providers/`)", "service": "rest@internal", "priority": 1000}
    await stage.gateway.update(own(stage.urls, {"rest": rest}))
    assert (await stage.ask(put(one("put.test", stage.urls["b"])))).status == 200
    await becomes(stage, "put.test", b"b")

    filling = " " * (4 << 20)
    assert (await stage.ask(put(f"{{{filling[2:]}}}".encode()))).status == 200
    refused = await stage.ask(put(f"{{{filling}}}".encode()))
    assert (refused.status, refused.body) == (413, b"a body may have 4194304 bytes\n")

    chunks = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    async with stage.connect() as client:
        await client.send(head("PUT /api/providers/rest HTTP/1.1", "Host: a.test", "Transfer-Encoding: chunked"))
        await client.send(*[chunks] * 65)
        assert (await client.message()).status == 413
    assert await body_of(stage, "put.test") == b"b"


async def test_a_client_that_goes_in_the_middle_of_its_body_changes_nothing(stage):
    assert (await stage.ask(put(one("put.test", stage.urls["b"])), "traefik")).status == 200
    await becomes(stage, "put.test", b"b")
    async with stage.connect("traefik") as client:
        await client.send(put({"http": {"routers": {}}})[:-1])
        client.reset()
    assert (await stage.ask(put({}), "traefik")).status == 200

    assert await body_of(stage, "put.test") == b"b"
    assert "failed" not in stage.gateway.log().partition("rest@internal")[2]


@pytest.mark.spec("P-28")
async def test_a_provider_whose_options_are_bad_is_left_out_and_named(stage):
    assert await body_of(stage, "own.test") == b"a"
    assert "providers.http.pollTimeout: must not be negative, got -1s" in stage.gateway.log()
    assert "providers.http.pollTimeout" in [each["path"] for each in await asked(stage, "problems")]
    assert "plugin-http" not in [each["name"] for each in await asked(stage, "providers")]


@pytest.mark.spec("P-71")
async def test_a_plugin_of_ones_own_is_a_provider(stage):
    assert await body_of(stage, "plugin.test") == b"502"
    assert "r@plugin-told" in [router["name"] for router in await asked(stage, "http/routers")]
    assert (await provider(stage, "plugin-told"))["running"] is True
    assert (await metrics(stage, "plugin-told"))["running"] == 1


@pytest.mark.spec("P-27")
async def test_a_sticky_cookie_chooses_the_same_server_after_a_reload(stage):
    def dynamic(**also: str) -> dict[str, Any]:
        many = balancer(*(stage.urls[name] for name in "abc"), sticky={"cookie": {"name": "sid"}})
        return own(stage.urls, {"r": {"rule": "Host(`sticky.test`)", "service": "many"}, **also}, many=many)

    await stage.gateway.update(dynamic())
    given: dict[bytes, str] = {}
    for _ in range(3):
        found = await stage.get("/", "sticky.test")
        given[found.body] = (found.get("set-cookie") or "").partition(";")[0]
    assert sorted(given) == [b"a", b"b", b"c"]

    await stage.gateway.update(dynamic(other="Host(`other.test`)"))
    for server, cookie in given.items():
        found = await stage.get("/", "sticky.test", cookie=cookie)
        assert (found.body, found.get("set-cookie")) == (server, None)


@pytest.mark.spec("P-72")
async def test_a_default_store_of_two_providers_is_nobodys(stage, endpoint):
    issued = trustme.CA().issue_cert("store.test")
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems).decode()
    pair = {"certFile": chain, "keyFile": issued.private_key_pem.bytes().decode()}
    stores = {"tls": {"stores": {"default": {"defaultCertificate": pair}}}}

    async def is_ours() -> bool:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", stage.gateway.port(), ssl=context, server_hostname="a.test")
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return bool(shown == ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode()))

    async def is_generated() -> bool:
        return not await is_ours()

    secret = {"rule": "Host(`a.test`)", "tls": {}}
    await stage.gateway.update({**own(stage.urls, {"secret": secret}), **stores})
    assert await is_ours()

    endpoint.answers(tells(stores))
    await eventually(is_generated, "the generated certificate is served")
    assert "tls.stores.default: is defined by file and http, so none is used" in stage.gateway.log()

    endpoint.answers(answer(200))
    await eventually(is_ours, "there is one again")


@pytest.mark.spec("P-4")
@pytest.mark.parametrize("order", [["http", "file"], ["file", "http"]], ids=lambda order: order[0])
async def test_of_two_providers_that_tie_the_one_with_precedence_answers(order):
    async with polling({"providers": {"precedence": order}}) as (stage, endpoint):
        endpoint.answers(tells(one("tie.test", stage.urls["b"])))
        await stage.gateway.update(own(stage.urls, {"r": {"rule": "Host(`tie.test`)", "entryPoints": ["web"]}}))

        async def both() -> bool:
            return {"r@file", "r@http"} <= {router["name"] for router in await asked(stage, "http/routers")}

        await eventually(both, "both routers are there")
        assert await body_of(stage, "tie.test") == (b"b" if order[0] == "http" else b"a")


@pytest.mark.spec("P-5")
async def test_a_precedence_of_nobody_ends_the_start():
    front = Gateway({}, {"providers": {"precedence": ["bogus"]}})
    try:
        front.spawn()
        assert await front.exited() == 1
        assert '"bogus" is not a valid provider name' in front.log()
    finally:
        await front.stop()
        front.remove()


@pytest.mark.spec("P-25")
async def test_a_burst_of_changes_is_two_or_three_reloads():
    """The throttle is shorter here than the two seconds of the case, and so is the burst."""
    async with polling({"providers": {"providersThrottleDuration": "500ms"}}) as (stage, _):
        before = stage.gateway.log().count(IN_FORCE)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for number in range(20):
            assert (await stage.ask(put(one(f"n{number}.test", stage.urls["a"])), "traefik")).status == 200
            if number == 0:
                await becomes(stage, "n0.test", b"a")
        burst = loop.time() - begun
        await becomes(stage, "n19.test", b"a")
        assert await body_of(stage, "n0.test") == b"404"
        assert stage.gateway.log().count(IN_FORCE) - before <= 2 + burst // 0.5


async def test_a_source_that_is_away_at_the_start_is_asked_until_it_is_there():
    async with upstream() as endpoint:
        port = endpoint.port
        await endpoint.aclose()
        static = {"api": {}, "providers": {"http": {"endpoint": f"http://127.0.0.1:{port}", "pollInterval": "10ms"}}}
        async with staged(own, static) as stage:
            assert await body_of(stage, "own.test") == b"a"
            state = await fails(stage, "http", "Connection refused")
            assert "lastSuccess" not in state
            assert state["lastError"].startswith("http://"), "it is told without the name of a class"

            endpoint.answers(tells(one("http.test", stage.urls["b"])))
            await endpoint.start(port=port)
            await becomes(stage, "http.test", b"b")
