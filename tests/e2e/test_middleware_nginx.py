"""What annotations of ingress-nginx ask for, written in a file, over real sockets (middlewares.md §4)."""

import asyncio

import pytest
import pytest_asyncio

from pointsman.testing import answer

from .stage import head, routed, staged

pytestmark = pytest.mark.asyncio(loop_scope="module")


def dynamic(urls):
    middlewares = {
        "start": {"appRoot": {"path": "/app"}},
        "api": {"rewriteTarget": {"regex": "^/api(/|$)(.*)", "replacement": "/$2", "xForwardedPrefix": "/api"}},
        "inner": {"upstreamVHost": {"vHost": "$service_name.internal", "vars": {"service_name": "shop"}}},
        "rules": {
            "snippet": {
                "serverSnippet": "location /admin { deny all; }",
                "configurationSnippet": 'more_set_headers "X-Asked: $request_uri"; proxy_set_header X-Asked $request_uri;',
            }
        },
        "door": {
            "snippet": {
                "configurationSnippet": "auth_request_set $user $upstream_http_x_user; proxy_set_header X-Who $user;",
                "auth": {
                    "address": f"{urls['b']}/check?of=$request_uri",
                    "authResponseHeaders": ["X-Role"],
                    "authSigninURL": "https://login.t/start",
                },
            }
        },
        "nobody": {"snippet": {"auth": {"address": f"{urls['closed']}/check"}}},
        "broken": {"snippet": {"configurationSnippet": "gzip on;"}},
    }
    chains = {"shop": ["start", "api", "inner", "rules"], "door": ["door"], "nobody": ["nobody"], "broken": ["broken"]}
    document = routed({name: {"rule": f"Host(`{name}.t`)", "middlewares": chain} for name, chain in chains.items()}, urls)
    document["http"]["middlewares"] = middlewares
    return document


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running():
    async with staged(dynamic, servers=("a", "b")) as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def stage(running):
    running.reset()
    return running


async def test_the_part_behind_a_prefix_reaches_the_server_under_its_own_host(stage):
    seen = await stage.seen(head("GET /api/x?y=1 HTTP/1.1", "Host: shop.t"))

    assert seen.start == b"GET /x?y=1 HTTP/1.1"
    assert seen.get("host") == "shop.internal"
    assert seen.get("x-forwarded-prefix") == "/api"
    assert seen.get("x-asked") == "/api/x?y=1"


async def test_the_root_leads_to_the_application(stage):
    found = await stage.get("/", "shop.t")

    assert (found.status, found.get("location")) == (302, "http://shop.t/app")


async def test_a_location_is_closed_and_says_so_with_the_headers_of_all_answers(stage):
    found = await stage.get("/admin/x", "shop.t")

    assert (found.status, found.body, found.get("x-asked")) == (403, b"403 Forbidden", "/admin/x")
    assert not stage["a"].requests


async def test_who_may_come_in_is_named_to_the_server_and_the_body_goes_on(stage):
    stage["b"].answers(answer(200, {"X-User": "bob", "X-Role": "clerk"}, b"yes"))
    body = b"0123456789" * 20_000
    request = head(
        "POST /p?q=1 HTTP/1.1", "Host: door.t", "X-Who: root", "X_Role: root", f"Content-Length: {len(body)}", body=body
    )
    seen = await stage.seen(request)
    asked = stage["b"].last

    assert (seen.get("x-who"), seen.get("x-role"), seen.body) == ("bob", "clerk", body)
    assert not any(name.lower() == b"x_role" for name, _ in seen.headers)
    assert asked.start == b"GET /check?of=/p?q=1 HTTP/1.1"
    assert (asked.get("x-original-method"), asked.body) == ("POST", b"")


async def test_who_is_not_known_is_sent_to_the_sign_in_and_back(stage):
    stage["b"].answers(answer(401, {}, b"no"))
    found = await stage.get("/p?q=1", "door.t")

    assert (found.status, found.get("location")) == (302, "https://login.t/start?rd=http://door.t%2Fp%3Fq%3D1")
    assert not stage["a"].requests


async def test_who_may_not_come_in_gets_the_answer(stage):
    stage["b"].answers(answer(403, {"X-Why": "late"}, b"no"))
    found = await stage.get("/p", "door.t")

    assert (found.status, found.get("x-why"), found.body) == (403, "late", b"no")
    assert not stage["a"].requests


async def test_many_ask_at_the_same_time(stage):
    stage["b"].answers(answer(200, {"X-User": "bob"}, b"yes"))
    found = await asyncio.gather(*(stage.get(f"/p{number}", "door.t") for number in range(20)))

    assert {each.status for each in found} == {200}


async def test_nobody_comes_in_while_nobody_can_be_asked(stage):
    assert (await stage.get("/", "nobody.t")).status == 500
    assert not stage["a"].requests


async def test_a_directive_that_is_not_known_closes_its_router_and_no_other(stage):
    assert (await stage.get("/", "broken.t")).status == 404
    assert 'configurationSnippet: line 1: unsupported directive "gzip"' in stage.gateway.log()
    assert (await stage.get("/other", "shop.t")).status == 200
