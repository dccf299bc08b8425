"""Which requests are sent again, how often and with what (middlewares.md §3.22)."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Body, Deferred, Peer, Response
from pointsman.errors import BodyTooLarge, ConfigError, GatewayError, NoServer
from pointsman.testing import a_request, build
from pointsman_retry import Retry

DEAD = GatewayError(502, "cannot connect", retry="always")
RESET = GatewayError(502, "the server closed the connection", retry="if_reused")


class Servers:
    """A service whose servers do what is said, in turn; the last one goes on for ever. Keeps what each was asked."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.asked = []
        self.cancelled = 0

    def __call__(self, request):
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        request.exchange.server = Peer(f"http://{len(self.asked)}", host="", port=0)
        self.asked.append((request.path, list(request.headers), request.exchange.tried))
        return Asked(self, request, outcome)


class Asked(Deferred):
    """One request to one of them; it reads the body unless it fails before."""

    def __init__(self, service, request, outcome):
        self.service, self.request, self.outcome, self.received = service, request, outcome, b""

    def subscribe(self, receiver):
        if self.outcome is DEAD or isinstance(self.outcome, NoServer):
            receiver.fail(self.outcome)
            return
        self.request.body.attach(self)
        if self.outcome is None:
            return  # it hangs
        if isinstance(self.outcome, GatewayError):
            receiver.fail(self.outcome)
        else:
            receiver.respond(self.outcome if isinstance(self.outcome, Response) else Response(self.outcome))

    def cancel(self):
        self.service.cancelled += 1

    def write(self, chunk):
        self.received += chunk

    def end(self, trailers):
        self.service.asked[-1] += (self.received,)

    def fail(self, error):
        pass


class Body_:
    """The source of an answer's body."""

    def __init__(self):
        self.abandoned = False
        self.body = Body(self)

    def pause_reading(self): ...
    def resume_reading(self): ...

    def abandon(self):
        self.abandoned = True


async def ask(options, servers, request=None, around=lambda handler: handler):
    """What comes of a request; and how often it was sent."""
    request = request or a_request()
    handler = build(Retry, options).bind(around(servers))
    try:
        return (await handler(request)).status
    except GatewayError as error:
        return error


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "PROPFIND"])
async def test_a_server_that_cannot_be_reached_is_passed_over_by_any_method(method):
    servers, request = Servers(DEAD, 200), a_request(method, body=b"hello")
    assert await ask({"attempts": 2}, servers, request) == 200
    assert servers.asked[1][3] == b"hello"
    assert (request.exchange.retries, len(request.exchange.tried)) == (1, 1)


async def test_the_last_try_decides():
    servers = Servers(DEAD)
    assert await ask({"attempts": 3}, servers) is DEAD
    assert len(servers.asked) == 3


@pytest.mark.parametrize("error", [RESET, NoServer(), GatewayError(504, "too late"), BodyTooLarge(1)], ids=repr)
async def test_what_is_no_network_error_is_not_asked_again(error):
    servers = Servers(error, 200)
    assert await ask({"attempts": 3}, servers) is error
    assert len(servers.asked) == 1


async def test_a_body_that_a_server_began_to_read_is_not_sent_again():
    begun = GatewayError(502, "it refused the stream", retry="always")
    servers = Servers(begun, 200)
    assert await ask({"attempts": 3}, servers, a_request("POST", body=b"hello")) is begun
    assert len(servers.asked) == 1


@pytest.mark.parametrize(
    ("method", "options", "count"),
    [
        ("GET", {}, 3),
        ("PUT", {}, 3),
        ("DELETE", {}, 3),
        ("POST", {}, 1),
        ("PATCH", {}, 1),
        ("LOCK", {}, 1),
        ("POST", {"retryNonIdempotentMethod": True}, 3),
        ("PUT", {"maxRequestBodyBytes": 5}, 3),
        ("PUT", {"maxRequestBodyBytes": 4}, 1),
        ("PUT", {"maxRequestBodyBytes": -1}, 3),
    ],
)
async def test_statuses_are_asked_again_by_those_that_may(method, options, count):
    servers = Servers(503, 503, 200)
    status = await ask({"attempts": 3, "status": ["500-504"], **options}, servers, a_request(method, body=b"hello"))
    assert (status, len(servers.asked)) == (200 if count == 3 else 503, count)
    assert [each[3] for each in servers.asked] == [b"hello"] * count


async def test_the_last_answer_is_given_as_it_is():
    assert await ask({"attempts": 3, "status": ["503"]}, Servers(503)) == 503


@pytest.mark.parametrize("error", [RESET, NoServer(), GatewayError(504, "too late")], ids=repr)
async def test_errors_are_asked_again_by_their_status(error):
    servers = Servers(error, 200)
    assert await ask({"attempts": 3, "status": ["502-504"]}, servers, a_request("PUT", body=b"hello")) == 200
    assert len(servers.asked) == 2


async def test_what_the_client_did_wrong_is_never_asked_again():
    error = BodyTooLarge(1)
    assert await ask({"attempts": 3, "status": ["413"]}, Servers(error, 200)) is error


async def test_network_errors_are_left_alone_where_that_is_said():
    options = {"attempts": 3, "status": ["500"], "disableRetryOnNetworkError": True}
    assert await ask(options, Servers(DEAD, 200)) is DEAD


async def test_an_upgrade_is_kept_whatever_its_status():
    switched = Response(101)
    switched.tunnel = object()
    servers = Servers(switched, 200)
    assert await ask({"attempts": 3, "status": ["100-199"]}, servers) == 101


async def test_an_answer_that_is_given_up_is_let_go_of():
    source = Body_()
    assert await ask({"attempts": 2, "status": ["503"]}, Servers(Response(503, None, source.body), 200)) == 200
    assert source.abandoned


async def test_middlewares_further_in_meet_the_request_as_it_was():
    ended = []

    def prefix(handler):
        def go(request):
            request.rewrite(b"/in" + request.path)
            request.headers.add(b"x-in", b"1")
            request.on_done(lambda: ended.append(len(servers.asked)))
            return handler(request)

        return go

    servers, request = Servers(503, 503, 200), a_request()
    assert await ask({"attempts": 3, "status": ["503"]}, servers, request, prefix) == 200
    assert [each[:2] for each in servers.asked] == [(b"/in/path", [(b"x-in", b"1")])] * 3
    assert ended == [1, 2]


async def test_middlewares_that_are_coroutines_are_asked_again_too():
    def around(handler):
        async def go(request):
            return await handler(request)

        return go

    servers = Servers(DEAD, 503, 200)
    assert await ask({"attempts": 3, "status": ["503"]}, servers, None, around) == 200


async def test_a_budget_ends_it():
    class Budget:
        def withdraw(self):
            return False

    def budgeted(handler):
        def go(request):
            answer = handler(request)
            request.exchange.server.retries = Budget()
            return answer

        return go

    servers = Servers(503, 200)
    assert await ask({"attempts": 3, "status": ["503"]}, servers, None, budgeted) == 503


async def test_one_attempt_is_the_next_handler_itself():
    servers = Servers(200)
    assert build(Retry, {"attempts": 1}).bind(servers) is servers


async def test_many_attempts_without_a_pause_do_not_pile_up():
    servers = Servers(*[NoServer()] * 3000, 200)
    assert await ask({"attempts": 5000, "status": ["503"]}, servers) == 200


class Waiting:
    """A receiver whose answer has not come yet."""

    outcome = None

    def respond(self, response):
        self.outcome = response.status

    def fail(self, error):
        self.outcome = error


def begin(options, servers, request):
    waiting = Waiting()
    answer = build(Retry, options).bind(servers)(request)
    answer.subscribe(waiting)
    return answer, waiting


async def test_tries_wait_for_their_time(clock, monkeypatch):
    monkeypatch.setattr("pointsman_retry.retry.random", lambda: 0.5)
    servers = Servers(DEAD)
    _, waiting = begin({"attempts": 4, "initialInterval": "10s"}, servers, a_request())
    for count, pause in enumerate((10, 12.6, 15.9), 1):
        await clock.advance(pause - 0.2)
        assert len(servers.asked) == count
        await clock.advance(0.3)
        assert len(servers.asked) == count + 1
    assert waiting.outcome is DEAD


async def test_no_try_begins_after_the_timeout(clock, monkeypatch):
    monkeypatch.setattr("pointsman_retry.retry.random", lambda: 0.5)
    servers = Servers(DEAD)
    _, waiting = begin({"attempts": 4, "initialInterval": "10s", "timeout": "15s"}, servers, a_request())
    await clock.advance(11)
    assert (len(servers.asked), waiting.outcome) == (2, DEAD)


@pytest.mark.parametrize("outcome", [DEAD, None], ids=["while it waits", "while a server is asked"])
async def test_a_client_that_leaves_ends_it(clock, outcome):
    servers = Servers(outcome)
    answer, waiting = begin({"attempts": 3, "initialInterval": "10s", "status": ["503"]}, servers, a_request())
    exchange = answer._exchange
    assert exchange.tentative == 1
    answer.cancel()
    await clock.advance(60)
    assert (len(servers.asked), waiting.outcome, exchange.tentative) == (1, None, 0)
    assert servers.cancelled == (outcome is None)


async def test_interim_answers_are_kept_back_while_the_try_may_be_given_up(clock):
    seen = []

    def watched(request):
        seen.append(request.exchange.tentative)
        return servers(request)

    for options, method, expected in [
        ({"status": ["503"]}, "GET", [1, 1, 0]),
        ({"status": ["503"]}, "POST", [0, 0, 0]),
        ({}, "GET", [0, 0, 0]),
    ]:
        seen.clear()
        servers, request = Servers(DEAD, DEAD, 200), a_request(method)
        _, waiting = begin({"attempts": 3, **options}, watched, request)
        await clock.settle()
        assert (seen, waiting.outcome, request.exchange.tentative) == (expected, 200, 0)


@pytest.mark.parametrize(
    ("options", "key", "message"),
    [
        ({}, "attempts", r"incorrect \(or empty\) value for attempt \(0\)"),
        ({"attempts": -1}, "attempts", r"incorrect \(or empty\) value for attempt \(-1\)"),
        ({"attempts": 2, "status": ["abc"]}, "status", "'abc' is no status code"),
        ({"attempts": 2, "disableRetryOnNetworkError": True}, "disableRetryOnNetworkError", "requires at least HTTP status"),
        ({"attempts": 2, "initialInterval": "-1s"}, "", "initial_interval|initialInterval"),
    ],
)
def test_what_cannot_be_meant_is_a_configuration_error(options, key, message):
    with pytest.raises(ConfigError, match=message) as raised:
        build(Retry, options)
    assert raised.value.problems[0].path.endswith(key)


@given(st.lists(st.sampled_from([DEAD, 503, 200]), min_size=1, max_size=8), st.integers(2, 8))
def test_no_server_is_asked_twice_while_another_is_left(outcomes, attempts):
    """Servers that are chosen as the kernel has it: the first that was not tried, else the first."""
    peers = [Peer(f"http://{number}", host="", port=0) for number in range(len(outcomes))]
    asked = []

    def service(request):
        tried = request.exchange.tried
        peer = next((peer for peer in peers if peer not in tried), peers[0])
        request.exchange.server = peer
        asked.append(peer)
        outcome = outcomes[peers.index(peer)]
        if outcome is DEAD:
            raise DEAD
        return Response(outcome)

    async def go():
        request = a_request()
        try:
            return (await build(Retry, {"attempts": attempts, "status": ["503"]}).bind(service)(request)).status
        except GatewayError:
            return 502

    status = asyncio.run(go())
    first = asked[: len(peers)]
    assert len(set(first)) == len(first)
    assert len(asked) <= attempts
    assert (status == 200) == (200 in outcomes[:attempts])
