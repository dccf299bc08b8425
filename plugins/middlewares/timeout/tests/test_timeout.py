"""Limits for the whole request, for its answer's head, and for silence."""

import pytest

from pointsman import Body, Deferred, Response
from pointsman.errors import ConfigError, GatewayError, TooLate
from pointsman.testing import FakeContext, a_request, answering, build
from pointsman_timeout import Timeout


class Server(Deferred):
    """Answers when the test says so. The source of its answer's body."""

    receiver = None
    cancelled = abandoned = paused = False

    def __call__(self, request):
        return self

    def subscribe(self, receiver):
        self.receiver = receiver

    def cancel(self):
        self.cancelled = True

    def streams(self):
        self.body = Body(self)
        self.receiver.respond(Response(200, None, self.body))
        return self.body

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False

    def abandon(self):
        self.abandoned = True


class Client:
    """The receiver of the answer, and the sink and source of bodies."""

    outcome = body = error = None
    received = b""

    def respond(self, response):
        self.outcome, self.body = response.status, response.body
        response.body.attach(self)

    def fail(self, error):
        if self.outcome is None:
            self.outcome = error
        else:
            self.error = error

    def write(self, chunk):
        self.received += chunk

    def end(self, trailers):
        pass

    def pause_reading(self): ...
    def resume_reading(self): ...
    def abandon(self): ...


class Asking:
    """One request on its way."""

    def __init__(self, options, request=None):
        self.context, self.server, self.client = FakeContext(), Server(), Client()
        self.request = request or a_request()
        middleware = build(Timeout, options, self.context)
        self.answer = middleware(self.request, self.server)
        self.answer.subscribe(self.client)

    @property
    def watched(self):
        return bool(self.context.deadlines._watched)


async def wait(clock, seconds):
    for _ in range(int(seconds * 2)):
        await clock.advance(0.5)


@pytest.mark.parametrize("limit", ["request", "firstByte"])
async def test_an_answer_that_does_not_come_is_a_504_and_its_work_is_stopped(clock, limit):
    asking = Asking({limit: "2s"})
    await wait(clock, 1.5)
    assert asking.client.outcome is None
    await wait(clock, 1)
    error = asking.client.outcome
    assert (type(error), error.status, error.side) == (TooLate, 504, "upstream")
    assert asking.server.cancelled
    assert not asking.watched


async def test_another_status_may_be_given(clock):
    asking = Asking({"request": "2s", "status": 503})
    await wait(clock, 2.5)
    assert asking.client.outcome.status == 503


async def test_an_answer_in_time_is_given(clock):
    asking = Asking({"request": "2s", "firstByte": "2s", "idle": "2s"})
    asking.server.receiver.respond(Response(200, None, b"hello"))
    assert not asking.watched
    await wait(clock, 5)
    assert (asking.client.outcome, asking.client.received) == (200, b"hello")


def test_an_answer_that_is_here_is_given_as_it_is():
    response = build(Timeout, {"request": "2s"})(a_request(), answering(200))
    assert type(response) is Response


async def test_an_error_is_passed_on(clock):
    asking, error = Asking({"request": "2s"}), GatewayError(502)
    asking.server.receiver.fail(error)
    assert asking.client.outcome is error
    assert not asking.watched


async def test_an_answer_that_goes_on_for_too_long_is_cut(clock):
    asking = Asking({"request": "2s"})
    body = asking.server.streams()
    body.feed(b"half")
    await wait(clock, 2.5)
    assert (asking.client.outcome, asking.client.received) == (200, b"half")
    assert isinstance(asking.client.error, TooLate)
    assert asking.server.abandoned
    assert not asking.watched


async def test_an_answer_that_is_over_is_not_watched_any_more(clock):
    asking = Asking({"request": "2s", "idle": "1s"})
    body = asking.server.streams()
    body.end()
    assert asking.watched
    asking.request.finish()
    assert not asking.watched


async def test_the_head_of_an_answer_is_all_that_its_limit_is_about(clock):
    asking = Asking({"firstByte": "2s"})
    asking.server.streams()
    assert not asking.watched
    await wait(clock, 5)
    assert asking.client.error is None


async def test_a_request_that_is_still_coming_does_not_wait_for_its_answer(clock):
    client = Client()
    request = a_request("POST")
    request.body = Body(client)
    asking = Asking({"firstByte": "2s"}, request)
    request.body.attach(client)
    await wait(clock, 5)
    assert asking.client.outcome is None
    request.body.end()
    await wait(clock, 1.5)
    assert asking.client.outcome is None
    await wait(clock, 1.5)
    assert asking.client.outcome.status == 504


@pytest.mark.parametrize(("paused", "status"), [(False, 408), (True, 504)])
async def test_whoever_holds_the_request_up_is_told(clock, paused, status):
    client = Client()
    request = a_request("POST")
    request.body = Body(client)
    asking = Asking({"request": "2s"}, request)
    request.body.attach(client)
    if paused:
        request.body.pause()
    await wait(clock, 2.5)
    assert asking.client.outcome.status == status


async def test_silence_cuts_an_answer(clock):
    asking = Asking({"idle": "2s"})
    await wait(clock, 10)
    assert asking.client.outcome is None
    body = asking.server.streams()
    for _ in range(4):
        await wait(clock, 1.5)
        body.feed(b"x")
    assert asking.client.error is None
    await wait(clock, 3)
    assert asking.client.received == b"xxxx"
    assert isinstance(asking.client.error, TooLate)
    assert asking.server.abandoned


async def test_a_client_that_does_not_read_is_not_the_servers_silence(clock):
    asking = Asking({"idle": "2s"})
    asking.server.streams()
    asking.client.body.pause()
    assert asking.server.paused
    await wait(clock, 10)
    asking.client.body.resume()
    assert asking.client.error is None
    await wait(clock, 3)
    assert asking.client.error is not None


async def test_a_tunnel_may_last(clock):
    asking = Asking({"request": "2s", "idle": "1s"})
    switched = Response(101)
    switched.tunnel = object()
    asking.server.receiver.respond(switched)
    assert not asking.watched


async def test_a_client_that_leaves_takes_its_limits_with_it(clock):
    asking = Asking({"request": "2s"})
    asking.answer.cancel()
    assert (asking.watched, asking.server.cancelled) == (False, True)
    asking.server.streams()
    assert asking.server.abandoned


async def test_it_can_be_awaited(clock):
    async def coroutine(request):
        return Response(200)

    response = await build(Timeout, {"request": "2s"})(a_request(), coroutine)
    assert response.status == 200


@pytest.mark.parametrize(
    ("options", "message"),
    [({}, "no limit is set"), ({"request": "-1s"}, "request"), ({"request": "1s", "status": 200}, "status")],
)
def test_what_cannot_be_meant_is_a_configuration_error(options, message):
    with pytest.raises(ConfigError, match=message):
        build(Timeout, options)
