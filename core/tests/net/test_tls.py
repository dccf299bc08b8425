"""TLS between a wire and a protocol: what goes in comes out, in both directions, and every end is the right one."""

import asyncio
import ssl

import pytest
import trustme

from pointsman.net.tls import SLICE_BYTES, Agreement, Handshake, HandshakeFailure, TlsTransport

CA = trustme.CA()
CERTIFICATE = CA.issue_cert("a.example")
OTHER_CA = trustme.CA()
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def server_context(**settings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    CERTIFICATE.configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def client_context(version: ssl.TLSVersion | None = None, **settings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(context)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    for name, value in settings.items():
        setattr(context, name, value)
    return context


class Inner(asyncio.Protocol):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.received = b""
        self.pieces = 0
        self.said: list[str] = []
        self.error: Exception | None = None
        self.half_open = False
        self.pausing = False

    def connection_made(self, transport):
        self.transport = transport
        self.said.append("made")

    def data_received(self, data):
        assert data
        self.received += data
        self.pieces += 1
        if self.pausing:
            self.transport.pause_reading()

    def eof_received(self):
        self.said.append("eof")
        return self.half_open

    def pause_writing(self):
        self.said.append("pause")

    def resume_writing(self):
        self.said.append("resume")

    def connection_lost(self, error):
        self.said.append("lost")
        self.error = error


class Far:
    """The peer: OpenSSL in memory at the other end of the wire."""

    def __init__(self, wire, context, *, server_side=False, server_name="a.example"):
        self.wire = wire
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server_side else server_name
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side, name)
        self.alert: ssl.SSLError | None = None

    def shake(self) -> bytes:
        """Take what the gateway sent; what we say to it."""
        self.incoming.write(self.wire.take())
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.alert = error
        return self.outgoing.read()

    def read(self) -> bytes:
        """All that the gateway has sent; b"" behind it is its close_notify."""
        self.incoming.write(self.wire.take())
        pieces = []
        try:
            while True:
                pieces.append(self.tls.read(100_000))
                if not pieces[-1]:
                    self.ended = True
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        return b"".join(pieces)

    ended = False

    def say(self, data: bytes) -> bytes:
        """The records that carry it."""
        at = 0
        while at < len(data):
            at += self.tls.write(data[at:])
        return self.outgoing.read()

    def end(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self.outgoing.read()


class Pair:
    """A gateway's connection whose handshake is over, and its peer."""

    def __init__(self, wire, near, far, *, server_side=True):
        self.wire = wire
        self.inner = Inner()
        self.tls = TlsTransport(wire, near, server_side=server_side, server_name=None if server_side else "a.example")
        self.far = Far(wire, far, server_side=not server_side)
        if not server_side:
            assert not self.tls.shake()
        while not self.tls.shake(self.far.shake()):
            assert self.far.alert is None
        self.tls.hand_to(self.inner)
        assert wire.protocol is self.tls
        wire.receive(self.far.shake())

    def receive(self, data):
        self.wire.receive(data)


@pytest.fixture
def wire(wire_type):
    return lambda: wire_type(asyncio.get_running_loop())


@pytest.fixture(params=[(side, version) for side in (True, False) for version in VERSIONS], ids=str)
async def pair(request, wire):
    side, version = request.param
    contexts = (server_context(), client_context(version)) if side else (client_context(version), server_context())
    return Pair(wire(), *contexts, server_side=side)


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_bytes_go_both_ways(pair):
    pair.receive(pair.far.say(b"hello"))
    pair.tls.write(b"wel")
    pair.tls.writelines([b"co", b"me"])
    pair.tls.write(b"")
    assert pair.inner.received == b"hello"
    assert pair.far.read() == b"welcome"


async def test_what_comes_in_one_piece_is_delivered_in_one_piece_whatever_its_records(pair):
    data = b"".join(pair.far.say(b"%d," % number) for number in range(50)) + pair.far.say(b"x" * 40_000)
    pair.receive(data)
    assert pair.inner.pieces == 1
    assert len(pair.inner.received) == 40_000 + len(b"".join(b"%d," % number for number in range(50)))


async def test_bytes_one_at_a_time_make_the_same_plaintext(pair):
    data = pair.far.say(b"hello") + pair.far.say(b" world")
    for at in range(len(data)):
        pair.receive(data[at : at + 1])
    assert pair.inner.received == b"hello world"


async def test_what_comes_with_the_end_of_the_handshake_is_delivered(wire):
    raw, inner = wire(), Inner()
    tls = TlsTransport(raw, server_context(), server_side=True)
    far = Far(raw, client_context(ssl.TLSVersion.TLSv1_3))
    tls.shake(far.shake())
    assert tls.shake(far.shake() + far.say(b"early"))
    tls.hand_to(inner)
    assert inner.received == b"early"
    assert inner.said == ["made"]


async def test_a_big_write_is_encrypted_in_slices_as_the_wire_takes_them(pair):
    pair.wire.stick()
    data = bytes(range(256)) * 20_000

    pair.tls.write(data)
    pair.tls.write(b"the end")

    assert pair.inner.said == ["made", "pause"]
    assert pair.wire.buffered < SLICE_BYTES + 4096
    assert pair.tls.get_write_buffer_size() > len(data)
    received = pair.far.read()
    while pair.tls._held:
        pair.wire.flow()
        pair.wire.stick()
        received += pair.far.read()
    pair.wire.flow()
    assert received == data + b"the end"
    assert pair.inner.said == ["made", "pause", "resume"]
    pair.tls.write(b"more")
    assert pair.far.read() == b"more"


async def test_a_big_write_over_a_wire_that_takes_everything_needs_no_pause(pair):
    data = bytes(1_000_000)
    pair.tls.write(bytearray(data))
    assert pair.far.read() == data
    assert pair.inner.said == ["made"]


async def test_close_sends_what_is_held_first_then_close_notify(pair):
    pair.wire.stick()
    pair.tls.write(bytes(300_000))
    pair.tls.close()
    assert pair.tls.is_closing()
    assert not pair.wire.closing
    pair.tls.write(b"too late")
    received = b""
    while not pair.wire.lost:
        received += pair.far.read()
        pair.wire.flow()
        pair.wire.stick()
        await settle()
    received += pair.far.read()
    assert received == bytes(300_000)
    assert pair.far.ended
    assert pair.inner.said[-1] == "lost"
    assert pair.inner.error is None


async def test_abort_drops_what_is_held(pair):
    pair.wire.stick()
    pair.tls.write(bytes(300_000))
    pair.tls.abort()
    await settle()
    assert pair.wire.aborted
    assert pair.inner.said[-1] == "lost"
    assert pair.tls.get_write_buffer_size() == pair.wire.buffered


async def test_after_our_close_notify_the_peers_data_is_still_read(pair):
    early = pair.far.say(b"before")
    pair.receive(early[:7])  # a part of a record waits inside OpenSSL
    pair.tls.write(b"last words")
    pair.tls.write_eof()
    pair.tls.write_eof()
    pair.receive(early[7:])
    assert pair.far.read() == b"last words"
    assert pair.far.ended
    pair.receive(pair.far.say(b" and after"))
    pair.receive(pair.far.say(b" and on"))
    assert pair.inner.received == b"before and after and on"
    with pytest.raises(RuntimeError):
        pair.tls.write(b"more")
    pair.tls.close()
    await settle()
    assert pair.wire.lost


async def test_our_close_notify_is_not_lost_to_data_that_waits_to_be_read(pair):
    pair.tls.pause_reading()
    pair.tls._incoming.write(pair.far.say(b"unread"))
    pair.tls.write_eof()
    assert pair.far.read() == b""
    assert pair.far.ended
    pair.tls.resume_reading()
    await settle()
    assert pair.inner.received == b"unread"


async def test_write_eof_comes_behind_what_is_held(pair):
    pair.wire.stick()
    pair.tls.write(bytes(300_000))
    pair.tls.write_eof()
    received = b""
    while not pair.far.ended:
        received += pair.far.read()
        pair.wire.flow()
        pair.wire.stick()
    assert received == bytes(300_000)
    pair.receive(pair.far.say(b"thanks"))
    assert pair.inner.received == b"thanks"


async def test_the_peers_close_notify_is_an_end_of_file_and_we_may_answer_it(pair):
    pair.inner.half_open = True
    pair.receive(pair.far.say(b"question") + pair.far.end())
    assert pair.inner.said == ["made", "eof"]
    pair.receive(b"whatever")
    pair.wire.receive_eof()
    pair.tls.write(b"answer")
    assert not pair.wire.closing
    assert pair.far.read() == b"answer"
    pair.tls.close()
    await settle()
    assert pair.inner.said == ["made", "eof", "lost"]
    assert pair.inner.error is None


async def test_the_peers_close_notify_closes_if_nobody_keeps_it_open(pair):
    pair.receive(pair.far.end())
    await settle()
    assert pair.inner.said == ["made", "eof", "lost"]
    assert pair.far.read() == b""
    assert pair.far.ended


async def test_an_end_without_close_notify_is_an_error_and_no_end_of_file(pair):
    pair.receive(pair.far.say(b"some"))
    pair.wire.receive_eof()
    await settle()
    assert pair.inner.said == ["made", "lost"]
    assert isinstance(pair.inner.error, ConnectionResetError)


async def test_who_does_not_read_gets_nothing_until_it_reads_again(pair):
    pair.inner.pausing = True
    pair.receive(pair.far.say(b"one"))
    assert not pair.wire.reading
    pair.tls.data_received(pair.far.say(b"two") + pair.far.end())  # it was on its way
    assert pair.inner.received == b"one"
    pair.tls.resume_reading()
    await settle()
    assert pair.inner.received == b"onetwo"
    assert pair.inner.said == ["made"]
    pair.inner.pausing = False
    pair.tls.resume_reading()
    await settle()
    assert pair.inner.said == ["made", "eof", "lost"]


async def test_nothing_is_delivered_after_close(pair):
    pair.wire.stick()
    pair.tls.write(bytes(300_000))
    pair.tls.close()
    pair.receive(pair.far.say(b"late"))
    assert pair.inner.received == b""


async def test_what_is_no_record_ends_the_connection_with_an_alert(pair):
    pair.receive(b"\x17\x03\x03\x00\x20" + bytes(32))
    await settle()
    assert pair.inner.said == ["made", "lost"]
    assert isinstance(pair.inner.error, ssl.SSLError)
    with pytest.raises(ssl.SSLError, match="ALERT"):
        pair.far.read()


async def test_what_the_inner_protocol_raises_later_breaks_its_connection(pair):
    pair.tls.pause_reading()
    pair.tls.data_received(pair.far.say(b"x"))
    pair.inner.data_received = None
    pair.tls.resume_reading()
    await settle()
    assert pair.wire.aborted
    assert isinstance(pair.inner.error, TypeError)


async def test_another_protocol_may_take_over(pair):
    other = Inner()
    pair.tls.set_protocol(other)
    pair.receive(pair.far.say(b"for you"))
    assert pair.tls.get_protocol() is other
    assert (pair.inner.received, other.received) == (b"", b"for you")


async def test_a_peer_that_makes_us_talk_and_never_reads_is_cut_off(wire):
    pair = Pair(wire(), server_context(), client_context(ssl.TLSVersion.TLSv1_3))
    pair.wire.stick()
    pair.tls.write(bytes(100_000))
    pair.wire.buffered = 600_000
    pair.tls._outgoing.write(b"a key update")
    pair.receive(pair.far.say(b"x"))
    assert pair.wire.aborted


async def test_a_client_cannot_renegotiate(wire):
    pair = Pair(wire(), server_context(), client_context(ssl.TLSVersion.TLSv1_2))
    assert pair.tls._ssl.context.options & ssl.OP_NO_RENEGOTIATION


async def test_what_was_agreed_on_is_known(wire):
    context = client_context(ssl.TLSVersion.TLSv1_3)
    context.set_alpn_protocols(["http/1.1"])
    own = CA.issue_cert("client.example")
    own.configure_cert(context)
    near = server_context(verify_mode=ssl.CERT_OPTIONAL)
    CA.configure_trust(near)
    pair = Pair(wire(), near, context)

    agreed = pair.tls.agreement("strict@file", b"a.example")

    assert (agreed.options, agreed.server_name, agreed.alpn, agreed.version) == (
        "strict@file",
        b"a.example",
        b"http/1.1",
        "TLSv1.3",
    )
    assert agreed.cipher.startswith("TLS_")
    assert not agreed.resumed
    assert agreed.certificates()[0] == ssl.PEM_cert_to_DER_cert(own.cert_chain_pems[0].bytes().decode())
    assert pair.tls.get_extra_info("ssl_object") is pair.tls._ssl
    assert pair.tls.get_extra_info("peername") == ("192.0.2.7", 40000)


async def test_a_chain_is_told_after_the_certificate(wire):
    child = CA.create_child_ca()
    own = child.issue_cert("client.example")
    context = client_context()
    own.configure_cert(context)
    near = server_context(verify_mode=ssl.CERT_REQUIRED)
    CA.configure_trust(near)

    agreed = Pair(wire(), near, context).tls.agreement()

    ders = [ssl.PEM_cert_to_DER_cert(pem.bytes().decode()) for pem in own.cert_chain_pems]
    assert list(agreed.certificates()) == ders
    assert len(ders) == 2


async def test_a_client_without_a_certificate_shows_none(wire):
    assert Pair(wire(), server_context(), client_context()).tls.agreement().certificates() == ()


# failures


def failing(wire, near: ssl.SSLContext, far: ssl.SSLContext, *, server_side=True) -> tuple[str, Far]:
    """The class of the failure that both ends come to, and the far one."""
    tls = TlsTransport(wire, near, server_side=server_side, server_name=None if server_side else "a.example")
    end = Far(wire, far, server_side=not server_side)
    if not server_side:
        tls.shake()
    kind = ""
    while not kind:
        try:
            assert not tls.shake(end.shake())
        except HandshakeFailure as failure:
            kind = failure.kind
    end.shake()
    try:
        end.read()
    except ssl.SSLError as error:
        end.alert = error
    return kind, end


async def test_an_old_version_is_told_so(wire):
    kind, far = failing(
        wire(),
        server_context(minimum_version=ssl.TLSVersion.TLSv1_3),
        client_context(ssl.TLSVersion.TLSv1_2),
    )
    assert kind == "protocol_version"
    assert "PROTOCOL_VERSION" in str(far.alert)


async def test_no_common_cipher_is_told_so(wire):
    near, context = server_context(), client_context(ssl.TLSVersion.TLSv1_2)
    near.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    context.set_ciphers("ECDHE-RSA-AES256-GCM-SHA384")
    kind, far = failing(wire(), near, context)
    assert kind == "no_shared_cipher"
    assert "HANDSHAKE_FAILURE" in str(far.alert)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_missing_client_certificate_is_told_so(wire, version):
    near = server_context(verify_mode=ssl.CERT_REQUIRED)
    CA.configure_trust(near)
    kind, far = failing(wire(), near, client_context(version))
    assert kind == "certificate_required"
    assert ("CERTIFICATE_REQUIRED" if version == ssl.TLSVersion.TLSv1_3 else "HANDSHAKE_FAILURE") in str(far.alert)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_foreign_client_certificate_is_told_so(wire, version):
    near, context = server_context(verify_mode=ssl.CERT_REQUIRED), client_context(version)
    CA.configure_trust(near)
    OTHER_CA.issue_cert("client.example").configure_cert(context)
    kind, far = failing(wire(), near, context)
    assert kind == "unknown_ca"
    assert "UNKNOWN_CA" in str(far.alert)


async def test_what_the_client_holds_against_us_is_counted_as_its_alert(wire):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    OTHER_CA.configure_trust(context)
    kind, _ = failing(wire(), server_context(), context)
    assert kind == "alert_unknown_ca"


async def test_garbage_is_a_failure_like_any_other(wire):
    tls = TlsTransport(wire(), server_context(), server_side=True)
    with pytest.raises(HandshakeFailure):
        tls.shake(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")


async def test_a_server_of_another_name_is_not_believed(wire):
    near = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("b.example").configure_cert(near)
    kind, _ = failing(wire(), client_context(), near, server_side=False)
    assert kind == "wrong_name"


async def test_a_server_of_an_unknown_issuer_is_not_believed(wire):
    near = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    OTHER_CA.issue_cert("a.example").configure_cert(near)
    raw = wire()
    kind, far = failing(raw, client_context(), near, server_side=False)
    assert kind == "unknown_ca"
    assert "UNKNOWN_CA" in str(far.alert)


# the client's side


class Dialled:
    def __init__(self, wire, context):
        self.wire = wire
        self.inner = Inner()
        self.done = asyncio.get_running_loop().create_future()
        self.agreed: Agreement | None = None
        self.handshake = wire.protocol = Handshake(context, "a.example", self._choose, self.done)
        self.far = Far(wire, server_context(), server_side=True)
        self.handshake.connection_made(wire)

    def _choose(self, agreed):
        self.agreed = agreed
        return self.inner


async def test_a_dialled_connection_gets_the_protocol_for_what_was_agreed_on(wire):
    context = client_context()
    context.set_alpn_protocols(["h2"])
    dialled = Dialled(wire(), context)
    dialled.wire.receive(dialled.far.shake())
    dialled.wire.receive(dialled.far.shake() + dialled.far.say(b"hello"))
    assert await dialled.done is dialled.inner
    assert dialled.agreed.alpn == b"h2"
    assert dialled.inner.received == b"hello"


async def test_who_dialled_hears_of_the_failure(wire):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    OTHER_CA.configure_trust(context)
    dialled = Dialled(wire(), context)
    dialled.wire.receive(dialled.far.shake())
    with pytest.raises(HandshakeFailure, match="unknown_ca"):
        await dialled.done
    assert dialled.wire.closing


@pytest.mark.parametrize(("end", "kind"), [("receive_eof", "eof"), ("break_off", "eof")])
async def test_who_dialled_hears_of_an_early_end(wire, end, kind):
    dialled = Dialled(wire(), client_context())
    getattr(dialled.wire, end)()
    with pytest.raises(HandshakeFailure, match=kind):
        await dialled.done


async def test_who_does_not_wait_any_longer_leaves_no_connection(wire):
    dialled = Dialled(wire(), client_context())
    dialled.done.cancel()
    await settle()
    assert dialled.wire.aborted


async def test_a_protocol_that_cannot_be_made_is_heard_of(wire):
    dialled = Dialled(wire(), client_context())
    dialled.handshake._choose = lambda agreed: 1 / 0
    dialled.wire.receive(dialled.far.shake())
    with pytest.raises(ZeroDivisionError):
        await dialled.done


@pytest.mark.parametrize("way", ["write", "close"])
async def test_session_tickets_go_with_the_first_words(wire, way):
    pair = Pair(wire(), server_context(), client_context(ssl.TLSVersion.TLSv1_3))
    pair.receive(pair.far.say(b"question"))
    assert pair.wire.take() == b""
    assert not pair.far.tls.session.has_ticket
    pair.tls.write(b"answer") if way == "write" else pair.tls.close()
    assert len(pair.wire.writes) == 1
    pair.far.read()
    assert pair.far.tls.session.has_ticket
