"""The dashboard as people meet it: in a browser, over a running gateway, with the API below `/gw/api/` (spec §6.5)."""

import asyncio
import json
import shutil
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit

import pytest
import pytest_asyncio
import trustme
from attrs import Factory, define
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.async_api import async_playwright, expect

from .stage import Stage, balancer, staged

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.real("chromium"),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium"),
    pytest.mark.timeout(120),
]

HOSTILE = "<img src=x onerror=hacked()>\"'`${7*7}"
MANY = 130
STATIC = {
    "api": {"basePath": "/gw", "dashboardName": f"Edge {HOSTILE}"},
    "entryPoints": {"web": {}, "b": {}, "u": {"address": "127.0.0.1:0/udp"}},
}
PHONE = {"width": 390, "height": 844}
PAGES = {
    "": "Overview",
    "traffic": "Live traffic",
    "problems": "Problems",
    "explain": "Explain a request",
    "http/routers": "HTTP routers",
    "http/services": "HTTP services",
    "http/middlewares": "HTTP middlewares",
    "tcp/routers": "TCP routers",
    "tcp/services": "TCP services",
    "tcp/middlewares": "TCP middlewares",
    "udp/routers": "UDP routers",
    "udp/services": "UDP services",
    "certificates": "Certificates",
    "http/routers/canary@file": "canary@file",
    "http/routers/lost@file": "lost@file",
    "http/routers/sl%2Fash@file": "sl/ash@file",
    "http/services/split@file": "split@file",
    "http/services/main@file": "main@file",
    "http/services/api@internal": "api@internal",
    "http/middlewares/break@file": "break@file",
    "http/middlewares/oops@file": "oops@file",
    "tcp/routers/t@file": "t@file",
    "tcp/services/t@file": "t@file",
    "tcp/middlewares/few@file": "few@file",
    "udp/routers/u@file": "u@file",
    "udp/services/u@file": "u@file",
}
AUDITED = ("", "traffic", "explain?url=http://m1.test/", "http/routers?search=many-00", "http/routers/canary@file")


def dynamic(urls):
    many = {f"many-{number:03d}": {"rule": f"Host(`m{number}.test`)", "service": "main"} for number in range(MANY)}
    leaf = trustme.CA().issue_cert("shop.test")
    pair = {"certFile": leaf.cert_chain_pems[0].bytes().decode(), "keyFile": leaf.private_key_pem.bytes().decode()}
    checked = {"path": "/health", "interval": "50ms", "timeout": "1s"}
    http = {
        "routers": {
            **many,
            "gateway": {"rule": "PathPrefix(`/gw`)", "service": "api@internal", "priority": 900, "entryPoints": ["web"]},
            "canary": {"rule": "Host(`canary.test`)", "service": "split", "middlewares": ["front", "break"]},
            "fuse": {"rule": "Host(`fuse.test`)", "service": "dark", "middlewares": ["break"]},
            "lost": {"rule": "Host(`lost.test`)", "service": "nobody"},
            "odd": {"rule": "Host(`odd.test`)", "service": "main", "entryPoints": ["web", "nope"]},
            "sl/ash": {"rule": "Path(`/sl`)", "service": "main", "tls": {}},
            HOSTILE: {"rule": "Host(`evil.test`) && Header(`X-A`, `<script>hacked()</script>`)", "service": "main"},
        },
        "services": {
            "main": balancer(urls["a"], urls["closed"], healthCheck=checked),
            "split": {"weighted": {"services": [{"name": "main", "weight": 3}, {"name": "spare", "weight": 1}]}},
            "spare": balancer(urls["b"]),
            "dark": balancer(urls["closed"], passiveHealthCheck={"maxFailedAttempts": 1, "failureWindow": "60s"}),
        },
        "middlewares": {
            "front": {"headers": {"customRequestHeaders": {"X-A": HOSTILE}}},
            "break": {"circuitBreaker": {"expression": "NetworkErrorRatio() > 0.3"}},
            "oops": {"stripPrefx": {"secret": "hush"}},
        },
    }
    address = urls["a"].removeprefix("http://")
    tcp = {
        "routers": {"t": {"rule": "HostSNI(`*`)", "service": "t", "entryPoints": ["b"], "middlewares": ["few"]}},
        "services": {"t": {"loadBalancer": {"servers": [{"address": address}]}}},
        "middlewares": {"few": {"inFlightConn": {"amount": 10}}},
    }
    udp = {
        "routers": {"u": {"service": "u", "entryPoints": ["u"]}},
        "services": {"u": {"loadBalancer": {"servers": [{"address": address}]}}},
    }
    return {"http": http, "tcp": tcp, "udp": udp, "tls": {"certificates": [pair]}}


@define
class Browser:
    """Chromium in front of a running gateway."""

    stage: Stage
    chromium: object

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.stage.gateway.port('web')}"

    @asynccontextmanager
    async def tab(self, place="", *, clock=False, **options):
        """A tab on one page; at its end it has to have kept all the rules."""
        context = await self.chromium.new_context(**{"reduced_motion": "reduce", **options})
        page = await context.new_page()
        tab = Tab(page, self.origin)
        if clock:
            await page.clock.install()
        page.on("request", lambda request: tab.hosts.add(urlsplit(request.url).netloc))
        page.on("console", tab.hear)
        page.on("pageerror", lambda error: tab.said.append(str(error)))
        await page.goto(f"{self.origin}/gw/dashboard/#/{place}")
        await tab.ready()
        yield tab
        assert tab.said == []
        assert {host for host in tab.hosts if host} == {urlsplit(self.origin).netloc}
        assert await page.evaluate("window.hacked") is None
        await context.close()


@define(slots=False, eq=False)
class Tab:
    """One tab, and what it said and asked."""

    page: object
    origin: str
    said: list = Factory(list)
    hosts: set = Factory(set)

    def hear(self, message):
        """A service that is not there is looked for in vain, which the browser says, too."""
        if message.type in ("error", "warning") and "nobody" not in message.location["url"]:
            self.said.append(message.text)

    async def ready(self):
        await expect(self.page.locator(".page")).to_be_visible()

    async def show(self, place):
        await self.page.evaluate("place => { location.hash = '#/' + place }", place)
        await expect(self.page.locator(".waiting")).to_have_count(0)
        await self.ready()

    def text(self, selector):
        return self.page.locator(selector).first.inner_text()

    async def rows(self):
        return await self.page.locator("tbody td.names").all_inner_texts()

    async def focused(self):
        return await self.page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    async with staged(dynamic, STATIC, servers=("a", "b")) as stage, async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        await asyncio.gather(*(stage.get("/", host=f"m{number}.test") for number in range(9)))
        yield Browser(stage, chromium)
        await chromium.close()


@pytest.mark.spec("O-96")
async def test_every_page_shows_what_it_is_about(browser):
    async with browser.tab() as tab:
        assert await tab.page.get_attribute('meta[name="pointsman-api"]', "content") == "/gw/api/"
        for place, title in PAGES.items():
            await tab.show(place)
            assert await tab.text("h1") == title
            assert await tab.page.title() == f"{title} · Edge {HOSTILE}"
            assert await tab.page.locator(".trouble > *").count() == 0, (place, await tab.text(".trouble"))
            assert len(await tab.text("main")) > len(title) + 20
        await tab.show("certificates")
        await tab.page.click("td.names a")
        await expect(tab.page.locator("main")).to_contain_text("Fingerprints")


async def test_a_router_shows_the_way_of_a_request_with_the_state_of_each_part(browser):
    async with browser.tab("http/routers/canary@file") as tab:
        stages = tab.page.locator(".way .stage")
        assert await stages.locator("h3").all_inner_texts() == [
            "Entry points", "Router", "Middlewares", "Service", "Services behind", "Servers",
        ]  # fmt: skip
        down = stages.last.locator(".box", has_text=browser.stage.urls["closed"])
        await expect(down).to_contain_text("Down", timeout=10_000)
        await expect(down).to_contain_text("fails its health check")
        await expect(stages.nth(4)).to_contain_text("weight 3")
        await expect(stages.nth(4)).to_contain_text("1 of 2 up", timeout=10_000)
        await stages.nth(2).locator("a", has_text="break@file").click()
        await expect(tab.page.locator("h1")).to_have_text("break@file")
        assert "NetworkErrorRatio() > 0.3" in await tab.text("main")


async def test_what_is_wrong_is_said_with_its_reason(browser):
    async with browser.tab() as tab:
        assert "not in service" in await tab.text(".notice")
        assert "nobody@file" in await tab.text(".problems")
        await tab.page.click(".problems a >> text=lost@file")
        await expect(tab.page.locator(".notice")).to_contain_text("does not exist")
        await expect(tab.page.locator(".way .box.bad").last).to_contain_text("There is no service of this name.")
        await tab.show("problems")
        assert "did you mean 'stripPrefix'?" in await tab.text("main")
        await tab.show("http/middlewares/oops@file")
        assert "hush" not in await tab.page.content()


async def test_names_and_rules_are_text_whatever_is_in_them(browser):
    async with browser.tab() as tab:
        for place in (
            "http/routers?search=onerror",
            f"http/routers/{quote(HOSTILE + '@file', safe='')}",
            "http/middlewares/front@file",
        ):
            await tab.show(place)
            assert HOSTILE in await tab.text("main")
            assert await tab.page.locator("main img, main script").count() == 0
        await tab.show("explain?url=http://evil.test/")
        await expect(tab.page.locator(".result")).to_contain_text("<script>hacked()</script>")


async def test_lists_are_filtered_searched_sorted_and_paged(browser):
    async with browser.tab("http/routers") as tab:
        page = tab.page
        assert len(await tab.rows()) == 50
        await expect(page.locator(".range")).to_have_text(f"1 to 50 of {MANY + 8}")
        await page.click("text=Next")
        await expect(page.locator(".range")).to_have_text(f"51 to 100 of {MANY + 8}")
        await page.fill("#search", "many-12")
        await expect(page.locator("tbody tr")).to_have_count(10)
        assert (await tab.rows())[0] == "many-120@file"
        await page.click("th button >> text=Name")
        await expect(page.locator("th[aria-sort=descending]")).to_contain_text("Name")
        await expect(page.locator("td.names").first).to_have_text("many-129@file")
        await page.fill("#search", "nothing of that kind")
        await page.click("text=Show all")
        await page.click(".filters >> text=Errors")
        await expect(page.locator("tbody tr")).to_have_count(1)
        assert await tab.rows() == ["lost@file"]
        assert page.url.endswith("#/http/routers?status=disabled&sortBy=name&direction=desc")
        await page.reload()
        await expect(page.locator("tbody tr")).to_have_count(1)


async def test_a_keyboard_is_enough(browser):
    async with browser.tab() as tab:
        press = tab.page.keyboard.press
        await press("Tab")
        assert await tab.focused() == "skip"
        await press("Enter")
        assert await tab.focused() == "main"
        await press("/")
        await expect(tab.page.locator("h1")).to_have_text("HTTP routers")
        await tab.ready()
        await expect(tab.page.locator("h1")).to_be_focused()
        await press("/")
        assert await tab.focused() == "search"
        await tab.page.keyboard.type("many-00")
        await expect(tab.page.locator("tbody tr")).to_have_count(10)
        await tab.page.locator("td.names a").first.focus()
        await press("ArrowDown")
        assert await tab.focused() == "many-001@file"
        await press("End")
        await press("Enter")
        await expect(tab.page.locator("h1")).to_have_text("many-009@file")
        await expect(tab.page.locator("h1")).to_be_focused()
        await tab.page.go_back()
        await expect(tab.page.locator("#search")).to_have_value("many-00")


async def test_why_a_request_goes_where_it_goes(browser):
    async with browser.tab("http/routers/canary@file") as tab:
        await tab.page.click("text=Explain a request like this")
        await expect(tab.page.locator(".result .notice")).to_contain_text("canary@file takes the request")
        await expect(tab.page.locator(".result")).to_contain_text("the request's host is 'canary.test'")
        await tab.page.fill("#url", "http://elsewhere.test/")
        await tab.page.fill("#headers", "X-A: 1\nX-B: 2")
        await tab.page.get_by_role("button", name="Explain").click()
        await expect(tab.page.locator(".result .notice")).to_contain_text("the client gets 404")
        await tab.page.select_option("#point", "b")
        await tab.page.fill("#url", "http://canary.test/\u00e4")
        await tab.page.press("#url", "Enter")
        await expect(tab.page.locator(".result .notice")).to_contain_text("canary@file")


async def test_what_passes_is_counted(browser):
    async with browser.tab("traffic?of=routers") as tab:
        for _ in range(20):
            await browser.stage.get("/", host="m7.test")
        row = tab.page.locator("tbody tr", has_text="many-007@file")
        await expect(row).to_be_visible(timeout=10_000)
        await tab.page.click(".filters >> text=Entry points")
        await expect(row).to_have_count(0)
        await expect(tab.page.locator("tbody tr", has_text="web")).to_be_visible()


async def test_traffic_says_which_circuits_are_open_and_which_servers_are_down(browser):
    async with browser.tab("traffic?of=routers") as tab:
        for _ in range(12):
            await browser.stage.get("/", host="fuse.test")
        row = tab.page.locator("tbody tr", has_text="fuse@file")
        await expect(row).to_contain_text("Circuit open", timeout=15_000)
        await expect(tab.page.locator("tbody .names .badge")).to_have_count(1)
        await tab.page.click(".filters >> text=Servers")
        await expect(tab.page.locator("tbody tr", has_text="dark@file")).to_contain_text("Down", timeout=10_000)


async def test_entry_points_show_their_connections(browser):
    async with browser.stage.connect("b"), browser.tab() as tab:
        card = tab.page.locator("ul.doors .card", has_text=str(browser.stage.gateway.port("b")))
        await expect(card).to_contain_text("1 open", timeout=10_000)


async def test_pages_are_kept_up_to_date_only_while_somebody_wants_it(browser):
    async with browser.tab("http/services/main@file", clock=True) as tab:
        asked = []
        tab.page.on("request", lambda request: asked.append(request.url))
        async with tab.page.expect_request("**/gw/api/http/services/*"):
            await tab.page.clock.fast_forward(4000)
        await tab.page.get_by_role("button", name="Live updates").click()
        await expect(tab.page.locator(".live")).to_have_text("Paused")
        await tab.page.wait_for_load_state("networkidle")
        asked.clear()
        await tab.page.clock.fast_forward(60_000)
        await tab.page.wait_for_load_state("networkidle")
        assert asked == []


async def test_an_api_that_is_away_is_said_and_what_was_known_stays(browser):
    async with browser.tab("http/services/main@file", clock=True) as tab:
        await tab.page.route("**/gw/api/**", lambda route: route.abort())
        await tab.page.clock.fast_forward(4000)
        await expect(tab.page.locator(".trouble")).to_contain_text("the API does not answer", timeout=10_000)
        await expect(tab.page.locator("h2 >> text=Servers")).to_be_visible()
        await tab.page.unroute("**/gw/api/**")
        await tab.page.click("text=Try again")
        await expect(tab.page.locator(".trouble")).to_be_empty()
        await tab.page.evaluate("location.hash = '#/http/services/gone@file'")
        await expect(tab.page.locator(".trouble")).to_contain_text("service not found: gone@file")
        tab.said.clear()  # the browser's own words on what failed


async def test_states_are_words_and_not_only_colours(browser):
    url, other = browser.stage.urls["a"], browser.stage.urls["closed"]
    told = {
        "loadBalancer": {"servers": [{"url": url}, {"url": other}]}, "status": "warning", "name": "main@file",
        "provider": "file", "type": "loadbalancer", "error": ["something is odd"],
        "serverStatus": {url: "UP", other: "DOWN"}, "serverDetails": {other: {"probes": "UP", "failing": 0, "ejected": 2}},
    }  # fmt: skip
    async with browser.tab() as tab:
        await tab.page.route("**/api/http/services/main%40file", lambda route: route.fulfill(body=json.dumps(told)))
        await tab.show("http/services/main@file")
        assert await tab.page.locator("tbody .badge").all_inner_texts() == ["Up", "Ejected"]
        assert "ejected by 2 workers" in await tab.text("tbody")
        assert "In service, with a problem" in await tab.text(".notice")


async def test_numbers_change_in_place(browser):
    async with browser.tab(clock=True) as tab:
        told = await (await tab.page.request.get(f"{browser.origin}/gw/api/overview")).json()
        counts = told["http"]["routers"]
        routers = tab.page.locator(".protocol li").first
        await expect(routers.locator(".states")).to_contain_text("1 error")
        await tab.page.locator(".protocol li a").first.focus()
        counts["errors"] = counts["total"] // 2
        await tab.page.route("**/api/overview", lambda route: route.fulfill(body=json.dumps(told)))
        await tab.page.clock.fast_forward(6000)
        await expect(routers.locator(".states")).to_contain_text(f"{counts['errors']} errors")
        assert 40 < float(await routers.locator(".share .error").evaluate("bar => bar.style.flexGrow")) <= 50
        assert await tab.focused() == "Routers"


async def test_it_fits_a_phone(browser):
    async with browser.tab("http/routers", viewport=PHONE, has_touch=True, is_mobile=True) as tab:
        for place in ("http/routers", "", "http/routers/canary@file", "traffic", "explain"):
            await tab.show(place)
            assert await tab.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], place
        await expect(tab.page.locator("#side")).to_be_hidden()
        await tab.page.tap(".menu")
        await expect(tab.page.locator("#side")).to_be_visible()
        await tab.page.tap("#side >> text=Certificates")
        await expect(tab.page.locator("h1")).to_have_text("Certificates")
        await expect(tab.page.locator("#side")).to_be_hidden()


async def test_a_theme_that_is_chosen_is_remembered(browser):
    ground = "getComputedStyle(document.body).backgroundColor"
    async with browser.tab(color_scheme="light") as tab:
        light = await tab.page.evaluate(ground)
        await tab.page.emulate_media(color_scheme="dark")
        dark = await tab.page.evaluate(ground)
        await tab.page.click("#theme")
        assert await tab.page.evaluate(ground) == light != dark
        await tab.page.reload()
        assert await tab.page.evaluate(ground) == light


@pytest.mark.parametrize(
    ("scheme", "rules"),
    [
        ("light", ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]),
        ("dark", {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}),
    ],
    ids=["light", "dark"],
)
async def test_nothing_stands_in_the_way_of_those_who_see_little_or_nothing(browser, scheme, rules):
    """By axe-core, with the rules of WCAG 2.2 A and AA; in the dark only what depends on colours."""
    options = {"runOnly": rules, "resultTypes": ["violations"], "preload": False}
    async with browser.tab(color_scheme=scheme, bypass_csp=True) as tab:
        await tab.page.evaluate(AXE_FILE_PATH.read_text(encoding="utf-8"))
        for place in AUDITED if scheme == "light" else AUDITED[::2]:
            await tab.show(place)
            found = await tab.page.evaluate("options => axe.run(document, options)", options)
            told = [
                (each["id"], node["html"], node["failureSummary"]) for each in found["violations"] for node in each["nodes"]
            ]
            assert told == [], place
