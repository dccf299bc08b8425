"""What is served, to whom and how; the pages themselves are looked at in a browser (tests/e2e/test_dashboard.py)."""

import re
from importlib.resources import files

import pytest
from attrs import define, evolve

from pointsman import InternalRequest
from pointsman_dashboard import Dashboard, pointsman_internal_services
from pointsman_dashboard.assets import Assets

STATIC = files("pointsman_dashboard").joinpath("static")
SCRIPTS = {entry.name: entry.read_text(encoding="utf-8") for entry in STATIC.iterdir() if entry.name.endswith(".js")}
PAGE = InternalRequest("GET", "/")


@define
class Context:
    api_path: str = "/gw/api/"


@pytest.fixture
def dashboard():
    return Dashboard(Context())


def api_base(answer):
    return re.search(r'name="pointsman-api" content="([^"]*)"', answer.body.decode())[1]


def test_the_hook_brings_the_dashboard_where_the_api_has_one():
    assert pointsman_internal_services() == [Dashboard]
    assert (Dashboard.name, Dashboard.section) == ("dashboard", "api.dashboard")


async def test_the_page_says_where_the_api_is(dashboard):
    answer = await dashboard.answer(PAGE)

    assert (answer.status, answer.content_type) == (200, "text/html; charset=utf-8")
    assert api_base(answer) == "/gw/api/"


@pytest.mark.parametrize(
    ("prefix", "base"),
    [
        ("/front", "/front/gw/api/"),
        ("/front/", "/front/gw/api/"),
        ("//evil.example", "/gw/api/"),
        ("https://evil.example", "/gw/api/"),
        ('/"><script>', "/gw/api/"),
        ("/a\\b", "/gw/api/"),
        ("/a&amp", "/a&amp;amp/gw/api/"),
        ("", "/gw/api/"),
    ],
)
async def test_a_prefix_that_was_taken_off_is_believed_unless_it_leads_elsewhere(dashboard, prefix, base):
    assert api_base(await dashboard.answer(evolve(PAGE, headers={"x-forwarded-prefix": prefix}))) == base


async def test_every_file_that_the_page_and_the_scripts_name_is_served_and_no_other(dashboard):
    page = (await dashboard.answer(PAGE)).body.decode()
    version = Assets.read().version
    named = set(re.findall(rf'(?:src|href)="{version}/([\w.]+)"', page))
    for text in SCRIPTS.values():
        named |= set(re.findall(r'from "\./([\w.]+)"', text))

    assert {"style.css", "main.js", "mark.svg", "list.js"} <= named
    assert named == set(Assets.read().by_name)
    for name in named:
        answer = await dashboard.answer(InternalRequest("GET", f"/{version}/{name}"))
        assert answer.status == 200
        assert answer.content_type.partition(";")[0] in ("text/css", "text/javascript", "image/svg+xml")
        assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/nothing", "/main.js", "/0123/main.js", "/VERSION/../main.js", "/VERSION/", "/VERSION"])
async def test_nothing_else_is_served(dashboard, path):
    answer = await dashboard.answer(InternalRequest("GET", path.replace("VERSION", Assets.read().version)))

    assert (answer.status, answer.body) == (404, b"404 page not found\n")


async def test_a_browser_that_has_a_file_is_told_so(dashboard):
    first = await dashboard.answer(PAGE)
    tag = first.headers["ETag"]
    again = await dashboard.answer(evolve(PAGE, headers={"if-none-match": f'"other", W/{tag}'}))
    elsewhere = await dashboard.answer(evolve(PAGE, headers={"if-none-match": tag, "x-forwarded-prefix": "/front"}))

    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    assert elsewhere.status == 200
    assert first.headers["Cache-Control"] == "no-cache"


async def test_only_reading_is_allowed(dashboard):
    answer = await dashboard.answer(InternalRequest("POST", "/"))

    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert (await dashboard.answer(InternalRequest("HEAD", "/"))).status == 200


@pytest.mark.parametrize("path", ["/", "/nothing"])
async def test_every_answer_forbids_whatever_is_not_the_dashboards_own(dashboard, path):
    headers = (await dashboard.answer(InternalRequest("GET", path))).headers
    policy = dict(each.strip().split(" ", 1) for each in headers["Content-Security-Policy"].split(";"))

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_of_text_or_names_another_host(name):
    text = SCRIPTS[name]

    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function|srcdoc", text)
    assert set(re.findall(r"https?://[\w.]+", text)) <= {"http://www.w3.org", "http://shop.example"}


def test_the_page_has_no_script_or_style_of_its_own():
    page = STATIC.joinpath("index.html").read_text(encoding="utf-8")

    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=", page)
