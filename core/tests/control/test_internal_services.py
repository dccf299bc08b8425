import asyncio
import gzip
import io
from typing import Any, ClassVar

import aiohttp
import pytest
from attrs import frozen
from yarl import URL

from pointsman import InternalContext, InternalRequest, InternalResponse, hookimpl
from pointsman.config.implied import with_implied
from pointsman.config.scalars import Duration
from pointsman.config.static import API, Ping, Providers, Static
from pointsman.control.api import Api
from pointsman.control.app import MAX_BODY_BYTES, ControlApp, PingService
from pointsman.control.dashboard import Dashboard
from pointsman.control.internal import HIGHEST, internal_document
from pointsman.control.knowledge import Knowledge
from pointsman.control.services import build_services, enabled
from pointsman.plugins import load_registry


class Pages:
    name: ClassVar[str] = "dashboard"
    section: ClassVar[str] = "api.dashboard"

    def __init__(self, context: InternalContext | None = None) -> None:
        self.context = context

    async def answer(self, request: InternalRequest) -> InternalResponse:
        return InternalResponse(200, request.path.encode(), "text/html")


class Counters(Pages):
    name: ClassVar[str] = "counters"
    section: ClassVar[str] = "ping"
    path: ClassVar[str] = "/metrics"


class Plugin:
    __name__ = "plugin"

    @hookimpl
    def pointsman_internal_services(self) -> Any:
        return [Pages, Counters]


@pytest.fixture
def registry():
    return load_registry(Plugin(), entry_point_plugins=False)


class Failing:
    async def answer(self, request: InternalRequest) -> InternalResponse:
        raise ValueError("no")


class Mirror:
    async def answer(self, request: InternalRequest) -> InternalResponse:
        said = f"{request.method} {request.path} {dict(request.query)} {request.headers['x-a']}"
        return InternalResponse(203, said.encode(), "text/x", {"X-B": "2"})


class Taking:
    takes_bodies = True

    async def answer(self, request: InternalRequest) -> InternalResponse:
        return InternalResponse(body=f"{len(request.body)} {request.body[:3]!r}".encode())


class Leaving(Taking):
    takes_bodies = False


async def ask(app, target, method="GET", **options):
    url = URL(f"http://a{target}", encoded=True)
    connector = aiohttp.UnixConnector(app.path)
    async with aiohttp.ClientSession(connector=connector) as session, session.request(method, url, **options) as response:
        return response.status, response.headers, await response.read()


@pytest.fixture
async def app():
    services = {"mirror": Mirror(), "failing": Failing(), "ping": PingService(Ping())}
    app = ControlApp({**services, "taking": Taking(), "leaving": Leaving()})
    await app.start()
    yield app
    await app.aclose()


async def test_ping_awaits_providers_for_as_long_as_it_may(caplog):
    now = 100.0
    ping = PingService(Ping(await_providers=Duration(30)), lambda: now)
    ping.awaited = lambda: awaited
    awaited = ["consul", "file"]
    assert ((await ping.answer(None)).status, ping.awaits_providers) == (503, True)
    awaited = []
    assert ((await ping.answer(None)).status, ping.awaits_providers) == (200, False)
    awaited = ["consul"]  # what comes later changes nothing
    assert (await ping.answer(None)).status == 200
    assert not caplog.messages

    ping = PingService(Ping(await_providers=Duration(30)), lambda: now)
    ping.awaited = lambda: awaited
    now = 129.9
    assert (await ping.answer(None)).status == 503
    now = 130.0
    assert [(await ping.answer(None)).status for _ in range(2)] == [200, 200]
    assert caplog.messages == ["ping answers 200 from now on, though after 30 s nothing is known of: consul"]
    assert (await PingService(Ping()).answer(None)).status == 200


async def test_a_service_is_told_what_was_asked_and_answers_as_it_likes(app):
    target = "/mirror@internal/a%2Fb/../c?x=1&x=2&y=%20z"
    status, headers, body = await ask(app, target, headers=[("X-A", "1"), ("X-A", "2")])

    assert (status, headers["content-type"], headers["x-b"]) == (203, "text/x", "2")
    assert body == b"GET /a%2Fb/../c {'x': ['1', '2'], 'y': [' z']} 1, 2"


async def pieces(size):
    yield b"abc"
    for _ in range(size // 65536):
        yield b" " * 65536


async def put(app, name, body, **headers):
    status, _, told = await ask(app, f"/{name}@internal/", "PUT", data=body, headers=headers)
    return status, told


async def test_a_body_is_for_services_that_take_bodies(app):
    assert await put(app, "taking", b"abcd") == (200, b"4 b'abc'")
    assert await put(app, "taking", pieces(65536)) == (200, b"65539 b'abc'")
    assert await put(app, "taking", None) == (200, b"0 b''")
    assert await put(app, "leaving", b"abcd") == (200, b"0 b''")


async def test_a_body_is_given_as_it_was_sent(app):
    packed = gzip.compress(b"abcd")
    assert await put(app, "taking", packed, **{"Content-Encoding": "gzip"}) == (
        200,
        f"{len(packed)} {packed[:3]!r}".encode(),
    )


async def test_a_body_has_a_limit(app):
    most = b" " * MAX_BODY_BYTES
    assert (await put(app, "taking", io.BytesIO(most)))[0] == 200
    for longer in (io.BytesIO(most + b" "), pieces(2 * MAX_BODY_BYTES)):
        assert await put(app, "taking", longer) == (413, b"a body may have 4194304 bytes\n")


async def test_who_goes_in_the_middle_of_a_body_leaves_no_trace(app, caplog):
    for _ in range(3):
        _, writer = await asyncio.open_unix_connection(app.path)
        writer.write(b"PUT /taking@internal/ HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
        await writer.drain()
        await ask(app, "/ping@internal/ping")
        writer.close()
    await ask(app, "/ping@internal/ping")

    assert [record.getMessage() for record in caplog.records] == []


async def test_what_a_client_writes_after_the_name_does_not_change_the_service(app):
    status, _, body = await ask(app, "/mirror@internal/ping@internal/x", headers={"x-a": "1"})

    assert status == 203
    assert b"GET /ping@internal/x " in body


async def test_a_service_that_fails_is_a_500_that_says_nothing(app, caplog):
    status, _, body = await ask(app, "/failing@internal/")

    assert (status, body) == (500, b"")
    assert "failing@internal failed" in caplog.text


async def test_no_service_of_that_name_is_a_404(app):
    assert (await ask(app, "/nobody@internal/"))[0] == 404
    assert (await ask(app, "/"))[0] == 404


async def test_ping_has_no_content_type(app):
    status, headers, body = await ask(app, "/ping@internal/ping")

    assert (status, body) == (200, b"OK")
    assert not headers.keys() & {"content-type", "server", "Content-Type", "Server"}


def test_services_are_there_as_the_static_configuration_says(registry):
    assert list(enabled(Static(), registry)) == []
    assert list(enabled(Static(ping=Ping(), api=API()), registry)) == ["ping", "api", "dashboard", "counters"]
    assert list(enabled(Static(api=API(dashboard=False)), registry)) == ["api"]


@frozen
class PostConfig:
    open: bool = False

    @property
    def entry_point(self) -> str:
        return "traefik" if self.open else ""


class Post:
    """A provider that is told by requests."""

    name: ClassVar[str] = "letterBox"
    Config: ClassVar[type] = PostConfig
    path: ClassVar[str] = "/letters/"

    async def answer(self, request: InternalRequest) -> InternalResponse:
        return InternalResponse()


def test_a_provider_that_answers_is_an_internal_service(registry):
    registry.providers["letterBox"] = Post
    closed, opened = (
        with_implied(Static(providers=Providers(kinds={"letterBox": PostConfig(open=choice)})))[0]
        for choice in (False, True)
    )

    assert [list(enabled(each, registry)) for each in (closed, opened)] == [["letterbox"]] * 2
    assert build_services(opened, registry) == {}, "there is an instance already"
    assert internal_document(closed, registry)["http"]["routers"] == {}
    assert internal_document(opened, registry)["http"]["routers"]["letterbox"] == {
        "rule": "PathPrefix(`/letters/`)",
        "service": "letterbox@internal",
        "priority": HIGHEST,
        "entryPoints": ["traefik"],
    }
    assert ["traefik" in each.entry_points for each in (closed, opened)] == [False, True]


def test_a_plugin_is_told_its_options_and_where_the_api_is(registry):
    built = build_services(Static(ping=Ping(entry_point="web"), api=API(base_path="/gw/")), registry)

    assert built["dashboard"].context.api_path == "/gw/api/"
    assert built["dashboard"].context.name == "dashboard@internal"
    assert built["counters"].context.options.entry_point == "web"


def test_insecure_and_ping_imply_routers_below_the_base_path(registry):
    static = Static(ping=Ping(entry_point="web"), api=API(insecure=True, debug=True, base_path="/gw"))
    routers = internal_document(static, registry)["http"]["routers"]

    assert routers["api"] == {
        "rule": "PathPrefix(`/gw/api`)",
        "service": "api@internal",
        "priority": HIGHEST - 1,
        "entryPoints": ["traefik"],
    }
    assert {name: (router["rule"], HIGHEST - router["priority"]) for name, router in routers.items()} == {
        "api": ("PathPrefix(`/gw/api`)", 1),
        "dashboard": ("PathPrefix(`/gw/`)", 2),
        "debug": ("PathPrefix(`/gw/debug`)", 1),
        "ping": ("PathPrefix(`/ping`)", 0),
        "counters": ("PathPrefix(`/metrics`)", 0),
    }
    assert routers["counters"]["entryPoints"] == ["web"]


def test_without_insecure_and_with_manual_routing_nothing_is_implied(registry):
    static = Static(ping=Ping(manual_routing=True), api=API())

    assert internal_document(static, registry)["http"]["routers"] == {}


async def asked(service, path, **headers):
    answer = await service.answer(InternalRequest("GET", path, {}, {"host": "a.test", **headers}))
    return answer.status, answer.headers.get("Location", answer.body.decode())


async def test_the_dashboard_is_below_the_api_with_its_base_path(registry):
    static = Static(api=API(base_path="/gw"))
    api = Api(Knowledge(static, registry), registry, "/gw", Dashboard("/gw", False, Pages()))

    assert await asked(api, "/gw") == (302, "/gw/dashboard/")
    assert await asked(api, "/gw", **{"x-forwarded-prefix": "/out/"}) == (302, "/out/gw/dashboard/")
    assert await asked(api, "/gw", **{"x-forwarded-prefix": "//evil.test"}) == (302, "/gw/dashboard/")
    assert await asked(api, "/gw/dashboard/") == (200, "/")
    assert await asked(api, "/gw/dashboard/a/b.js") == (200, "/a/b.js")
    for path in ("/gw/", "/gw/dashboard", "/dashboard/", "/gw/dashboards/"):
        assert (await asked(api, path))[0] == 404, path


async def test_in_insecure_mode_the_root_leads_to_the_dashboard_and_both_its_forms_work():
    pages = Dashboard("", True, Pages())

    assert await asked(pages, "/") == (301, "http://a.test/dashboard/")
    assert await asked(pages, "/dashboard") == await asked(pages, "/dashboard/") == (200, "/")
    assert await asked(pages, "/dashboard/x.js") == (200, "/x.js")
    assert await asked(pages, "/x.js") == (200, "/x.js")
    assert await asked(Dashboard("/gw", True, Pages()), "/gw/x.js") == (200, "/x.js")


async def test_behind_a_router_of_its_own_the_dashboard_is_wherever_it_is_mounted():
    pages = Dashboard("", False, Pages())

    assert await asked(pages, "/") == (200, "/")
    assert await asked(pages, "/x.js") == (200, "/x.js")


async def test_without_the_plugin_it_says_what_to_install():
    assert await asked(Dashboard("", False, None), "/") == (
        404,
        "the dashboard is not installed; pip install pointsman-dashboard\n",
    )
