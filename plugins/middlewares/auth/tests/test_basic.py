"""basicAuth: who is let in, what that costs, and what is said of it."""

import asyncio
import base64
import logging
import threading

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Body
from pointsman.errors import ConfigError
from pointsman.testing import a_request, answering, build
from pointsman_auth.basic import BasicAuth
from pointsman_auth.credentials import basic
from pointsman_auth.verifier import MAX_REMEMBERED, REMEMBERED_SECONDS, Busy, Verifier

SALT = b"$2b$04$abcdefghijklmnopqrstuu"  # always the same: tests are named after what they are given
BCRYPT = bcrypt.hashpw(b"test", SALT).decode()
LONG = bcrypt.hashpw(b"x" * 72, SALT).decode()
APR1 = "$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/"
MD5 = "$1$saltsalt$tTWg0JeO/sYmHvtKmZE8c."
SHA = "{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M="


def header(name, password):
    both = (name if isinstance(name, bytes) else name.encode()) + b":" + password.encode()
    return {"Authorization": "Basic " + base64.b64encode(both).decode()}


async def through(auth, headers=(), upstream=None, **more):
    request = a_request(headers=headers, **more)
    upstream = upstream or answering(200)
    return await auth(request, upstream), request, upstream


@pytest.mark.spec("M-17")
@pytest.mark.parametrize("hashed", [APR1, MD5, SHA, *(f"$2{letter}{BCRYPT[3:]}" for letter in "abxy")])
async def test_each_kind_of_hash_lets_in_who_knows_the_password_and_nobody_else(hashed):
    auth = build(BasicAuth, {"users": [f"ann:{hashed}"]})

    assert (await through(auth, header("ann", "test")))[0].status == 200
    assert (await through(auth, header("ann", "toast")))[0].status == 401
    assert (await through(auth, header("ann", "")))[0].status == 401
    assert (await through(auth, header("bob", "test")))[0].status == 401


@pytest.mark.spec("M-18")
@pytest.mark.parametrize(
    "hashed", ["test", "", "$6$saltsalt$" + "a" * 86, "$5$saltsalt$" + "a" * 43, "{SSHA}AAAA", "$apr1$x", BCRYPT[:-1]]
)
async def test_a_hash_of_another_kind_matches_nothing_and_is_warned_of(hashed, caplog):
    auth = build(BasicAuth, {"users": [f"ann:{hashed}"]})

    for password in ("test", hashed, ""):
        response, request, _ = await through(auth, header("ann", password))
        assert (response.status, request.exchange.user) == (401, b"ann")
    assert "users[0]: this user is never let in" in caplog.text
    assert not hashed or f"{hashed} " not in caplog.text


@pytest.mark.spec("M-19")
async def test_who_gives_no_credentials_is_asked_for_them():
    response, request, upstream = await through(build(BasicAuth, {"users": [f"ann:{SHA}"]}))

    assert (response.status, await response.body.read(100)) == (401, b"401 Unauthorized\n")
    assert sorted(response.headers) == [
        (b"content-type", b"text/plain"),
        (b"www-authenticate", b'Basic realm="traefik"'),
    ]
    assert (request.exchange.user, upstream.requests) == (None, [])


async def test_of_a_long_password_the_first_72_bytes_count():
    auth = build(BasicAuth, {"users": [f"ann:{LONG}"]})

    assert (await through(auth, header("ann", "x" * 72)))[0].status == 200
    assert (await through(auth, header("ann", "x" * 72 + "other")))[0].status == 200
    assert (await through(auth, header("ann", "x" * 71)))[0].status == 401


@pytest.mark.parametrize("hashed", [BCRYPT, APR1])
@pytest.mark.parametrize(
    "password", ["\0", "test\0", "x" * 6000, "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")]
)
async def test_an_odd_password_is_a_wrong_one(hashed, password):
    assert (await through(build(BasicAuth, {"users": [f"ann:{hashed}"]}), header("ann", password)))[0].status == 401


async def test_the_realm_is_escaped():
    response, _, _ = await through(build(BasicAuth, {"users": [f"a:{SHA}"], "realm": 'the "old\\shop" é'}))

    assert response.headers.get(b"www-authenticate") == 'Basic realm="the \\"old\\\\shop\\" é"'.encode()


@pytest.mark.parametrize("realm", ["a\r\nX-Evil: 1", "a\0"])
def test_a_realm_that_no_header_can_carry_is_refused(realm):
    with pytest.raises(ConfigError, match=r"basicAuth\.realm: .*control character"):
        build(BasicAuth, {"users": [f"a:{SHA}"], "realm": realm})


async def test_the_server_learns_the_user_and_not_the_password_and_the_client_cannot_say_it():
    auth = build(BasicAuth, {"users": [f"ann:{SHA}"], "headerField": "X-WebAuth-User", "removeHeader": True})
    claims = {"X-Webauth-User": "root", "x_webauth_user": "root", "X.WebAuth_User": "root", "X-Other": "1"}
    _, request, upstream = await through(auth, {**header("ann", "test"), **claims})

    assert sorted(upstream.last.headers) == [(b"x-other", b"1"), (b"x-webauth-user", b"ann")]
    ((name, _),) = [line for line in upstream.last.headers.raw if line[0] == b"x-webauth-user"]
    assert name.spelling == b"X-WebAuth-User"
    assert request.exchange.user == b"ann"


async def test_without_those_options_a_request_is_left_as_it_is():
    _, _, upstream = await through(build(BasicAuth, {"users": [f"ann:{SHA}"]}), header("ann", "test"))

    assert b"authorization" in upstream.last.headers


@pytest.mark.parametrize("field", ["Host", "content-length", "Transfer-Encoding", "a b", "a:", "ü", "a\n"])
def test_a_header_field_that_would_break_messages_is_refused(field):
    with pytest.raises(ConfigError, match=r"basicAuth\.headerField"):
        build(BasicAuth, {"users": [f"a:{SHA}"], "headerField": field})


async def test_an_empty_name_is_one_too():
    auth = build(BasicAuth, {"users": [f":{SHA}"]})
    response, request, _ = await through(auth, header("", "test"))

    assert (response.status, request.exchange.user) == (200, b"")


@pytest.mark.parametrize("name", [b"an\nn", b"ann\0", b"\xff", "a\x85n".encode(), b"\x7f"])
async def test_what_is_no_name_is_nobodys_and_appears_nowhere(name):
    response, request, _ = await through(build(BasicAuth, {"users": [f"ann:{SHA}"]}), header(name, "test"))

    assert (response.status, request.exchange.user) == (401, None)


async def test_a_refused_user_is_named_for_logs():
    _, request, _ = await through(build(BasicAuth, {"users": [f"ann:{SHA}"]}), header("märz", "x"))

    assert request.exchange.user == "märz".encode()


async def test_the_body_is_not_asked_for():
    auth, request = build(BasicAuth, {"users": [f"ann:{SHA}"]}), a_request("POST")
    request.body = Body()
    request.body.wanted = lambda: pytest.fail("the client was told to go on")

    assert (await auth(request, answering())).status == 401


@pytest.mark.parametrize(
    "value",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic YTpi=",
        "Basic YWJj",
        "Bearer YTpi",
        "YTpi",
        "basic  YTpi",
        "Basic YTpi extra",
        "Basic YTp",
    ],
)
async def test_credentials_that_cannot_be_read_are_none(value):
    assert (await through(build(BasicAuth, {"users": [f"a:{SHA}"]}), {"Authorization": value}))[0].status == 401


async def test_the_scheme_is_compared_without_case_and_the_first_line_counts():
    auth = build(BasicAuth, {"users": [f"ann:{SHA}"]})
    right = header("ann", "test")["Authorization"]

    assert (await through(auth, {"Authorization": right.replace("Basic", "bASIC")}))[0].status == 200
    assert (await through(auth, {"Authorization": [right, "Basic eDp5"]}))[0].status == 200
    assert (await through(auth, {"Authorization": ["Basic eDp5", right]}))[0].status == 401


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: b"Basic " + base64.b64encode(tail)))
def test_whatever_comes_is_read_without_an_error(value):
    found = basic(value)

    assert found is None or b":" not in found[0]


# lists of users


@pytest.mark.spec("M-105")
async def test_a_file_has_comments_blanks_and_crlf_and_what_stands_inline_wins(tmp_path):
    file = tmp_path / "users"
    file.write_bytes(f"# staff\r\n\r\n  ann:{APR1}  \r\nbob:{SHA}\r\n".encode())
    other = stored_sha(b"inline")
    auth = build(BasicAuth, {"usersFile": str(file), "users": [f"ann:{other}"]})

    for name, password, status in (("ann", "inline", 200), ("ann", "test", 401), ("bob", "test", 200)):
        assert (await through(auth, header(name, password)))[0].status == status


def stored_sha(password):
    import hashlib

    return "{SHA}" + base64.b64encode(hashlib.sha1(password).digest()).decode()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "no users found"),
        ({"users": ["ann"]}, r"users\[0\]: error parsing BasicUser: write name:hash, with exactly one colon"),
        ({"users": [f"a:{SHA}", "ann:SECRET:x"]}, r"users\[1\]: error parsing BasicUser \(user 'ann'\)"),
        ({"users": [f"a\tb:{SHA}"]}, r"users\[0\]: .*control character"),
        ({"usersFile": "/nowhere/users"}, "/nowhere/users cannot be read: No such file"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_without_a_word_of_its_secrets(config, message):
    with pytest.raises(ConfigError, match=message) as caught:
        build(BasicAuth, config)
    assert "SECRET" not in str(caught.value)


def test_a_broken_line_of_a_file_is_named_by_its_number(tmp_path):
    (tmp_path / "users").write_text(f"# x\nann:{SHA}\n\nSECRET\n")
    with pytest.raises(ConfigError, match="usersFile, line 4: error parsing BasicUser: write") as caught:
        build(BasicAuth, {"usersFile": str(tmp_path / "users")})
    assert "SECRET" not in str(caught.value)


def test_a_file_that_holds_something_else_is_not_quoted(tmp_path):
    (tmp_path / "environ").write_text("TOKEN=SECRET\0URL=http://a:b\0")
    with pytest.raises(ConfigError, match=r"usersFile, line 1: error parsing BasicUser: write name:hash") as caught:
        build(BasicAuth, {"usersFile": str(tmp_path / "environ")})
    assert "SECRET" not in str(caught.value)


def test_an_empty_file_lets_nobody_in(tmp_path):
    (tmp_path / "users").write_text("# nobody\n")
    with pytest.raises(ConfigError, match=f"no users found in {tmp_path}"):
        build(BasicAuth, {"usersFile": str(tmp_path / "users")})


def test_nothing_prints_a_hash():
    auth = build(BasicAuth, {"users": [f"ann:{SHA}"]})

    assert SHA not in repr(BasicAuth.Config(users=(f"ann:{SHA}",))) + repr(auth._users)


def test_a_hash_that_takes_seconds_is_warned_of(caplog):
    build(BasicAuth, {"users": ["ann:$2b$16$" + BCRYPT[7:]]})

    assert "bcrypt cost of 16" in caplog.text


# what a check costs


class Slow:
    """A stored password whose comparison waits until it may go on."""

    cheap = False

    def __init__(self, name="slow", right=b"test"):
        self.identity = name.encode()
        self.right = right
        self.going = threading.Event()
        self.computed = []

    def matches(self, password):
        assert self.going.wait(10)
        self.computed.append(password)
        return password == self.right


@pytest.fixture
def slow():
    slow = Slow()
    yield slow
    slow.going.set()


async def test_the_same_check_is_computed_once_at_a_time_and_a_right_one_is_remembered(slow):
    now = [0.0]
    verifier = Verifier(clock=lambda: now[0])
    checks = [asyncio.create_task(verifier.check(slow, b"test")) for _ in range(5)]
    await asyncio.sleep(0)
    slow.going.set()

    assert await asyncio.gather(*checks) == [True] * 5
    assert (slow.computed, verifier.at_once(slow, b"test"), verifier.at_once(slow, b"toast")) == ([b"test"], True, None)
    now[0] = REMEMBERED_SECONDS
    assert verifier.at_once(slow, b"test") is None


async def test_a_wrong_one_is_not_remembered(slow):
    slow.going.set()
    verifier = Verifier()

    assert [await verifier.check(slow, b"toast"), await verifier.check(slow, b"toast")] == [False, False]
    assert (len(slow.computed), verifier.at_once(slow, b"toast")) == (2, None)


async def test_checks_that_wait_are_limited_and_so_are_requests(slow):
    verifier = Verifier(max_checks=2, max_waiting=4)
    waiting = [asyncio.create_task(verifier.check(slow, password)) for password in (b"1", b"2", b"2")]
    await asyncio.sleep(0)

    with pytest.raises(Busy):
        await verifier.check(slow, b"3")
    waiting.append(asyncio.create_task(verifier.check(slow, b"1")))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await verifier.check(slow, b"1")
    slow.going.set()
    assert await asyncio.gather(*waiting) == [False] * 4
    assert await verifier.check(slow, b"3") is False


async def test_nobody_waits_for_ever(slow):
    verifier = Verifier(patience_seconds=0.01)

    with pytest.raises(Busy):
        await verifier.check(slow, b"test")


async def test_a_client_that_leaves_does_not_take_the_check_from_others_and_one_nobody_waits_for_is_dropped(slow):
    verifier = Verifier(threads=1)
    first, second = (asyncio.create_task(verifier.check(slow, b"test")) for _ in range(2))
    abandoned = asyncio.create_task(verifier.check(slow, b"guess"))
    await asyncio.sleep(0)
    first.cancel()
    abandoned.cancel()
    await asyncio.wait([first, abandoned])
    slow.going.set()

    assert await second is True
    assert await verifier.check(slow, b"other") is False
    assert slow.computed == [b"test", b"other"]


async def test_what_is_remembered_is_limited():
    verifier, slow = Verifier(max_remembered=2), Slow()
    slow.going.set()
    others = [Slow(str(number)) for number in range(3)]
    for other in others:
        other.going.set()
        assert await verifier.check(other, b"test")

    assert [verifier.at_once(other, b"test") for other in others] == [None, True, True]
    assert MAX_REMEMBERED > 100


async def test_an_unknown_user_costs_a_check_as_well_and_is_never_let_in(slow, monkeypatch):
    computed = []
    monkeypatch.setattr(bcrypt, "hashpw", lambda password, salt: computed.append(salt) or b"x" * 60)
    auth = build(BasicAuth, {"users": [f"ann:{BCRYPT}"]})
    auth.verifier = Verifier()

    assert (await through(auth, header("nobody", "test")))[0].status == 401
    assert computed == [BCRYPT[:29].encode()]


async def test_how_long_it_takes_does_not_tell_who_exists():
    auth = build(BasicAuth, {"users": [f"ann:{BCRYPT}", f"bob:{SHA}"]})
    kinds = {auth._decoy(b"nobody%d" % number).cheap for number in range(64)}

    assert kinds == {True, False}
    assert len({auth._decoy(b"nobody").identity for _ in range(8)}) == 1


async def test_when_too_many_wait_the_answer_is_a_clear_503_and_the_log_says_so_once(slow, caplog):
    auth = build(BasicAuth, {"users": [f"ann:{BCRYPT}"]})
    auth.verifier = Verifier(max_checks=0)
    with caplog.at_level(logging.WARNING):
        answers = [(await through(auth, header("ann", "test")))[0] for _ in range(3)]

    assert [answer.status for answer in answers] == [503] * 3
    assert answers[0].headers.get(b"retry-after") == b"1"
    assert caplog.text.count("too many password checks") == 1


async def test_a_remembered_user_is_let_in_without_a_coroutine():
    auth = build(BasicAuth, {"users": [f"ann:{BCRYPT}"]})
    await through(auth, header("ann", "test"))
    answer = auth(a_request(headers=header("ann", "test")), answering(200))

    assert not asyncio.iscoroutine(answer)
    assert (await answer).status == 200
