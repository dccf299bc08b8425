"""Middlewares that only ingress-nginx's provider sets in Traefik (middlewares.md §4).

Its file provider does not know them. Its REST provider reads JSON, and has all of them.
"""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest_asyncio

from pointsman.testing import answer, eventually, gateway, upstream

from .harness import ORACLE, STATIC, TRAEFIK, Arena, balancer, both_agree, case, get

pytestmark = ORACLE

THEIRS: Mapping[str, Any] = {**STATIC, "entryPoints": {"web": {}, "api": {}}, "api": {}, "providers": {"rest": {}}}
ENTRANCES = {
    "api": {"rule": "PathPrefix(`/api`)", "entryPoints": ["api"], "service": "api@internal"},
    "rest": {"rule": "PathPrefix(`/api/providers`)", "entryPoints": ["api"], "service": "rest@internal"},
}
VARIABLES = [
    "scheme",
    "host",
    "best_http_host",
    "server_name",
    "server_port",
    "request_uri",
    "escaped_request_uri",
    "request_method",
    "args",
    "query_string",
    "arg_a",
    "arg_b",
    "arg_no",
    "is_args",
    "uri",
    "document_uri",
    "remote_addr",
    "content_type",
    "content_length",
    "cookie_c",
    "cookie_no",
    "http_x_a",
    "http_no",
    "hostname",
    "upstream_http_x",
    "proxy_add_x_forwarded_for",
    "unknown",
]


def snippet(location: str = "", server: str = "", **auth: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"configurationSnippet": location, "serverSnippet": server}
    return {"snippet": {key: value for key, value in (options | ({"auth": auth} if auth else {})).items() if value}}


def rewrite(regex: str, replacement: str, prefix: str = "") -> dict[str, Any]:
    return {"rewriteTarget": {"regex": regex, "replacement": replacement, "xForwardedPrefix": prefix}}


def middlewares(url: str) -> dict[str, Any]:
    check = f"{url}/check"
    return {
        "target": rewrite("^/api(/|$)(.*)", "/$2", "/p/$1"),
        "target-all": {"rewriteTarget": {"replacement": "/new/$1x"}},
        "target-away": rewrite("/old", "https://other.test/x"),
        "target-group": rewrite("/old(.*)", "https://other.test/x$1?a=1"),
        "target-empty": rewrite("/api(.*)", "$1"),
        "target-question": rewrite("/api(.*)", "/q?x=1&y=$1"),
        "target-middle": rewrite("b+", "X"),
        "target-slashes": rewrite("/api(.*)", "/x/$1"),
        "target-broken": rewrite("(?!x)", "/"),
        "target-none": {"rewriteTarget": {"regex": "/x"}},
        "root": {"appRoot": {"path": "/app"}},
        "root-variables": {"appRoot": {"path": "/app/$request_method?x=$arg_a"}},
        "root-broken": {"appRoot": {"path": "app"}},
        "vhost": {"upstreamVHost": {"vHost": "$service_name.$host:8", "vars": {"$service_name": "svc"}}},
        "vhost-said": {"upstreamVHost": {"vHost": "$http_x_host"}},
        "vhost-none": {"upstreamVHost": {"vars": {"a": "b"}}},
        "variables": snippet("".join(f'proxy_set_header V-{name.replace("_", "-")} "[${name}]";' for name in VARIABLES)),
        "return-text": snippet('return 200 "hi $arg_a";'),
        "return-403": snippet("return 403;"),
        "return-there": snippet("return 302 /there;"),
        "return-host": snippet("return 301 https://$host$request_uri;"),
        "return-url": snippet("return $scheme://y.test/;"),
        "return-word": snippet("return 303 there;"),
        "return-bare": snippet("return 301;"),
        "return-both": snippet("return 200 location;", "return 200 server;"),
        "return-if": snippet("if ($http_q) { return 418; } return 200 behind;"),
        "return-headers": snippet('add_header A 1; add_header B 2 always; more_set_headers "C: 3"; return 403 no;'),
        "set": snippet('set $x loc; proxy_set_header X-X "$x$y";', 'set $x srv; set $y "$x!";'),
        "set-never": snippet('if ($http_q) { set $x 1; } proxy_set_header X-X "[$x]";'),
        "quotes": snippet("set $a 'single'; proxy_set_header X-A $a;"),
        "if": snippet(
            'set $k ""; if ($http_q = "a b") { set $k "$k="; } if ($http_q != zz) { set $k "$k!"; }'
            ' if ($http_q) { set $k "$k+"; } if ($http_q ~ "^(a+)(b)") { set $k "$k[$1][$2]"; }'
            ' if ($http_q !~* ^A) { set $k "$k~"; } proxy_set_header K "k$k";'
        ),
        "if-headers": snippet(
            'if ($http_q) { add_header B 2; more_set_headers "A: 1"; more_set_input_headers "I: 1"; } add_header C 3;'
        ),
        "rewrite": snippet("rewrite ^/a/(.*)$ /b/$1 break; rewrite ^/b/(.*)$ /c/$1 break;"),
        "rewrite-on": snippet("rewrite ^/a/(.*)$ /b/$1; rewrite ^/b/(.*)$ /c/$1;"),
        "rewrite-query": snippet("rewrite ^/a/(.*)$ /b?q=$1 break;"),
        "rewrite-away": snippet("rewrite ^/a/(.*)$ /b/$1 permanent;"),
        "rewrite-url": snippet("rewrite ^/a/(.*)$ https://x.test/$1;"),
        "rewrite-deny": snippet("rewrite ^/a/(.*)$ /b/$1 break; deny all;"),
        "location": snippet("", "location /x { return 200 x; } location /y { deny all; } location = /z { set $v 1; }"),
        "location-longest": snippet("", "location /x/y { return 200 xy; } location /x { return 200 x; }"),
        "location-again": snippet("", "location /x { rewrite ^/x /y last; } location /y { return 200 y; }"),
        "allow": snippet("allow 127.0.0.1; deny all;"),
        "deny": snippet("deny 127.0.0.0/8; allow all;"),
        "deny-outer": snippet("deny 10.0.0.1;", "deny all;"),
        "deny-return": snippet("deny all; return 200 r;"),
        "input": snippet(
            'more_set_input_headers "X-A: n" "X-New: $host"; more_clear_input_headers "X-B" "X-C*";'
            ' more_set_input_headers -r "X-Absent: n"; more_set_input_headers -t text/y "X-T: 1";'
        ),
        "input-levels": snippet('more_set_input_headers "L: loc";', 'more_set_input_headers "L: srv" "S: srv";'),
        "proxy": snippet(
            'proxy_set_header X-A "n $host"; proxy_set_header X-B ""; proxy_set_header X-D d; proxy_method PUT;'
        ),
        "proxy-levels": snippet("proxy_set_header L loc;", "proxy_set_header L srv; proxy_set_header S srv;"),
        "proxy-inherited": snippet("add_header A 1;", "proxy_set_header S srv; proxy_method PUT;"),
        "proxy-host": snippet("proxy_set_header Host up.test;"),
        "added": snippet("add_header A 1; add_header A 2; add_header B 3 always;"),
        "added-empty": snippet('add_header A "";'),
        "added-levels": snippet("add_header L loc;", "add_header S srv;"),
        "more": snippet(
            'more_set_headers "X-Up: n" "Cache-Control:"; more_set_headers -a "X-Up: m"; more_set_headers -r "Absent: 1";'
            ' more_clear_headers "X-Mul*";'
        ),
        "more-order": snippet('add_header A 1; more_clear_headers A; more_set_headers "B: 1"; more_clear_headers B;'),
        "more-upstream": snippet('more_set_headers "Was: $upstream_http_x_up";'),
        "hidden": snippet("proxy_hide_header X-Up;", "proxy_hide_header X-Multi;"),
        "expires-epoch": snippet("expires epoch;"),
        "expires-max": snippet("expires max;"),
        "expires-off": snippet("expires off;"),
        "auth": snippet(address=check, authResponseHeaders=["X-User", "X-Absent"]),
        "auth-signin": snippet(address=check, authSigninURL="https://l.test/start"),
        "auth-signin-rd": snippet(address=check, authSigninURL="https://l.test/?rd=$escaped_request_uri&x=$host"),
        "auth-variables": snippet(address=f"{check}?m=$request_method&h=$http_q"),
        "auth-set": snippet("auth_request_set $u $upstream_http_x_user; proxy_set_header X-U $u;", address=check),
        "auth-snippet": snippet(
            address=check, snippet="proxy_set_header X-S $request_uri; proxy_method PUT;", method="POST"
        ),
        "auth-deny": snippet("deny all;", address=check),
        "auth-headers": snippet("add_header A 1 always;", address=check),
        "pages": {
            "errors": {"status": ["404"], "service": "echo", "query": "/{status}", "nginxHeaders": {"X-Pod": ["a", "b"]}}
        },
        "unbuffered": {
            "buffering": {"maxRequestBodyBytes": 3, "maxResponseBodyBytes": 1, "disableRequestBuffer": True}
            | {"disableResponseBuffer": True}
        },
        **{f"wrong-{name}": snippet(text) for name, text in WRONG.items()},
    }


WRONG = {
    "unknown": "gzip on;",
    "location": "location /x { return 403; }",
    "if-in-if": "if ($a) { if ($b) { return 403; } }",
    "proxy-in-if": "if ($a) { proxy_set_header A 1; }",
    "set": "set $a;",
    "return": "return;",
    "open": "if ($a) { return 403;",
    "quote": 'return 200 "x;',
    "semicolon": "return 404",
    "condition": "if () { return 403; }",
    "file": "if (-f $request_filename) { return 403; }",
    "regex": 'if ($a ~ "(?!x)") { return 403; }',
    "rewrite": "rewrite ^/a;",
    "flag": "rewrite ^/a /b foo;",
    "allow": "allow foo;",
    "range": "deny 1.2.3.0/99;",
    "add": "add_header X;",
    "more": "more_set_headers;",
    "clear": "more_clear_headers *;",
    "expires": "expires foo;",
    "header": "proxy_set_header X;",
}
PLAIN = [
    "return-text",
    "return-403",
    "return-there",
    "return-host",
    "return-url",
    "return-word",
    "return-bare",
    "return-both",
    "return-headers",
    "set",
    "set-never",
    "quotes",
    "allow",
    "deny",
    "deny-outer",
    "deny-return",
]
TOLD = ("X-A: 1", "X-B: 2", "X-C1: 3", "Content-Type: text/x")
UP = answer(200, {"X-Up": "1", "X-Multi": "a", "Cache-Control": "private", "Content-Type": "text/html"}, b"hello")
YES = answer(200, {"X-User": "bob", "X-Other": "o"}, b"yes")


def to(name: str, path: str = "/", *lines: str, **more: Any) -> bytes:
    return get(path, f"{name}.test", *lines, **more)


def failed(status: int) -> Any:
    return answer(status, {"X-Up": "1", "Location": "/login", "WWW-Authenticate": "Basic"}, b"no")


CASES = [
    *(
        case(f"nginx/target/{path}", to("target", path))
        for path in ("/api/x", "/api", "/API/y", "/api//x", "/api/%2fq", "/other", "/api/a%20b?k=1")
    ),
    case("nginx/target-all", to("target-all", "/a?b")),
    *(case(f"nginx/target-away/{path}", to("target-away", path)) for path in ("/old", "/old/x?b=2", "/OLD?x", "/zz/old/x")),
    *(case(f"nginx/target-group/{path}", to("target-group", path)) for path in ("/old", "/old/x?b=2")),
    *(case(f"nginx/target-empty/{path}", to("target-empty", path)) for path in ("/api", "/api/x", "/apix", "/api/..%2fx")),
    case("nginx/target-question", to("target-question", "/api/z?o=1")),
    case("nginx/target-middle", to("target-middle", "/abba/bb")),
    case("nginx/target-slashes", to("target-slashes", "/api/x")),
    case("nginx/target-broken", to("target-broken")),
    case("nginx/target-none", to("target-none")),
    *(case(f"nginx/root/{path}", to("root", path)) for path in ("/", "/?a=3", "/x", "//")),
    case("nginx/root/post", to("root", method="POST", body=b"x")),
    case("nginx/root/port", get("/", "root.test:8080")),
    case("nginx/root-variables", to("root-variables", "/?a=3")),
    case("nginx/root-variables-space", to("root-variables", "/?a=3%20x")),
    case("nginx/root-broken", to("root-broken")),
    case("nginx/vhost", to("vhost")),
    case("nginx/vhost-said", to("vhost-said", "/", "X-Host: said.test")),
    case("nginx/vhost-said-badly", to("vhost-said", "/", "X-Host: a/b")),
    case("nginx/vhost-none", to("vhost-none")),
    case(
        "nginx/variables", to("variables", "/p%20a/./b?a=1%20x&b=2&a=3", "X-A: aa", "X-A: ab", "Cookie: c=1; d=2", TOLD[3])
    ),
    case("nginx/variables/bare", get("/", "Variables.test:81")),
    *(case(f"nginx/{name}", to(name, "/p?a=1")) for name in PLAIN),
    case("nginx/return-if", to("return-if", "/", "Q: 1")),
    *(
        case(f"nginx/if/{number}", to("if", "/", *([f"Q: {q}"] if q is not None else [])))
        for number, q in enumerate((None, "0", "a b", "aab", "zz", "Ax"))
    ),
    case("nginx/if-headers", to("if-headers", "/", "Q: 1"), UP),
    case("nginx/if-headers/not", to("if-headers"), UP),
    case("nginx/rewrite", to("rewrite", "/a/x%20y?k=1")),
    case("nginx/rewrite/not", to("rewrite", "/zz?k=1")),
    case("nginx/rewrite/slash", to("rewrite", "/a/x%2Fy")),
    case("nginx/rewrite/climbs", to("rewrite", "/a/..%2F..%2Fx")),
    case("nginx/rewrite-on", to("rewrite-on", "/a/x?k=1")),
    case("nginx/rewrite-query", to("rewrite-query", "/a/x")),
    case("nginx/rewrite-query/more", to("rewrite-query", "/a/x?k=1")),
    case("nginx/rewrite-away", to("rewrite-away", "/a/x")),
    case("nginx/rewrite-away/query", to("rewrite-away", "/a/x?k=1")),
    case("nginx/rewrite-url", to("rewrite-url", "/a/x")),
    case("nginx/rewrite-deny", to("rewrite-deny", "/a/x")),
    *(case(f"nginx/location{path}", to("location", path)) for path in ("/x", "/xz", "/y/1", "/z", "/w")),
    case("nginx/location-longest", to("location-longest", "/x/y")),
    case("nginx/location-again", to("location-again", "/x")),
    case("nginx/input", to("input", "/", *TOLD)),
    case("nginx/input-levels", to("input-levels")),
    *(case(f"nginx/{name}", to(name, "/", *TOLD)) for name in ("proxy", "proxy-levels", "proxy-inherited", "proxy-host")),
    *(
        case(
            f"nginx/{name}/{status}",
            to(name),
            answer(status, {"X-Up": "1", "X-Multi": "a", "Cache-Control": "private"}, b"x"),
        )
        for name in ["added", "added-levels", "more", "more-order", "hidden", "expires-epoch", "expires-max", "expires-off"]
        for status in (200, 404)
    ),
    case("nginx/added-empty", to("added-empty"), UP),
    case("nginx/more-upstream", to("more-upstream"), UP),
    case("nginx/auth/yes", to("auth", "/p?a=1", "X-User: root", "X-Absent: mine", "Cookie: c=1"), YES, UP),
    *(case(f"nginx/auth/{status}", to("auth", "/p?a=1"), failed(status)) for status in (401, 403, 302, 500)),
    case("nginx/auth/post", to("auth", "/p", method="POST", body=b"abc"), YES, UP),
    case("nginx/auth-signin", to("auth-signin", "/p?a=1&x=%2Fy"), failed(401)),
    case("nginx/auth-signin/403", to("auth-signin", "/p"), failed(403)),
    case("nginx/auth-signin-rd", to("auth-signin-rd", "/p?a=1"), failed(401)),
    case("nginx/auth-variables", to("auth-variables", "/", "Q: q"), YES, UP),
    case("nginx/auth-set", to("auth-set", "/", "X-U: root"), YES, UP),
    case("nginx/auth-snippet", to("auth-snippet", "/p?a=1"), YES, UP),
    case("nginx/auth-deny", to("auth-deny"), YES, UP),
    case("nginx/auth-headers", to("auth-headers"), failed(403)),
    case("nginx/pages", to("pages", "/a?b=1", "Accept: text/x", "X-Request-Id: rid"), failed(404), answer(418, {}, b"page")),
    case("nginx/unbuffered", to("unbuffered", method="POST", body=b"xxxxxx"), UP),
    *(case(f"nginx/wrong/{name}", to(f"wrong-{name}")) for name in WRONG),
]


def document(url: str) -> dict[str, Any]:
    made = middlewares(url)
    routers = {name: {"rule": f"Host(`{name}.test`)", "middlewares": [name], "service": "echo"} for name in made}
    for router in routers.values():
        router["entryPoints"] = ["web"]
    return {"http": {"routers": routers, "middlewares": made, "services": {"echo": balancer(url)}}}


async def put(api: str, wanted: Mapping[str, Any]) -> None:
    """Give Traefik a document by its REST provider, and wait until it has it."""
    body = json.dumps(wanted).encode()
    request = urllib.request.Request(f"{api}/api/providers/rest", data=body, method="PUT")
    await asyncio.to_thread(lambda: urllib.request.urlopen(request).close())

    def there() -> bool:
        with urllib.request.urlopen(f"{api}/api/rawdata") as response:
            known = json.load(response).get("routers", {})
        return all(f"{name}@rest" in known for name in wanted["http"]["routers"])

    await eventually(lambda: asyncio.to_thread(there))


@asynccontextmanager
async def both() -> AsyncIterator[Arena]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(upstream())
        wanted = document(server.url)
        theirs, ours = await asyncio.gather(
            stack.enter_async_context(
                gateway({"http": {"routers": ENTRANCES}}, THEIRS, workers=None, command=[str(TRAEFIK)])
            ),
            stack.enter_async_context(gateway(wanted, STATIC)),
        )
        await put(theirs.url("api"), wanted)
        yield Arena(theirs, ours, server)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena() -> AsyncIterator[Arena]:
    async with both() as arena:
        yield arena


@both_agree(CASES)
async def test_the_middleware_does_what_traefiks_does(arena: Arena, case: Any) -> None:
    await arena.compare(case)
