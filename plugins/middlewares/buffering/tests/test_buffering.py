import pytest

from pointsman import Body, Response
from pointsman.errors import BodyTooLarge, ConfigError, GatewayError
from pointsman.testing import a_chain, a_request, answering, build
from pointsman_buffering import Buffering
from pointsman_buffering.spool import NoRoom, Spool


def a_post(*chunks, length=None, ended=True, trailers=()):
    request = a_request("POST")
    body = request.body = Body(length=length)
    for chunk in chunks:
        body.feed(chunk)
    if ended:
        body.end(list(trailers))
    return request


def answered_in_pieces(*chunks, status=200, trailers=(), length=None):
    body = Body(length=length)
    for chunk in chunks:
        body.feed(chunk)
    body.end(list(trailers))
    return Response(status, [], body)


class Servers:
    """A service that answers by a list: statuses, responses, errors. Keeps every body that it got."""

    def __init__(self, *answers):
        self.answers, self.bodies, self.paths = list(answers), [], []

    async def __call__(self, request):
        self.bodies.append(await request.body.read(1 << 20))
        self.paths.append(request.path)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Response(answer) if isinstance(answer, int) else answer


async def test_a_request_goes_on_whole_and_with_its_length():
    upstream, seen = answering(200), []

    def handler(request):
        seen.append((request.body.ended, request.body.length))
        return upstream(request)

    await build(Buffering, {"maxRequestBodyBytes": 10})(a_post(b"01234", b"56789"), handler)

    assert seen == [(True, 10)]
    assert await upstream.last.body.read(10) == b"0123456789"


@pytest.mark.parametrize(
    "request_", [a_post(b"0" * 11), a_post(b"0" * 6, b"0" * 5, ended=False), a_post(length=11, ended=False)]
)
async def test_a_request_that_is_too_large_never_goes_on(request_):
    upstream = answering(200)
    with pytest.raises(BodyTooLarge) as caught:
        await build(Buffering, {"maxRequestBodyBytes": 10})(request_, upstream)

    assert caught.value.status == 413
    assert upstream.requests == []


async def test_a_client_that_is_refused_by_its_length_is_not_asked_for_the_body():
    request = a_post(length=11, ended=False)
    request.body.wanted = lambda: pytest.fail("it was asked to go on")

    with pytest.raises(BodyTooLarge):
        await build(Buffering, {"maxRequestBodyBytes": 10})(request, answering(200))


@pytest.mark.parametrize("memory", [4, 0])
async def test_an_answer_comes_whole_and_with_its_length(memory):
    request = a_request()
    servers = Servers(answered_in_pieces(b"one ", b"two ", b"three"))
    response = await build(Buffering, {"memResponseBodyBytes": memory})(request, servers)

    assert response.body.length == 13
    assert await response.body.read(20) == b"one two three"
    request.finish()


async def test_trailers_stay():
    buffering = build(Buffering, {"maxRequestBodyBytes": 100})
    upstream = answering(200)
    await buffering(a_post(b"abc", trailers=[(b"x-sum", b"7")]), upstream)
    response = await buffering(a_request(), Servers(answered_in_pieces(b"x", trailers=[(b"grpc-status", b"0")])))

    assert upstream.last.body.trailers == [(b"x-sum", b"7")]
    assert response.body.trailers == [(b"grpc-status", b"0")]


@pytest.mark.parametrize(
    "answer", [Response(200, [], b"0" * 11), answered_in_pieces(b"0" * 11), Response(200, [], Body(length=11))]
)
async def test_an_answer_that_is_too_large_is_a_500(answer):
    with pytest.raises(GatewayError) as caught:
        await build(Buffering, {"maxResponseBodyBytes": 10})(a_request(), answering_with(answer))

    assert (caught.value.status, caught.value.body) == (500, None)


def answering_with(response):
    return lambda request: response


async def test_an_answer_of_just_the_limit_passes():
    response = await build(Buffering, {"maxResponseBodyBytes": 10})(a_request(), Servers(answered_in_pieces(b"0" * 10)))

    assert await response.body.read(10) == b"0" * 10


async def test_an_answer_that_breaks_off_is_an_error_and_not_half_an_answer():
    body = Body()
    body.feed(b"half")
    body.fail(GatewayError(502, "broken off"))

    with pytest.raises(GatewayError, match="broken off"):
        await build(Buffering)(a_request(), answering_with(Response(200, [], body)))


async def test_an_upgrade_and_an_answer_that_is_here_pass_as_they_are():
    upgraded, here = Response(101), Response(200, [], b"here")
    upgraded.tunnel = object()
    request = a_request()
    request.upgrade = b"websocket"
    request.body = Body()

    assert await build(Buffering)(request, answering_with(upgraded)) is upgraded
    assert build(Buffering)(a_request(), answering_with(here)) is here


async def test_interim_answers_are_kept_from_the_client():
    request = a_request()
    await build(Buffering)(request, answering(200))

    assert request.exchange.tentative


async def test_a_request_goes_again_as_long_as_the_expression_holds():
    servers = Servers(500, GatewayError(502), 503)
    response = await build(Buffering, {"retryExpression": "ResponseCode() >= 500 && Attempts() <= 2"})(
        a_post(b"abc"), servers
    )

    assert response.status == 503
    assert servers.bodies == [b"abc"] * 3


@pytest.mark.parametrize("own", [False, True])
async def test_also_one_without_a_body(own):
    servers, request = Servers(500, 200), a_request()
    if not own:
        request.body = Response(200).body  # what all requests without one have in common

    assert (await build(Buffering, {"retryExpression": "ResponseCode() == 500"})(request, servers)).status == 200
    assert servers.bodies == [b"", b""]


@pytest.mark.parametrize("memory", [1, 100])
async def test_a_body_from_a_file_goes_again(memory):
    servers, request = Servers(GatewayError(504), 200), a_post(b"abc" * 10)
    options = {"retryExpression": "IsNetworkError()", "memRequestBodyBytes": memory}

    assert (await build(Buffering, options)(request, servers)).status == 200
    assert servers.bodies == [b"abc" * 10] * 2
    request.finish()


async def test_no_more_than_ten_times():
    servers = Servers(500)

    assert (await build(Buffering, {"retryExpression": "ResponseCode() >= 500"})(a_post(b"abc"), servers)).status == 500
    assert len(servers.bodies) == 11


async def test_the_last_error_stays_an_error():
    with pytest.raises(GatewayError) as caught:
        await build(Buffering, {"retryExpression": "IsNetworkError() && Attempts() < 3"})(
            a_request(), Servers(GatewayError(502))
        )

    assert caught.value.status == 502


async def test_an_answer_that_breaks_off_is_a_network_error():
    body = Body()
    body.fail(GatewayError(502, "broken off"))
    servers = Servers(Response(200, [], body), 200)

    assert (await build(Buffering, {"retryExpression": "IsNetworkError()"})(a_request(), servers)).status == 200


@pytest.mark.parametrize("error", [GatewayError(502, side="client"), NoRoom(OSError(28, "full"))])
async def test_what_is_not_the_servers_fault_does_not_go_again(error):
    servers = Servers(error)
    with pytest.raises(GatewayError):
        await build(Buffering, {"retryExpression": "ResponseCode() >= 500"})(a_request(), servers)

    assert len(servers.bodies) == 1


async def test_what_is_too_large_does_not_go_again():
    servers = Servers(answered_in_pieces(b"0" * 11))
    with pytest.raises(GatewayError):
        await build(Buffering, {"retryExpression": "ResponseCode() >= 500", "maxResponseBodyBytes": 10})(
            a_request(), servers
        )

    assert len(servers.bodies) == 1


class Spent:
    """A retry budget with nothing left."""

    def withdraw(self):
        return False


async def test_a_service_whose_retry_budget_is_spent_is_not_asked_again():
    servers, request = Servers(500), a_request()

    class Server:
        retries = Spent()

    request.exchange.server = Server()

    assert (await build(Buffering, {"retryExpression": "ResponseCode() >= 500"})(request, servers)).status == 500
    assert len(servers.bodies) == 1


@pytest.mark.parametrize(("expression", "tries"), [('RequestMethod() == "POST"', 3), ("RequestMethod() != `POST`", 1)])
async def test_the_method_can_decide(expression, tries):
    servers = Servers(500)
    await build(Buffering, {"retryExpression": f"{expression} && Attempts() < 3"})(a_post(b"x"), servers)

    assert len(servers.bodies) == tries


async def test_middlewares_further_in_meet_the_same_request_each_time():
    def lengthening(request, call_next):
        request.rewrite(b"/deeper" + request.path)
        return call_next(request)

    servers = Servers(500, 200)
    handler = a_chain([build(Buffering, {"retryExpression": "ResponseCode() == 500"}), lengthening], servers)
    await handler(a_request(url="http://a.example/x"))

    assert servers.paths == [b"/deeper/x"] * 2


async def test_what_was_kept_is_let_go_when_the_exchange_is_over(monkeypatch):
    closed = []
    monkeypatch.setattr(Spool, "close", lambda self: closed.append(self.size))
    request = a_post(b"abc")
    await build(Buffering)(request, Servers(answered_in_pieces(b"answer")))
    assert closed == []

    request.finish()
    assert sorted(closed) == [3, 6]


async def test_a_full_disk_is_logged_and_not_for_each_request(monkeypatch, caplog):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    buffering = build(Buffering, {"memRequestBodyBytes": 1})
    for _ in range(3):
        with pytest.raises(NoRoom):
            await buffering(a_post(b"abc"), answering(200))

    assert len(caplog.records) == 1
    assert "TMPDIR" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"maxRequestBodyBytes": -1}, "maxRequestBodyBytes"),
        ({"memResponseBodyBytes": -1}, "memResponseBodyBytes"),
        ({"retryExpression": "Attempts() < 1.5"}, r"retryExpression: Attempts\(\) at column 1 is a whole number"),
        ({"retryExpression": "Foo() > 1"}, "unknown function 'Foo' at column 1; there are Attempts"),
        ({"retryExpression": "Attempts()"}, "not a comparison"),
        ({"retryExpression": "NetworkErrorRatio() > 0.5"}, "unknown function 'NetworkErrorRatio'"),
        ({"retryExpression": "IsNetworkErorr()"}, r"did you mean IsNetworkError\(\)\?"),
    ],
)
def test_what_cannot_work_is_a_configuration_error(options, message):
    with pytest.raises(ConfigError, match=message):
        build(Buffering, options)


async def test_a_request_that_is_not_buffered_passes_as_it_comes():
    upstream, request = answering(200), a_post(b"0" * 11, ended=False)
    body = request.body
    middleware = build(Buffering, {"maxRequestBodyBytes": 10, "disableRequestBuffer": True})

    assert (await middleware(request, upstream)).status == 200
    assert upstream.last.body is body


async def test_an_answer_that_is_not_buffered_passes_as_it_comes():
    request, body = a_request(), Body()
    answer = Response(200, [], body)
    middleware = build(Buffering, {"maxResponseBodyBytes": 1, "disableResponseBuffer": True})

    assert (await middleware(request, lambda request: answer)).body is body
    assert request.exchange.tentative == 0


async def test_only_what_is_kept_can_be_sent_again():
    options = {"retryExpression": "ResponseCode() == 503 && Attempts() < 3", "disableRequestBuffer": True}
    servers = Servers(503, 200)

    assert (await build(Buffering, options)(a_post(b"body"), servers)).status == 503
    assert (await build(Buffering, options)(a_request(), Servers(503, 200))).status == 200
