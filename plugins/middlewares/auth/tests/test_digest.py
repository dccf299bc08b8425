"""digestAuth: answers to challenges, counted over all workers."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import ConfigError
from pointsman.testing import FakeContext, a_request, answering, build
from pointsman_auth.credentials import digest
from pointsman_auth.digest import DigestAuth
from pointsman_auth.nonces import GOOD_FOR_SECONDS


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


USERS = [f"ann:traefik:{md5('ann:traefik:test')}", f"eve:other:{md5('eve:other:test')}"]


def challenge_of(response):
    assert response.status == 401
    said = response.headers.get(b"www-authenticate")
    return {name.decode(): value.decode() for name, value in digest(said).items()}


def answer_to(challenge, uri="/path?x=1", nc="00000001", user="ann", password="test", method="GET", **changes):
    """The Authorization of a client that was asked so."""
    said = {"username": user, "realm": challenge["realm"], "nonce": challenge["nonce"], "uri": uri, "cnonce": "c0"}
    said |= {"opaque": challenge["opaque"], "algorithm": "MD5", "qop": "auth", "nc": nc}
    ha1 = md5(f"{user}:{challenge['realm']}:{password}")
    said["response"] = md5(f"{ha1}:{said['nonce']}:{nc}:c0:auth:{md5(f'{method}:{uri}')}")
    said = {name: value for name, value in (said | changes).items() if value is not None}
    bare = ("nc", "qop", "algorithm")
    listed = ", ".join(f"{name}={value}" if name in bare else f'{name}="{value}"' for name, value in said.items())
    return {"Authorization": f"Digest {listed}"}


class Client:
    """Somebody in front of a middleware, and a server behind it."""

    def __init__(self, config=None, context=None):
        self.auth = build(DigestAuth, {"users": USERS} | (config or {}), context)
        self.upstream = answering(200)
        self.request = None

    async def ask(self, headers=(), url="http://a.example/path?x=1", method="GET"):
        self.request = a_request(method, url, headers)
        return await self.auth(self.request, self.upstream)

    async def challenge(self):
        return challenge_of(await self.ask())


async def test_who_comes_without_is_challenged():
    response = await Client().ask()
    challenge = challenge_of(response)

    assert await response.body.read(100) == b"401 Unauthorized\n"
    assert response.headers.get(b"content-type") == b"text/plain"
    assert list(challenge) == ["realm", "nonce", "opaque", "algorithm", "qop"]
    assert (challenge["realm"], challenge["algorithm"], challenge["qop"]) == ("traefik", "MD5", "auth")
    assert response.headers.get(b"www-authenticate").endswith(b', algorithm="MD5", qop="auth"')


@pytest.mark.spec("M-31")
async def test_counts_must_rise():
    client = Client()
    challenge = await client.challenge()

    assert (await client.ask(answer_to(challenge))).status == 200
    again = challenge_of(await client.ask(answer_to(challenge)))
    assert "stale" not in again
    assert again["nonce"] != challenge["nonce"]
    assert (await client.ask(answer_to(challenge, nc="00000005"))).status == 200
    assert challenge_of(await client.ask(answer_to(challenge, nc="00000003")))["stale"] == "true"
    assert len(client.upstream.requests) == 2


async def test_counts_rise_over_all_workers_and_through_reloads():
    context = FakeContext()
    first, second = Client(context=context), Client(context=context)
    challenge = await first.challenge()

    assert (await second.ask(answer_to(challenge, nc="00000002"))).status == 200
    assert challenge_of(await first.ask(answer_to(challenge)))["stale"] == "true"
    assert "stale" not in challenge_of(await first.ask(answer_to(challenge, nc="00000002")))
    assert (await first.ask(answer_to(challenge, nc="0000000a"))).status == 200


@pytest.mark.parametrize("age", [-60, GOOD_FOR_SECONDS + 2])
async def test_who_knows_the_password_and_comes_with_an_old_nonce_is_not_asked_for_it_again(age):
    client, now = Client(), [1_000_000.0]
    client.auth.nonces._clock = lambda: now[0]
    challenge = await client.challenge()
    now[0] += age

    assert challenge_of(await client.ask(answer_to(challenge)))["stale"] == "true"
    assert "stale" not in challenge_of(await client.ask(answer_to(challenge, password="wrong")))


@pytest.mark.parametrize("nonce", ["", "abc", "A" * 32, "ä" * 16, "=" * 32])
async def test_a_nonce_that_was_not_made_here_is_of_no_use(nonce):
    client = Client()
    challenge = await client.challenge()

    assert challenge_of(await client.ask(answer_to(challenge | {"nonce": nonce})))["nonce"] != nonce
    assert client.upstream.requests == []


async def test_a_nonce_is_good_for_one_host():
    client = Client()
    challenge = await client.challenge()

    assert (await client.ask(answer_to(challenge), "http://b.example/path?x=1")).status == 401
    assert (await client.ask(answer_to(challenge), "http://A.example/path?x=1")).status == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"user": "eve"},
        {"user": "nobody"},
        {"password": "toast"},
        {"uri": "/"},
        {"uri": "/path"},
        {"uri": "/path?x=2"},
        {"uri": ""},
        {"uri": "/path%zz"},
        {"uri": "http://a.example/path?x=1"},
        {"method": "POST"},
        {"opaque": "x"},
        {"opaque": None},
        {"algorithm": "SHA-256"},
        {"algorithm": "md5"},
        {"qop": None},
        {"qop": "auth-int"},
        {"nc": "0"},
        {"nc": "x1"},
        {"nc": "-1"},
        {"nc": "1_0"},
        {"nc": "100000000"},
        {"nonce": None},
        {"response": None},
        {"response": ""},
        {"username": None},
        {"username": "an\\\nn"},
    ],
)
async def test_an_answer_that_is_not_right_in_every_part_is_refused(changes):
    client = Client()
    response = await client.ask(answer_to(await client.challenge(), **changes))

    assert (response.status, client.upstream.requests) == (401, [])


async def test_the_algorithm_need_not_be_said_and_escapes_may_be_spelled_otherwise():
    client = Client()
    for uri in ("/a%2fb?q=%2f", "/a%2Fb?q=%2f", "/%61%2Fb?q=%2f"):
        challenge = await client.challenge()
        response = await client.ask(answer_to(challenge, uri, algorithm=None), "http://a.example/a%2fb?q=%2f")
        assert response.status == 200, uri


async def test_the_user_is_named_for_logs_also_when_refused_and_for_the_server():
    client = Client({"headerField": "X-WebAuth-User", "removeHeader": True})
    challenge = await client.challenge()

    await client.ask(answer_to(challenge, password="no") | {"X-WebAuth-User": "root"})
    assert client.request.exchange.user == b"ann"
    await client.ask(answer_to(challenge) | {"X-WebAuth_User": "root"})
    assert client.request.exchange.user == b"ann"
    assert client.upstream.last.headers.raw == [(b"x-webauth-user", b"ann")]


async def test_an_empty_list_lets_nobody_in(caplog):
    client = Client({"users": []})

    assert (await client.ask(answer_to(await client.challenge()))).status == 401
    assert "nobody is let in" in caplog.text


async def test_users_come_from_a_file_in_the_format_of_htdigest(tmp_path):
    (tmp_path / "users").write_text(f"# x\n\nbob:traefik:{md5('bob:traefik:file')}\r\nann:traefik:{'0' * 32}\n")
    client = Client({"usersFile": str(tmp_path / "users")})

    for user, password in (("bob", "file"), ("ann", "test")):
        assert (await client.ask(answer_to(await client.challenge(), user=user, password=password))).status == 200


@pytest.mark.parametrize("line", ["ann", "ann:traefik", "ann:traefik:SECRET:x"])
def test_a_line_without_exactly_two_colons_is_refused_without_its_secret(line):
    with pytest.raises(ConfigError, match=r"users\[1\]: error parsing DigestUser.*exactly two colons") as caught:
        build(DigestAuth, {"users": [USERS[0], line]})
    assert "SECRET" not in str(caught.value)


async def test_a_hash_that_is_none_is_warned_of_and_matches_nothing(caplog):
    client = Client({"users": ["ann:traefik:test"]})

    assert "users[0]: this user is never let in" in caplog.text
    assert (await client.ask(answer_to(await client.challenge()))).status == 401


async def test_upper_case_hashes_match():
    client = Client({"users": [f"ann:traefik:{md5('ann:traefik:test').upper()}"]})

    assert (await client.ask(answer_to(await client.challenge()))).status == 200


async def test_the_realm_is_escaped():
    client = Client({"realm": 'a "b"', "users": [f'ann:a "b":{md5("ann:a " + chr(34) + "b" + chr(34) + ":test")}']})
    challenge = await client.challenge()

    assert challenge["realm"] == 'a "b"'
    assert (await client.ask(answer_to(challenge, realm="x"))).status == 200


# what clients write


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'Digest a=b, C="d,\\"e\\\\", f = "" ', {b"a": b"b", b"c": b'd,"e\\', b"f": b""}),
        (b"Digest ", {}),
        (b"Digest a=b,", {b"a": b"b"}),
        (b"digest a=b", None),
        (b"Digest", None),
        (b"Digest a", None),
        (b"Digest a=b c=d", None),
        (b'Digest a="b', None),
        (b"Digest a=b, A=c", None),
        (b"Digest ,", None),
        (b"Digest " + b",".join(b"a%d=b" % number for number in range(40)), None),
        (b'Digest a="' + b"b" * 32_000 + b'"', {b"a": b"b" * 32_000}),
        (b'Digest a="' + b"b" * 33_000 + b'"', None),
        (None, None),
    ],
)
def test_parameters_are_read_strictly(text, found):
    assert digest(text) == found


PIECES = st.sampled_from([b'"', b"\\", b",", b"=", b" ", b"nonce", b"uri", b"nc", b"a", b"\xff", b"\0", b"\\\\"])


@given(st.lists(PIECES | st.binary(max_size=4), max_size=40).map(lambda pieces: b"Digest " + b"".join(pieces)))
def test_whatever_comes_is_read_without_an_error(text):
    found = digest(text)

    assert found is None or all(name == name.lower() for name in found)


@given(st.dictionaries(st.from_regex(r"\A[a-z]{1,8}\Z"), st.binary(max_size=20), max_size=8))
def test_what_is_written_right_is_read_back(parameters):
    listed = b", ".join(
        b'%s="%s"' % (name.encode(), value.replace(b"\\", b"\\\\").replace(b'"', b'\\"'))
        for name, value in parameters.items()
    )

    assert digest(b"Digest " + listed) == {name.encode(): value for name, value in parameters.items()}


@given(st.binary(max_size=300))
def test_garbage_is_challenged(text):
    auth = build(DigestAuth, {"users": USERS})
    response = auth(a_request(headers=[(b"authorization", b"Digest " + text)]), answering())

    assert response.status == 401
