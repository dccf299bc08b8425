"""External authentication."""

import pytest

from pointsman import Response
from pointsman.errors import ConfigError, GatewayError
from pointsman.testing import FakeContext, a_request, answering, build
from pointsman_nginx import Snippet

ADDRESS = "http://auth.test:9/check"
KNOWN = "http://auth.test:9"


class Door:
    """A snippet that asks, whom it asks, and what passed it."""

    def __init__(self, location="", answer=None, **auth):
        self.server = answering(**({"status": 200} | (answer or {})))
        self.upstream = answering(200)
        options = {"auth": {"address": ADDRESS} | auth} | ({"configurationSnippet": location} if location else {})
        context = FakeContext(servers={f"{KNOWN}/": self.server, KNOWN: self.server})
        self.snippet = build(Snippet, options, context)

    async def ask(self, url="http://a.test/p?a=1", method="GET", body=b"", **headers):
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.snippet(a_request(method, url, names, body), self.upstream)


def refusal(**auth):
    with pytest.raises(ConfigError) as error:
        build(Snippet, {"auth": auth})
    return str(error.value)


async def test_a_yes_goes_on_with_the_headers_that_are_listed():
    door = Door(answer={"headers": {"X-User": "bob", "X-Other": "o"}}, authResponseHeaders=["X-User", "x-absent"])
    response = await door.ask(X_User="root", X_Absent="mine", X_Mine="m")
    told = door.upstream.last.headers

    assert response.status == 200
    assert [told.get(name) for name in (b"x-user", b"x-absent", b"x-other", b"x-mine")] == [b"bob", None, None, b"m"]


async def test_the_question_tells_who_asks_for_what_and_has_no_body():
    door = Door()
    await door.ask("http://a.test/p%20q?a=1", "POST", b"abc", Cookie="c=1", Upgrade="x", Connection="X-A", X_A="1")
    asked = door.server.last

    assert (asked.method, asked.path, asked.query) == (b"GET", b"/check", None)
    assert asked.body.length == 0
    assert {name: asked.headers.get(name) for name in (b"cookie", b"upgrade", b"x-a", b"content-length")} == {
        b"cookie": b"c=1",
        b"upgrade": None,
        b"x-a": None,
        b"content-length": None,
    }
    assert {name.decode(): value for name, value in asked.headers if name.startswith(b"x-")} == {
        "x-forwarded-for": b"127.0.0.1",
        "x-forwarded-host": b"a.test",
        "x-forwarded-method": b"POST",
        "x-forwarded-port": b"80",
        "x-forwarded-proto": b"http",
        "x-forwarded-uri": b"/p%20q?a=1",
        "x-real-ip": b"127.0.0.1",
        "x-original-url": b"http://a.test/p%20q?a=1",
        "x-original-method": b"POST",
        "x-auth-request-redirect": b"/p%20q?a=1",
    }


async def test_a_client_cannot_tell_the_authentication_server_what_it_asks_for():
    door = Door()
    await door.ask(X_Original_Url="http://a.test/public", X_Original_Method="OPTIONS", X_Auth_Request_Redirect="/public")

    assert door.server.last.headers.get_all(b"x-original-url") == [b"http://a.test/p?a=1"]
    assert door.server.last.headers.get_all(b"x-original-method") == [b"GET"]
    assert door.server.last.headers.get_all(b"x-auth-request-redirect") == [b"/p?a=1"]


@pytest.mark.parametrize("status", [401, 403, 302, 500, 304])
async def test_everything_else_is_the_answer(status):
    door = Door(answer={"status": status, "headers": {"WWW-Authenticate": "Basic", "Location": "/login"}, "body": b"no"})
    response = await door.ask()

    assert (response.status, response.headers.get(b"www-authenticate")) == (status, b"Basic")
    assert response.headers.get(b"location") == b"http://auth.test:9/login"
    assert not door.upstream.requests


@pytest.mark.parametrize(
    ("signin", "location"),
    [
        ("https://l.test/start", b"https://l.test/start?rd=http://a.test%2Fp%3Fa%3D1"),
        ("https://l.test/start?x=1", b"https://l.test/start?x=1&rd=http://a.test%2Fp%3Fa%3D1"),
        ("https://l.test/?rd=$escaped_request_uri&x=$host", b"https://l.test/?rd=%2Fp%3Fa%3D1&x=a.test"),
        ("https://$host/start?rd=$arg_a", b"https://a.test/start?rd=1"),
        ("/relative?rd=$arg_a", b"/relative?rd=1"),
    ],
)
async def test_a_401_leads_to_the_sign_in(signin, location):
    response = await Door(answer={"status": 401}, authSigninURL=signin).ask()

    assert (response.status, response.headers.get(b"location")) == (302, location)


async def test_a_403_does_not_lead_to_the_sign_in():
    assert (await Door(answer={"status": 403}, authSigninURL="https://l.test/").ask()).status == 403


async def test_variables_in_the_address():
    door = Door(address=f"{KNOWN}/check/$request_method?u=$escaped_request_uri&h=$http_q")
    await door.ask(q="a b")

    assert (door.server.last.path, door.server.last.query) == (b"/check/GET", b"u=%2Fp%3Fa%3D1&h=a%20b")


@pytest.mark.parametrize(
    ("address", "path", "query"),
    [
        ("/check?u=$request_uri", b"/check", b"u=/p/q?a=1&b=%20"),
        ("/check?rd=$escaped_request_uri&s=1", b"/check", b"rd=%2Fp%2Fq%3Fa%3D1%26b%3D%2520&s=1"),
        ("/check/$host?at=$scheme://$host", b"/check/a.test", b"at=http://a.test"),
        ("?u=$request_uri", b"/", b"u=/p/q?a=1&b=%20"),
        ("/a$request_uri", b"/a/p/q", b"a=1&b=%20"),
        ("/a${uri}$is_args$args", b"/a/p/q", b"a=1&b=%20"),
    ],
)
async def test_variables_in_path_and_query_of_the_address(address, path, query):
    door = Door(address=KNOWN + address)
    await door.ask("http://A.test:80/p/q?a=1&b=%20")

    assert (door.server.last.path, door.server.last.query) == (path, query)


async def test_a_value_cannot_end_the_target():
    door = Door(address=f"{KNOWN}/check?u=$arg_u")
    await door.ask("/?u=a%20HTTP/1.1%0d%0aX:%20y%23z")

    assert door.server.last.query == b"u=a%20HTTP/1.1%0D%0AX:%20y"


async def test_the_snippet_of_the_question_is_about_the_question():
    snippet = """
        proxy_set_header X-S "$request_uri";
        proxy_set_header Cookie "";
        more_set_input_headers "X-M: 1";
        proxy_method PUT;
        add_header N 1;
        set $v 5;
    """
    door = Door('more_set_headers "V: $v";', snippet=snippet)
    response = await door.ask(Cookie="c=1")
    asked, told = door.server.last, door.upstream.last

    assert (asked.method, asked.headers.get(b"x-s"), asked.headers.get(b"x-m")) == (b"PUT", b"/p?a=1", b"1")
    assert (asked.headers.get(b"cookie"), told.headers.get(b"cookie")) == (None, b"c=1")
    assert (told.method, told.headers.get(b"x-s")) == (b"GET", None)
    assert (response.headers.get(b"v"), response.headers.get(b"n")) == (b"5", None)


async def test_the_method_of_the_question():
    door = Door(method="post")
    await door.ask()

    assert door.server.last.method == b"POST"


async def test_auth_request_set_takes_from_the_answer():
    location = """
        auth_request_set $user $upstream_http_x_user;
        proxy_set_header X-U $user;
        more_set_headers "X-R: $user!";
    """
    door = Door(location, answer={"headers": {"X-User": "bob"}})
    response = await door.ask(X_U="root")

    assert (door.upstream.last.headers.get_all(b"x-u"), response.headers.get(b"x-r")) == ([b"bob"], b"bob!")


async def test_what_the_answer_does_not_say_is_taken_from_the_client_by_nobody():
    door = Door("auth_request_set $user $upstream_http_x_user; proxy_set_header X-U $user;")
    await door.ask(X_U="root")

    assert b"x-u" not in door.upstream.last.headers


@pytest.mark.parametrize("text", ["deny all;", "return 418;", "rewrite ^ https://x.test/;"])
async def test_who_may_not_come_in_anyway_is_not_asked_for(text):
    door = Door(text)
    response = await door.ask()

    assert response.status in (403, 418, 302)
    assert not door.server.requests


async def test_a_return_in_the_snippet_of_the_question_is_the_answer():
    door = Door(snippet="if ($http_q) { return 403; }")

    assert (await door.ask(q="1")).status == 403
    assert (await door.ask()).status == 200
    assert len(door.server.requests) == 1


async def test_a_refusal_has_the_headers_of_all_answers():
    response = await Door('more_set_headers "C: 1"; add_header D 2;', answer={"status": 401}).ask()

    assert (response.headers.get_all(b"c"), response.headers.get(b"d")) == ([b"1"], None)


async def test_an_answer_has_them_once():
    response = await Door("add_header C 1;").ask()

    assert response.headers.get_all(b"c") == [b"1"]


async def test_whoever_cannot_be_asked_says_no():
    door = Door()

    async def failing(request):
        raise GatewayError(502, "refused")

    door.snippet = build(
        Snippet, {"auth": {"address": ADDRESS}}, FakeContext(servers={f"{KNOWN}/": failing, KNOWN: failing})
    )
    response = await door.ask()

    assert (response.status, response.content) == (500, b"")
    assert not door.upstream.requests


async def test_a_header_that_cannot_be_passed_is_a_no():
    async def strange(request):
        response = Response(200)
        response.headers.raw.append((b"x-user", b"a\nb"))
        return response

    context = FakeContext(servers={f"{KNOWN}/": strange, KNOWN: strange})
    snippet = build(Snippet, {"auth": {"address": ADDRESS, "authResponseHeaders": ["X-User"]}}, context)

    assert (await snippet(a_request(), answering(200))).status == 500


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        ({"method": "GET"}, "auth.address: address is required"),
        ({"address": "::bad"}, "no URL"),
        ({"address": "ftp://a.test/"}, "no URL"),
        (
            {"address": "https://$host/oauth2/auth"},
            "write them out, and put variables into path or query: https://auth.example/check?host=$host",
        ),
        ({"address": "$scheme://a.test/"}, "scheme and host of who is asked cannot be variables"),
        ({"address": "http://a.test:$server_port/"}, "scheme and host of who is asked cannot be variables"),
        ({"address": ADDRESS, "snippet": "gzip on;"}, 'auth.snippet: line 1: unsupported directive "gzip"'),
        ({"address": ADDRESS, "authResponseHeaders": ["X Y"]}, "auth.authResponseHeaders: 'X Y' is no name of a header"),
        ({"address": ADDRESS, "method": "A B"}, "auth.method"),
    ],
)
def test_what_is_wrong_is_said_when_it_is_loaded(auth, message):
    assert message in refusal(**auth)


def test_a_password_in_the_address_is_in_no_message():
    assert "secret" not in refusal(address="http://u:secret@$host/")
