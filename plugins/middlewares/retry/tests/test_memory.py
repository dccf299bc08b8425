"""Bodies that stream and can be had again."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman import Body
from pointsman.errors import GatewayError
from pointsman_retry.memory import Memory


class Client:
    """The source of a body."""

    def __init__(self):
        self.paused = False
        self.body = Body(self)

    def pause_reading(self):
        assert not self.paused
        self.paused = True

    def resume_reading(self):
        assert self.paused
        self.paused = False

    def abandon(self):
        pass


class Server:
    """The sink of one."""

    def __init__(self):
        self.received = b""
        self.trailers = None
        self.error = None

    def write(self, chunk):
        assert self.trailers is None
        self.received += chunk

    def end(self, trailers):
        assert self.trailers is None
        self.trailers = trailers

    def fail(self, error):
        self.error = error


@given(st.lists(st.binary(max_size=50)), st.lists(st.integers(0, 30), max_size=5), st.integers(0, 200))
def test_every_server_gets_the_whole_body_as_long_as_it_can_be_remembered(chunks, moments, limit):
    """After each of `moments` chunks another server is asked, if that is possible."""
    client, server = Client(), Server()
    memory = Memory(client.body, limit)
    memory.body().attach(server)
    for number, chunk in enumerate(chunks):
        client.body.feed(chunk)
        for _ in range(moments.count(number)):
            if memory.whole:
                server = Server()
                memory.again().attach(server)
    client.body.end([(b"x-t", b"1")])

    whole = b"".join(chunks)
    assert (server.received, server.trailers) == (whole, [(b"x-t", b"1")])
    assert memory.whole == (len(whole) <= limit)
    if memory.whole:
        last = Server()
        memory.again().attach(last)
        assert (last.received, last.trailers) == (whole, [(b"x-t", b"1")])


def test_nothing_is_read_before_a_server_takes_it():
    client, server = Client(), Server()
    wanted = []
    client.body.wanted = lambda: wanted.append(True)
    memory = Memory(client.body, 100)
    memory.body()
    body = memory.again()
    assert not wanted
    body.attach(server)
    client.body.feed(b"x")
    assert (wanted, server.received) == ([True], b"x")


def test_a_body_that_is_here_says_so():
    memory = Memory(Body.of(b"hello"), 100)
    assert memory.body().ended
    assert memory.again().ended
    assert (memory.body().length, memory.whole) == (5, True)


def test_one_that_is_too_long_is_given_once():
    memory, server = Memory(Body.of(b"hello"), 4), Server()
    assert not memory.whole
    memory.body().attach(server)
    assert server.received == b"hello"


def test_a_server_that_does_not_read_holds_the_client_up_only_while_it_is_asked():
    client = Client()
    memory = Memory(client.body, 1 << 20)
    first = memory.body()
    first.attach(Server())
    client.body.feed(b"x")
    first.pause()
    assert client.paused
    second, server = memory.again(), Server()
    assert not client.paused
    second.attach(server)
    first.resume()
    client.body.feed(b"y")
    assert server.received == b"xy"


def test_what_comes_while_nobody_is_asked_is_held_and_pauses_the_client():
    client = Client()
    memory = Memory(client.body, 1 << 20)
    memory.body().attach(Server())
    body, server = memory.again(), Server()
    client.body.feed(b"x" * 100_000)
    assert client.paused
    body.attach(server)
    assert not client.paused
    assert len(server.received) == 100_000


def test_a_body_that_breaks_off_breaks_off_for_every_server():
    client, first, second = Client(), Server(), Server()
    memory, error = Memory(client.body, 100), GatewayError(400, side="client")
    memory.body().attach(first)
    client.body.feed(b"half")
    client.body.fail(error)
    memory.again().attach(second)
    assert (first.error, second.error, second.received) == (error, error, b"half")
