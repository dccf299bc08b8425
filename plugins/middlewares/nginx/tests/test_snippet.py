"""Directives: what they do, which of several counts, and which are refused."""

import pytest

from pointsman import Response
from pointsman.errors import ConfigError, GatewayError
from pointsman.testing import a_request, answering, build
from pointsman_nginx import Snippet


class Stage:
    """A snippet, and what passed it."""

    def __init__(self, location="", server="", **answer):
        options = {"configurationSnippet": location, "serverSnippet": server}
        self.snippet = build(Snippet, {key: text for key, text in options.items() if text})
        self.upstream = answering(**{"status": 200} | answer)

    async def ask(self, url="/", method="GET", **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.snippet(a_request(method, url, names), self.upstream)

    async def told(self, url="/", method="GET", **headers):
        """The request as it reached the server."""
        assert (await self.ask(url, method, **headers)).status == 200
        return self.upstream.last


def refusal(location="", server=""):
    with pytest.raises(ConfigError) as error:
        Stage(location, server)
    return str(error.value)


# what runs


@pytest.mark.parametrize(
    ("text", "status", "body", "location"),
    [
        ('return 200 "hi $arg_a";', 200, b"hi 1", None),
        ("return 403;", 403, b"", None),
        ("return 204 x;", 204, b"", None),
        ("return 302 /there;", 302, b"", b"/there"),
        ("return 301 https://$host$request_uri;", 301, b"", b"https://a.test/p?a=1"),
        ("return https://x.test/;", 302, b"", b"https://x.test/"),
        ("return $scheme://x.test/;", 302, b"", b"http://x.test/"),
        ("return 303 there;", 303, b"", b"/there"),
        ("return 301;", 301, b"", None),
        ("return 200 'single $arg_a';", 200, b"single 1", None),
    ],
)
async def test_return(text, status, body, location):
    stage = Stage(text)
    response = await stage.ask("http://a.test/p?a=1")

    assert (response.status, response.content, response.headers.get(b"location")) == (status, body, location)
    assert not stage.upstream.requests


@pytest.mark.parametrize(
    ("text", "url", "location"),
    [
        ("return 302 $uri;", "/%2F%2Fevil.test", b"/evil.test"),
        ("return 302 $uri;", "/%5C%5Cevil.test", b"/evil.test"),
        ("return 302 $arg_to;", "/?to=//evil.test", b"/evil.test"),
        ("return 302 /$arg_to;", "/?to=/evil.test", b"/evil.test"),
        ("return 302 /$arg_to;", "/?to=%5Cevil.test", b"/evil.test"),
        ("return 302 https://$host$uri;", "http://a.test/x%0d%0aSet-Cookie:y=z", b"https://a.test/x%0D%0ASet-Cookie:y=z"),
        ("rewrite ^/(.*) /$1 redirect;", "/%2Fevil.test", b"/evil.test"),
        ("return 301 https://$host$uri;", "http://a.test/100%25", b"https://a.test/100%25"),
    ],
)
async def test_what_a_client_sends_leads_to_no_other_host_and_no_other_header(text, url, location):
    assert (await Stage(text).ask(url)).headers.get(b"location") == location


async def test_what_is_no_url_is_not_sent():
    response = await Stage("return 302 https://$arg_host/;").ask("/?host=a%20b")

    assert (response.status, response.headers.get(b"location")) == (400, None)


@pytest.mark.parametrize(
    ("q", "expected"),
    [(None, b"empty"), ("0", b"rest"), ("a b", b"two words"), ("aab", b"[aa][b][]"), ("X1", b"any case 1"), ("zz", b"same")],
)
async def test_if(q, expected):
    text = """
        if ($http_q = "") { return 200 empty; }
        if ($http_q = "a b") { return 200 "two words"; }
        if ($http_q ~ "^(a+)(b)") { return 200 "[$1][$2][$3]"; }
        if ($http_q ~* ^x([0-9])$) { return 200 "any case $1"; }
        if ($http_q = $arg_same) { return 200 same; }
        if ($http_q) { return 200 truth; }
        if ($http_q !~ ^a) { return 200 rest; }
        return 200 never;
    """
    headers = {} if q is None else {"q": q}

    assert (await Stage(text).ask("/?same=zz", **headers)).content == expected


@pytest.mark.parametrize("condition", ["( $arg_a = 1 )", "($arg_a = 1)", "($arg_a != 2)", "( $arg_a )", "($arg_a !~* b)"])
async def test_a_condition_stands_in_parentheses_with_or_without_spaces(condition):
    assert (await Stage(f"if {condition} {{ return 418; }}").ask("/?a=1")).status == 418


async def test_variables_are_set_in_order_and_are_empty_before():
    text = 'if ($mine) { return 418; } set $mine "$theirs!"; set $never $mine; return 200 "$mine$late"; set $late x;'

    assert (await Stage(text, "set $theirs srv;").ask()).content == b"srv!"


async def test_the_first_return_counts():
    assert (await Stage("return 200 second;", "return 200 first;").ask()).content == b"first"
    assert (await Stage("if ($arg_a) { return 200 first; } return 200 second;").ask("/?a=1")).content == b"first"


@pytest.mark.parametrize(
    ("text", "url", "expected"),
    [
        ("rewrite ^/a/(.*)$ /b/$1 break; rewrite ^/b/(.*)$ /c/$1 break;", "/a/x%20y?k=1", b"/b/x%20y?k=1"),
        ("rewrite ^/a/(.*)$ /b/$1; rewrite ^/b/(.*)$ /c/$1;", "/a/x?k=1", b"/c/x?k=1"),
        ("rewrite ^/a/(.*)$ /b?q=$1 last;", "/a/x?k=1", b"/b?q=x&k=1"),
        ("rewrite ^/a/(.*)$ /b?q=$1? last;", "/a/x?k=1", b"/b?q=x"),
        ("rewrite ^/a/(.*)$ /b? last;", "/a/x?k=1", b"/b"),
        ("rewrite ^/a/(.*)$ /b?q=$1 last;", "/a/x%20%23y", b"/b?q=x%20%23y"),
        ("rewrite ^/a/(.*)$ /b/$1 last;", "/a/x%3Fy", b"/b/x%3Fy"),
        ("rewrite ^/a/(.*)$ $1 break;", "/a/x", b"/x"),
        ("rewrite ^/A /b;", "/a", b"/a"),
        ("rewrite ^ /b/$host$uri;", "http://h.test/a", b"/b/h.test/a"),
    ],
)
async def test_rewrite(text, url, expected):
    request = await Stage(text).told(url)

    assert request.path + (b"?" + request.query if request.query else b"") == expected


async def test_a_path_that_would_climb_goes_nowhere():
    stage = Stage("rewrite ^/a/(.*)$ /b/$1 break;")

    assert (await stage.ask("/a/..%2F..%2Fetc")).status == 400
    assert not stage.upstream.requests


@pytest.mark.parametrize(
    ("text", "status", "location"),
    [
        ("rewrite ^/a/(.*)$ /b/$1 redirect;", 302, b"/b/x%20y?k=1"),
        ("rewrite ^/a/(.*)$ /b/$1? permanent;", 301, b"/b/x%20y"),
        ("rewrite ^/a/(.*)$ https://x.test/$1 break;", 302, b"https://x.test/x%20y?k=1"),
        ("rewrite ^ $scheme://x.test$request_uri? permanent;", 301, b"http://x.test/a/x%20y?k=1"),
    ],
)
async def test_a_rewrite_may_redirect(text, status, location):
    response = await Stage(text).ask("http://a.test/a/x%20y?k=1")

    assert (response.status, response.headers.get(b"location")) == (status, location)


async def test_break_ends_its_own_phase_of_its_own_level_only():
    stage = Stage("proxy_set_header X-Uri $uri; rewrite ^/b /c;", "rewrite ^/a /b last; set $x 1; deny 10.0.0.1;")
    request = await stage.told("/a")

    assert (request.path, request.headers.get(b"x-uri")) == (b"/c", b"/c")
    assert (await Stage("rewrite ^ /x break; deny all;").ask("/a")).status == 403


# locations


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/x", b"exact"),
        ("/x/", b"prefix"),
        ("/x/y", b"longer"),
        ("/x/r1", b"expression r1"),
        ("/x/keep/r.png", b"kept"),
        ("/x/a.PNG", b"picture"),
        ("/other", b"root"),
        ("/%78/y", b"longer"),
    ],
)
async def test_one_location_is_chosen_as_nginx_does(url, expected):
    server = r"""
        location / { return 200 root; }
        location /x { return 200 prefix; }
        location = /x { return 200 exact; }
        location /x/y { return 200 longer; }
        location ~ ^/x/(r[0-9])$ { return 200 "expression $uri"; }
        location ~* \.png$ { return 200 picture; }
        location ^~ /x/keep { return 200 kept; }
    """
    content = (await Stage(server=server).ask(url)).content

    assert content == (b"expression /x/r1" if expected.startswith(b"expression") else expected)


async def test_a_location_is_found_by_the_path_that_the_server_made():
    assert (await Stage(server="rewrite ^/a /b; location /b { return 200 b; }").ask("/a")).content == b"b"


async def test_rules_of_a_location_go_before_those_of_the_configuration_snippet():
    stage = Stage("allow all;", "deny all; location /admin { deny all; }")

    assert (await stage.ask("/admin/x")).status == 403
    assert (await stage.ask("/other")).status == 200


# access


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("allow 127.0.0.1; deny all;", 200),
        ("deny 127.0.0.0/8; allow all;", 403),
        ("allow 10.0.0.0/8;", 200),
        ("allow ::1; deny ::/0; allow 127.0.0.1; deny 0.0.0.0/0;", 200),
        ("deny all; allow all;", 403),
        ("if ($arg_a) { deny all; } allow all;", 403),
    ],
)
async def test_the_first_rule_that_covers_the_client_decides(text, status):
    response = await Stage(text).ask("/?a=1")

    assert response.status == status
    assert status == 200 or response.content == b"403 Forbidden"


async def test_a_location_that_has_rules_takes_the_place_of_the_servers():
    assert (await Stage("deny 10.0.0.1;", "deny all;").ask()).status == 200
    assert (await Stage("add_header A 1;", "deny all;").ask()).status == 403


async def test_a_return_goes_before_the_rules():
    assert (await Stage("deny all; return 200 r;").ask()).content == b"r"


# what servers get


async def test_headers_for_servers():
    location = """
        proxy_set_header X-A "n $host";
        proxy_set_header X-B "";
        proxy_set_header X-D d;
        proxy_set_header X-D e;
        proxy_set_header Host up.test:8;
        more_set_input_headers "X-New: $arg_a" "X-Same: 1";
        more_set_input_headers -r "X-C: 9" "X-Absent: 9";
        more_set_input_headers -t text/y "X-Type: 1";
        more_set_input_headers -a "X-E: 2";
        more_clear_input_headers "X-Int*" X-Gone;
    """
    headers = {"X_A": "1", "X_B": "2", "X_C": "3", "X_E": "1", "X_Int_1": "4", "X_Gone": "5", "Content_Type": "text/x"}
    request = await Stage(location).told("http://a.test/?a=1", **headers)

    assert request.authority == b"up.test:8"
    assert sorted(line for line in request.headers if line[0].startswith(b"x-")) == [
        (b"x-a", b"n a.test"),
        (b"x-c", b"9"),
        (b"x-d", b"e"),
        (b"x-e", b"1"),
        (b"x-e", b"2"),
        (b"x-new", b"1"),
        (b"x-same", b"1"),
    ]


async def test_a_level_with_proxy_set_header_takes_the_place_of_the_outer_one():
    inherited = await Stage("add_header A 1;", "proxy_set_header S srv; proxy_method PUT;").told()
    assert (inherited.method, inherited.headers.get(b"s")) == (b"PUT", b"srv")

    replaced = await Stage("proxy_set_header L loc;", "proxy_set_header S srv; proxy_set_header L srv;").told()
    assert (replaced.headers.get(b"s"), replaced.headers.get(b"l")) == (None, b"loc")


async def test_headers_of_headers_more_add_up():
    location, server = 'more_set_input_headers "L: loc";', 'more_set_input_headers "L: srv" "S: srv";'
    request = await Stage(location, server).told()

    assert (request.headers.get_all(b"l"), request.headers.get(b"s")) == ([b"loc"], b"srv")


async def test_a_client_cannot_say_in_another_spelling_what_is_set():
    request = a_request("GET", "/", {"X_User": "root", "X.User": "root"})
    upstream = answering(200)
    await build(Snippet, {"configurationSnippet": "proxy_set_header X-User bob;"})(request, upstream)

    assert [line for line in upstream.last.headers if line[0].endswith(b"user")] == [(b"x-user", b"bob")]
    assert any(withheld(b"x_user") for withheld in upstream.last.withheld)


async def test_a_value_with_a_line_break_is_no_header():
    location = 'proxy_set_header X-A $arg_a; more_set_headers "X-B: $arg_a"; add_header X-C $arg_a;'
    stage = Stage(location)
    response = await stage.ask("/?a=1%0d%0aEvil:%201", X_A="mine")

    assert b"x-a" not in stage.upstream.last.headers
    assert b"x-b" not in response.headers
    assert b"x-c" not in response.headers


async def test_what_is_about_the_connection_is_left_alone():
    text = 'proxy_set_header Connection upgrade; proxy_set_header Content-Length 5; more_clear_input_headers "content-*";'
    request = await Stage(text).told(method="POST", Content_Length="2", Content_Type="x")

    assert (request.headers.get(b"connection"), request.headers.get(b"content-length")) == (None, b"2")
    assert b"content-type" not in request.headers


async def test_the_chain_of_clients_is_what_is_said():
    request = await Stage("proxy_set_header X-Forwarded-For $remote_addr;").told(X_Forwarded_For="9.9.9.9")

    assert request.headers.get_all(b"x-forwarded-for") == [b"127.0.0.1"]
    assert not request.append_forwarded_for


@pytest.mark.parametrize(("method", "expected"), [("GET", b"POST"), ("PUT", b"POST"), ("HEAD", b"HEAD")])
async def test_another_method(method, expected):
    assert (await Stage("proxy_method POST;").told(method=method)).method == expected


@pytest.mark.parametrize("said", ["HEAD", "CONNECT", "a%20b", ""])
async def test_a_method_that_would_change_the_answers_end_is_not_taken(said):
    assert (await Stage("proxy_method $arg_m;").told(f"/?m={said}")).method == b"GET"


async def test_a_host_that_is_none_changes_nothing():
    assert (await Stage("proxy_set_header Host $arg_h;").told("http://a.test/?h=a/b")).authority == b"a.test"


# what clients get


ANSWER = {"headers": {"X-Up": "1", "Content-Type": "text/html; charset=utf-8", "Cache-Control": "private"}}


async def edited(location, server="", status=200):
    return (await Stage(location, server, status=status, **ANSWER).ask()).headers


async def test_add_header_is_for_the_usual_statuses_unless_always():
    text = "add_header A 1; add_header A 2; add_header B 3 always; add_header C '';"

    assert (await edited(text)).get_all(b"a") == [b"1", b"2"]
    assert (await edited(text)).get(b"c") is None
    failed = await edited(text, status=404)
    assert (failed.get(b"a"), failed.get(b"b")) == (None, b"3")


async def test_add_header_of_the_location_takes_the_place_of_the_servers():
    headers = await edited("add_header L loc;", "add_header S srv;")
    assert (headers.get(b"l"), headers.get(b"s")) == (b"loc", None)

    headers = await edited('more_set_headers "L: loc";', "add_header S srv;")
    assert (headers.get(b"l"), headers.get(b"s")) == (b"loc", b"srv")


async def test_more_set_headers():
    text = """
        more_set_headers "X-Up: new" "Was: $upstream_http_x_up" "Cache-Control:" "Content-Type: text/plain";
        more_set_headers -s "404 500" "Failed: 1";
        more_set_headers -s 404,500 -t text/plain "Failed-Plain: 1";
        more_set_headers -t text/html "Html: 1";
        more_set_headers -a "X-Up: more";
        more_set_headers -r "Absent: 1";
    """
    headers = await edited(text)
    expected = {b"x-up": [b"new", b"more"], b"was": [b"1"], b"content-type": [b"text/plain"]}

    assert {name: headers.get_all(name) for name, _ in headers} == expected
    assert (await edited(text, status=404)).get(b"failed") == b"1"
    assert (await edited(text, status=404)).get(b"failed-plain") == b"1"


async def test_more_clear_headers_in_the_order_they_are_written():
    text = 'more_set_headers "B: 1"; more_clear_headers B "X-*" "Cache-Control: x"; more_clear_headers -s 404 Content-Type;'

    assert list(await edited(text)) == [(b"content-type", b"text/html; charset=utf-8")]
    assert list(await edited(text, status=404)) == []


async def test_what_servers_say_is_hidden_before_anything_is_added():
    headers = await edited("proxy_hide_header X-Up; add_header X-Up new;")

    assert headers.get_all(b"x-up") == [b"new"]


@pytest.mark.parametrize(
    ("value", "control"),
    [
        ("1h", b"max-age=3600"),
        ("+10m", b"max-age=600"),
        ("0", b"max-age=0"),
        ("30", b"max-age=30"),
        ("1d12h", b"max-age=129600"),
        ("1M", b"max-age=2592000"),
        ("1y", b"max-age=31536000"),
        ("-1", b"no-cache"),
        ("epoch", b"no-cache"),
        ("max", b"max-age=315360000"),
        ("off", b"private"),
    ],
)
async def test_expires(value, control):
    headers = await edited(f"expires {value};")

    assert headers.get_all(b"cache-control") == [control]
    assert (b"expires" in headers) == (value != "off")


async def test_failures_do_not_expire_later():
    assert (await edited("expires 1h;", status=500)).get(b"cache-control") == b"private"


async def test_off_is_off_whatever_the_server_says():
    assert (await edited("expires off;", "expires 1h;")).get(b"cache-control") == b"private"


async def test_a_line_may_be_added_to_what_expires_says():
    headers = await edited("expires 1h; add_header Cache-Control public;")

    assert headers.get_all(b"cache-control") == [b"max-age=3600", b"public"]


@pytest.mark.parametrize("text", ["return 403;", "deny all;", "rewrite ^ /x redirect;"])
async def test_answers_of_the_snippet_have_its_headers(text):
    response = await Stage(text + ' add_header B 2 always; more_set_headers "C: 3";').ask()

    assert (response.headers.get(b"b"), response.headers.get(b"c")) == (b"2", b"3")


async def test_errors_of_the_gateway_have_them_too():
    async def failing(request):
        raise GatewayError(502)

    snippet = build(Snippet, {"configurationSnippet": 'more_set_headers "C: 3";'})
    with pytest.raises(GatewayError) as error:
        await snippet(a_request("GET", "/"), failing)
    response = Response(502)
    for amend in error.value.amendments:
        amend(response)

    assert response.headers.get(b"c") == b"3"


async def test_headers_in_an_if_count_when_it_holds():
    text = (
        'if ($http_q) { add_header B 2; more_set_headers "A: 1"; more_clear_input_headers Z; expires 1h; } add_header C 3;'
    )
    stage = Stage(text)

    held = await stage.ask(q="1", z="1")
    assert [held.headers.get(name) for name in (b"a", b"b", b"c", b"cache-control")] == [b"1", b"2", None, b"max-age=3600"]
    assert b"z" not in stage.upstream.last.headers
    assert [name for name, _ in (await stage.ask(z="1")).headers if len(name) == 1] == [b"c"]
    assert stage.upstream.last.headers.get(b"z") == b"1"


# what is refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n gzip on;", 'configurationSnippet: line 2: unsupported directive "gzip"'),
        ("proxy_pass http://x;", 'unsupported directive "proxy_pass"'),
        ("if ($a) { gzip on; }", 'unsupported directive "gzip"'),
        ("location /x { return 403; }", 'directive "location" is not allowed in location'),
        ("if ($a) { proxy_set_header A 1; }", 'directive "proxy_set_header" is not allowed in if in location'),
        ("if ($a) { if ($b) { return 403; } }", 'directive "if" is not allowed'),
        ("if ($a) { location /x { return 403; } }", 'directive "location" is not allowed'),
        ("set $a;", "set directive requires 2 parameters"),
        ("set $host x;", "'$host' is a variable of the request"),
        ("set a-b x;", "'a-b' is no name of a variable"),
        ("return;", "return directive requires parameters"),
        ("return 99999;", "is no status of an answer"),
        ("return 100;", "is no status of an answer"),
        ("return x y;", "'x' is no status"),
        ("if () { return 403; }", "empty condition"),
        ("if $a { return 403; }", "a condition stands in parentheses"),
        ("if (-f $request_filename) { return 403; }", "invalid condition format: -f $request_filename"),
        ("if ($a < b) { return 403; }", "there is no operator <"),
        ('if ($a ~ "(?!x)") { return 403; }', "(?!"),
        ("if ($a);", "needs a block"),
        ("return 403 { }", "has no block"),
        ("rewrite ^/a;", "rewrite directive requires at least 2 parameters"),
        ("rewrite (?!x) /b;", "(?!"),
        ("rewrite ^/a /b foo;", 'rewrite directive has invalid flag "foo"'),
        ("allow foo;", "'foo' is neither an IP address nor a CIDR range"),
        ("deny;", "requires 1 parameter"),
        ("add_header X;", "must have at least 2 parameters"),
        ("add_header X y z;", "'z' is not 'always'"),
        ('add_header "X Y" y;', "'X Y' is no name of a header"),
        ("add_header Content-Length 5;", "says how a message is sent"),
        ('more_set_headers "Transfer-Encoding: x";', "says how a message is sent"),
        ("more_set_headers;", "must have at least 1 parameter"),
        ('more_set_headers -s abc "X: y";', "'abc' is no status"),
        ('more_set_headers -x "X: y";', "there is no option -x"),
        ('more_set_headers "X: y" -s;', "-s needs a value"),
        ("more_clear_headers *;", "is no name of a header"),
        ("expires foo;", "'foo' is no time"),
        ("expires modified +1h;", "requires 1 parameter"),
        ("proxy_set_header X;", "requires 2 parameters"),
        ("proxy_method;", "must have 1 parameter"),
        ("proxy_hide_header X Y;", "requires 1 parameter"),
        ("auth_request_set $x;", "requires 2 parameters"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(text, message):
    assert message in refusal(text)
    assert "configurationSnippet: line " in refusal(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("location { return 403; }", "no enough parameter for location"),
        ("location @named { return 403; }", "named locations are not supported"),
        ('location ~ "(?!" { return 403; }', "location"),
        ("location /x;", "needs a block"),
        ("location /x { location /y { } }", 'directive "location" is not allowed'),
        ("\nif ($a) { add_header A 1; }", 'line 2: directive "add_header" is not allowed in if in server'),
    ],
)
def test_so_is_it_in_a_server_snippet(text, message):
    found = refusal(server=text)

    assert message in found
    assert found.startswith("serverSnippet: line ")


def test_a_snippet_says_something():
    with pytest.raises(ConfigError, match="at least one of"):
        build(Snippet, {})


async def test_values_do_not_grow_without_bounds():
    text = 'set $a "$http_x$http_x";' + 'set $a "$a$a$a$a";' * 12 + "return 200 $a;"

    with pytest.raises(GatewayError) as error:
        await Stage(text).ask(X="y" * 100)
    assert error.value.status == 414
