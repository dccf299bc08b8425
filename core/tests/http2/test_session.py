"""The engine as a script of the wire: frames in, calls and frames out, for both roles."""

from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pointsman.http2 import frames
from pointsman.http2.contract import SessionSettings
from pointsman.http2.hpack import Encoder
from pointsman.http2.session import Session, Stream

REQUEST = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a.test"), (b":path", b"/")]
OK = [(b":status", b"200")]


def data(stream: int, payload: bytes, end: bool = False) -> bytes:
    return frames.head(len(payload) << 8, 1 if end else 0, stream) + payload


def respond(body: bytes) -> Any:
    def answer(stream: Stream) -> None:
        stream.answer(stream.session.encoder.encode(OK), body)

    return answer


# beginnings


def test_a_server_says_its_settings_first_and_acknowledges_those_of_the_client(server: Any) -> None:
    end = server(begun=False)
    first = end.take()
    assert [frame.kind for frame in first] == [frames.SETTINGS, frames.WINDOW_UPDATE]
    end.hears(frames.PREFACE + frames.settings([(frames.ENABLE_PUSH, 0)]))
    assert [(frame.kind, frame.flags) for frame in end.take()] == [(frames.SETTINGS, frames.ACK)]
    assert end.told == [("ready",)]
    assert not end.session.settled
    end.hears(frames.SETTINGS_ACK)
    assert end.session.settled


@pytest.mark.parametrize("preface", [b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"])
def test_another_preface_ends_the_connection(server: Any, preface: bytes) -> None:
    end = server(begun=False)
    end.take()
    end.hears(preface)
    assert end.take()[-1].code == frames.PROTOCOL_ERROR
    assert end.closed


def test_the_first_frame_must_be_settings(server: Any) -> None:
    end = server(begun=False)
    end.hears(frames.PREFACE + frames.ping(b"12345678"))
    assert end.told == [("failed", frames.PROTOCOL_ERROR, "the first frame is not SETTINGS")]


def test_a_request_whole_and_byte_by_byte_gives_the_same(server: Any) -> None:
    encoder = Encoder()
    block = encoder.encode([*REQUEST, (b"x-long", b"y" * 40_000)])
    wire = frames.PREFACE + frames.settings([]) + frames.headers(1, block, False) + data(1, b"hel") + data(1, b"lo", True)
    seen = []
    for step in (len(wire), 1, 7, 1000):
        end = server(begun=False)
        end.hears(*[wire[at : at + step] for at in range(0, len(wire), step)])
        notes = end.receivers[1]
        seen.append((end.requests[1].fields, notes.body, notes.told[-1]))
    assert seen[1:] == seen[:-1]
    assert seen[0][1:] == (b"hello", ("ended", []))


# requests and answers


def test_a_whole_answer_is_one_write_of_two_frames(server: Any) -> None:
    end = server()
    end.answer = respond(b"hello")
    end.hears_request()
    headers, body = end.take()
    assert (headers.kind, headers.flags) == (frames.HEADERS, frames.END_HEADERS)
    assert (body.payload, body.ends) == (b"hello", True)
    assert end.told == [("idle",)]
    assert not end.session.streams


def test_trailers_come_with_the_end_and_go_with_it(server: Any) -> None:
    end = server()
    end.hears_request(end=False)
    end.hears(data(1, b"x"), frames.headers(1, end.encoder.encode([(b"x-t", b"1")]), True))
    assert end.receivers[1].told == [("data", 1), ("ended", [(b"x-t", b"1")])]
    stream = end.streams[1]
    stream.send_headers(end.session.encoder.encode(OK))
    stream.send_data(b"y")
    stream.end([(b"x-u", b"2")])
    kinds = [(frame.kind, frame.ends) for frame in end.take()]
    assert kinds == [(frames.HEADERS, False), (frames.DATA, False), (frames.HEADERS, True)]


def test_an_answer_larger_than_a_frame_is_cut(server: Any) -> None:
    end = server()
    end.answer = respond(b"x" * 40_000)
    end.hears_request()
    sent = [len(frame.payload) for frame in end.take() if frame.kind == frames.DATA]
    assert sent == [16_384, 16_384, 7_232]


def test_a_head_larger_than_a_frame_continues(server: Any) -> None:
    end = server()
    end.hears_request()
    end.streams[1].send_headers(end.session.encoder.encode([*OK, (b"x-long", b"y" * 40_000)]), True)
    kinds = [frame.kind for frame in end.take()]
    assert kinds == [frames.HEADERS, frames.CONTINUATION, frames.CONTINUATION]


# windows


def test_what_the_window_does_not_allow_waits_and_its_source_is_paused(server: Any) -> None:
    end = server(client_settings=[(frames.INITIAL_WINDOW_SIZE, 10)])
    end.answer = respond(b"0123456789abcdef")
    end.hears_request()
    assert [frame.payload for frame in end.take()][1:] == [b"0123456789"]
    assert end.session.waiting == 6
    assert end.receivers[1].told == [("pause",)]
    end.hears(frames.window_update(1, 4))
    end.hears(frames.window_update(1, 4))
    last = end.take()
    assert [(frame.payload, frame.ends) for frame in last] == [(b"abcd", False), (b"ef", True)]
    assert end.receivers[1].told == [("pause",), ("sent",)]
    assert end.session.waiting == 0


def test_streams_that_wait_for_the_connection_take_turns(server: Any) -> None:
    end = server(client_settings=[(frames.INITIAL_WINDOW_SIZE, 1 << 20)])
    end.answer = respond(b"x" * 100_000)
    for number in (1, 3, 5):
        end.hears_request(number)
    assert sum(len(frame.payload) for frame in end.take() if frame.kind == frames.DATA) == 65_535
    end.hears(frames.window_update(0, 100_000))
    turns = [frame.stream for frame in end.take()]
    assert turns[:6] == [1, 3, 5, 1, 3, 5]
    end.hears(frames.window_update(0, 1 << 20))
    assert end.session.waiting == 0


def test_a_stream_without_a_window_holds_up_no_other(server: Any) -> None:
    end = server(client_settings=[(frames.INITIAL_WINDOW_SIZE, 0)])
    end.answer = respond(b"x")
    end.hears_request(1)
    end.hears_request(3)
    end.take()
    end.hears(frames.window_update(3, 1))
    assert [(frame.stream, frame.ends) for frame in end.take()] == [(3, True)]


def test_a_changed_initial_window_counts_for_open_streams_and_may_be_negative(server: Any) -> None:
    end = server()
    end.answer = respond(b"x" * 60_000)
    end.hears_request()
    stream = end.streams[1]
    assert stream.closed
    end.answer = None
    end.hears_request(3)
    stream = end.streams[3]
    stream.send_headers(end.session.encoder.encode(OK))
    stream.send_data(b"y" * 1000)
    end.hears(frames.settings([(frames.INITIAL_WINDOW_SIZE, 500)]))
    assert stream.window == -500
    stream.send_data(b"z")
    end.take()
    end.hears(frames.settings([(frames.INITIAL_WINDOW_SIZE, 1001)]))
    assert [frame.payload for frame in end.take() if frame.kind == frames.DATA] == [b"z"]


def test_a_transport_that_is_full_makes_streams_wait_and_stops_the_reading_of_frames(server: Any) -> None:
    end = server()
    end.session.pause_writing()
    end.answer = respond(b"x" * 10)
    end.hears_request()
    assert end.requests == {}
    assert end.take() == []
    end.session.resume_writing()
    assert len(end.take()) == 2
    end.answer = None
    end.hears_request(3)
    end.session.pause_writing()
    end.streams[3].send_data(b"y")
    assert end.receivers[3].told == [("pause",)]
    end.session.resume_writing()
    assert end.receivers[3].told == [("pause",), ("resume",)]


def test_window_is_given_back_in_big_steps_and_only_for_what_was_taken(server: Any) -> None:
    end = server(stream_window=20_000, session_window=100_000)
    end.hears_request(end=False)
    for _ in range(9):
        end.hears(data(1, b"x" * 1000))
    assert end.take() == []
    end.hears(data(1, b"x" * 1000))
    assert [(frame.kind, frame.stream, frame.code) for frame in end.take()] == [(frames.WINDOW_UPDATE, 1, 10_000)]
    stream = end.streams[1]
    stream.pause()
    end.hears(data(1, b"y" * 16_000))
    end.hears(data(1, b"z" * 4_000))
    assert end.take() == []
    assert end.receivers[1].body == b"x" * 10_000
    end.hears(data(1, b"!"))
    assert end.receivers[1].told[-1] == ("gone", frames.FLOW_CONTROL_ERROR, False)


def test_what_came_while_paused_is_given_at_once_and_the_end_after_it(server: Any) -> None:
    end = server()
    end.hears_request(end=False)
    stream, notes = end.streams[1], end.receivers[1]
    stream.pause()
    end.hears(data(1, b"hel"), data(1, b"lo", True))
    assert notes.told == []
    stream.resume()
    assert notes.told == [("data", 5), ("ended", [])]


def test_the_connection_gets_its_window_back_for_streams_that_are_given_up(server: Any) -> None:
    end = server(stream_window=60_000, session_window=100_000)
    end.hears_request(end=False)
    end.streams[1].pause()
    for _ in range(4):
        end.hears(data(1, b"x" * 15_000))
    end.streams[1].reset()
    assert [(frame.kind, frame.stream) for frame in end.take()] == [(frames.RST_STREAM, 1), (frames.WINDOW_UPDATE, 0)]
    end.hears_request(3, end=False)
    for _ in range(4):
        end.hears(data(3, b"x" * 15_000))
    assert not end.closed


def test_data_for_a_stream_that_was_reset_here_are_ignored_and_credited(server: Any) -> None:
    end = server(stream_window=65_535, session_window=65_535)
    end.hears_request(end=False)
    end.streams[1].reset()
    end.take()
    for _ in range(20):
        end.hears(data(1, b"x" * 16_000))
    assert {(frame.kind, frame.stream) for frame in end.take()} == {(frames.WINDOW_UPDATE, 0)}


def test_many_small_frames_in_one_read_are_given_together(server: Any) -> None:
    end = server()
    end.hears_request(end=False)
    end.hears(b"".join(data(1, b"%d" % (number % 10)) for number in range(1000)))
    assert end.receivers[1].told == [("data", 1000)]


# going away


def test_going_away_takes_the_streams_that_came_before(server: Any) -> None:
    end = server()
    end.hears_request(1)
    end.session.announce_shut()
    end.hears_request(3)
    end.session.shut()
    assert [frame.payload[:4] for frame in end.take()] == [b"\x7f\xff\xff\xff", b"\0\0\0\x03"]
    end.hears_request(5, end=False)
    end.hears(data(5, b"x"))
    assert set(end.requests) == {1, 3}
    assert not end.closed
    for number in (1, 3):
        respond(b"ok")(end.streams[number])
    assert end.told == [("idle",)]


# towards servers


def test_a_client_asks_and_is_answered(client: Any, notes: Any) -> None:
    end, note = client(), notes()
    stream = end.session.request(REQUEST, note)
    stream.send_data(b"body")
    stream.end()
    assert [(frame.kind, frame.ends) for frame in end.take()] == [(1, False), (0, False), (0, True)]
    encode = end.encoder.encode
    end.hears(frames.headers(1, encode([(b":status", b"103"), (b"link", b"x")]), False))
    end.hears(frames.headers(1, encode([*OK, (b"x-a", b"1")]), False))
    end.hears(data(1, b"hello"), frames.headers(1, encode([(b"grpc-status", b"0")]), True))
    assert note.told == [
        ("interim", 103, [(b"link", b"x")]),
        ("answered", 200, [(b"x-a", b"1")], False),
        ("data", 5),
        ("ended", [(b"grpc-status", b"0")]),
    ]
    assert end.told == [("idle",)]


def test_answers_are_read_while_the_server_takes_no_more_of_a_request(client: Any, notes: Any) -> None:
    """Both would wait for each other, or this end would keep what it does not read."""
    end, slow, other = client(), notes(), notes()
    upload = end.session.request(REQUEST, slow)
    end.session.request(REQUEST, other, True)
    end.session.pause_writing()
    upload.send_data(b"x" * 1000)
    end.hears(frames.headers(3, end.encoder.encode(OK), False), data(3, b"ok", True))
    assert other.told == [("answered", 200, [], False), ("data", 2), ("ended", [])]
    assert slow.told == [("pause",)]
    end.session.resume_writing()
    assert slow.told == [("pause",), ("resume",)]


def test_streams_above_the_last_of_a_goaway_were_not_touched(client: Any, notes: Any) -> None:
    end, first, second = client(), notes(), notes()
    end.session.request(REQUEST, first, end=True)
    end.session.request(REQUEST, second, end=True)
    assert end.session.capacity == 98
    end.hears(frames.goaway(1, frames.NO_ERROR))
    assert first.told == []
    assert second.told == [("gone", frames.REFUSED_STREAM, True)]
    assert end.session.capacity == 0
    end.hears(frames.headers(1, end.encoder.encode(OK), True))
    assert first.told == [("answered", 200, [], True)]


@pytest.mark.parametrize(
    "frame",
    [
        frames.head(4 << 8 | frames.PUSH_PROMISE, 4, 1) + b"\0\0\0\2",
        frames.settings([(frames.ENABLE_PUSH, 1)]),
        frames.headers(2, b"\x88", True),
        frames.headers(3, b"\x88", True),
    ],
)
def test_what_no_server_may_send_ends_the_connection(client: Any, notes: Any, frame: bytes) -> None:
    end = client()
    end.session.request(REQUEST, notes(), end=True)
    end.hears(frame)
    assert end.told[-1][:2] == ("failed", frames.PROTOCOL_ERROR)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [(b"x-a", b"1")],
        [(b":status", b"20")],
        [(b":status", b"200"), (b":status", b"200")],
        [(b":status", b"200"), (b"X-A", b"1")],
        [(b":status", b"200"), (b"connection", b"close")],
        [(b":status", b"200"), (b"x-a", b"a\nb")],
        [(b":status", b"101")],
        [(b":status", b"103")],
    ],
)
def test_a_malformed_response_resets_its_stream(client: Any, notes: Any, answer: Any) -> None:
    end, note = client(), notes()
    end.session.request(REQUEST, note, end=True)
    end.hears(frames.headers(1, end.encoder.encode(answer), True))
    assert note.told == [("gone", frames.PROTOCOL_ERROR, False)]
    assert not end.closed


def test_data_before_the_head_of_a_response_resets_its_stream(client: Any, notes: Any) -> None:
    end, note = client(), notes()
    end.session.request(REQUEST, note, end=True)
    end.hears(data(1, b"x", True))
    assert note.told == [("gone", frames.PROTOCOL_ERROR, False)]


def test_a_lost_connection_gives_the_streams_that_were_open(client: Any, notes: Any) -> None:
    end = client()
    stream = end.session.request(REQUEST, notes(), end=True)
    assert end.session.lost() == [stream]
    assert stream.closed
    assert end.session.capacity == 0


# against the h2 library


class Pair:
    """Our session against the library's connection, bytes carried between them until both are silent."""

    def __init__(self, ours_is_client: bool) -> None:
        self.events: list[Any] = []
        self.bodies: dict[int, bytes] = {}
        self.receivers: dict[int, Any] = {}
        self.library = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=not ours_is_client, header_encoding=None)
        )
        self.library.initiate_connection()
        self.out = b""
        limits = SessionSettings(stream_window=20_000, session_window=65_535)
        self.session = Session(self, limits, client=ours_is_client, clock=lambda: 0.0)
        self.session.start()
        self.carry()

    def send(self, data: bytes) -> None:
        self.out += data

    def opened(self, stream: Stream, block: Any, ended: bool) -> None:
        stream.receiver = self.receivers[stream.id] = Echo(stream)

    def idle(self) -> None:
        pass

    def ready(self) -> None:
        pass

    def goaway(self, *what: Any) -> None:
        raise AssertionError(what)

    pong = failed = goaway

    def carry(self) -> None:
        while True:
            there, self.out = self.out, b""
            if there:
                for event in self.library.receive_data(there):
                    self.events.append(event)
                    if isinstance(event, h2.events.DataReceived):
                        self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
                        if event.flow_controlled_length:
                            self.library.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            here = self.library.data_to_send()
            if here:
                self.session.receive(here)
            if not there and not here:
                return


class Echo:
    """Answers with what it gets, trailers and all."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        stream.send_headers(stream.session.encoder.encode([*OK, (b"x-kind", b"echo")]))

    def gone(self, code: int, by_peer: bool) -> None: ...

    def data(self, chunk: bytes) -> None:
        self.stream.send_data(chunk)

    def ended(self, trailers: Any) -> None:
        self.stream.end(trailers)

    def pause(self) -> None:
        self.stream.pause()

    def resume(self) -> None:
        self.stream.resume()

    def sent(self) -> None:
        pass


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 40_000), max_size=4), min_size=1, max_size=6), st.integers(500, 70_000))
@example([[7922, 40_000], [12_441, 40_000, 40_000], [40_000, 1, 24_059], [], [40_000, 40_000], []], 500)
def test_bodies_of_all_sizes_pass_through_the_library_and_back(uploads: list[list[int]], window: int) -> None:
    pair = Pair(ours_is_client=False)
    pair.library.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1 + window})
    pair.carry()
    bodies = {}
    for number, sizes in enumerate(uploads):
        stream = number * 2 + 1
        bodies[stream] = b"".join(bytes([65 + number]) * size for size in sizes)
        pair.library.send_headers(stream, REQUEST)
    left = dict(bodies)
    before: dict[int, bytes] = {}
    while left:
        assert left != before, "nobody may send any more"
        before = dict(left)
        for stream, body in list(left.items()):
            most = min(pair.library.local_flow_control_window(stream), 16_384)
            if body and not most:
                continue
            pair.library.send_data(stream, body[:most])
            left[stream] = body[most:]
            if not left[stream]:
                pair.library.send_headers(stream, [(b"x-t", b"1")], end_stream=True)
                del left[stream]
        pair.carry()
    assert {stream: pair.bodies.get(stream, b"") for stream in bodies} == bodies
    ends = [event for event in pair.events if isinstance(event, h2.events.TrailersReceived)]
    assert len(ends) == len(bodies)
    assert not pair.session.streams
    assert pair.session.waiting == 0


def test_a_request_to_the_library_and_its_answer(notes: Any) -> None:
    pair, note = Pair(ours_is_client=True), notes()
    stream = pair.session.request([*REQUEST, (b"cookie", b"a=1")], note)
    stream.send_data(b"x" * 100_000)
    stream.end()
    pair.carry()
    assert len(pair.bodies[1]) == 100_000
    pair.library.send_headers(1, [(b":status", b"200"), (b"server", b"h2")])
    pair.library.send_data(1, b"y" * 16_000)
    pair.library.send_headers(1, [(b"grpc-status", b"0")], end_stream=True)
    pair.carry()
    assert [what for what in note.told if what[0] not in ("pause", "sent", "resume")] == [
        ("answered", 200, [(b"server", b"h2")], False),
        ("data", 16_000),
        ("ended", [(b"grpc-status", b"0")]),
    ]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 255), st.integers(0, 5), st.binary(max_size=20)), max_size=12))
def test_garbage_in_frames_ends_in_an_error_code_and_never_in_an_exception(pieces: Any) -> None:
    pair = Pair(ours_is_client=False)
    told = []
    pair.goaway = lambda *what: told.append(what)  # type: ignore[method-assign]
    pair.pong = pair.goaway  # type: ignore[method-assign]
    pair.failed = lambda *what: (told.append(what), pair.session.lost())  # type: ignore[method-assign, assignment]
    for kind, flags, number, payload in pieces:
        pair.session.receive(frames.head(len(payload) << 8 | kind, flags, number) + payload)
