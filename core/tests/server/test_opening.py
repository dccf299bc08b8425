"""What becomes of a new connection: who takes it, on whose certificate, and how it ends when nobody does."""

import asyncio
import logging
import ssl

import pytest
import trustme
from attrs import define

from pointsman.message import Address, Facts, Response
from pointsman.net.proxyheader import build
from pointsman.net.tls import TlsTransport
from pointsman.routing.snapshot import Route, Snapshot
from pointsman.routing.table import Entry as Row
from pointsman.routing.table import RouteTable
from pointsman.server import opening
from pointsman.server.door import CLOSED, Door
from pointsman.server.opening import Opening

CA = trustme.CA()
GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
POSTGRES = bytes.fromhex("0000000804d2162f")


class Pair:
    def __init__(self, *names: str) -> None:
        self.names = tuple(name.encode() for name in names)
        self.certificate = CA.issue_cert(*names)


class Terms:
    def __init__(self, name="default", *, sni_strict=False, alpn=(b"http/1.1",), **settings) -> None:
        self.name = name
        self.alpn = alpn
        self.sni_strict = sni_strict
        self.settings = settings
        self.lapsed = False

    def context_for(self, pair: Pair) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        pair.certificate.configure_cert(context)
        CA.configure_trust(context)
        context.set_alpn_protocols([name.decode() for name in self.alpn])
        for name, value in self.settings.items():
            setattr(context, name, value)
        return context


class Certificates:
    def __init__(self, *pairs: Pair) -> None:
        self.pairs = {name: pair for pair in pairs for name in pair.names}
        self.default = Pair("default.example")

    def find(self, name: bytes) -> Pair | None:
        return self.pairs.get(name)


class Hosts:
    def __init__(self, *, catch_all=False, **hosts) -> None:
        self.hosts = {name.encode(): terms for name, terms in hosts.items()}
        self.catch_all = catch_all

    def find(self, name: bytes):
        return self.hosts.get(name)


@define
class TcpRoute:
    name: str = "t@file"
    passthrough: bool = False
    terms: Terms | None = None
    open: int = 0
    admits: bool = True

    def admit(self, link):
        self.open += 1
        return self._release if self.admits else None

    def _release(self) -> None:
        self.open -= 1


class Table:
    def __init__(self, route: TcpRoute, name: bytes | None = None) -> None:
        self.route = route
        self.name = name

    def match(self, facts: Facts) -> TcpRoute | None:
        return self.route if self.name in (None, facts.server_name) else None

    def __len__(self) -> int:
        return 1


class Broken(Table):
    def match(self, facts: Facts):
        raise RuntimeError("a matcher of somebody's")


class TcpTaken(asyncio.Protocol):
    """In the place of TcpProtocol."""

    def __init__(self, entry, link, route, release, ssl_request) -> None:
        self.entry, self.link, self.route, self.release, self.ssl_request = entry, link, route, release, ssl_request
        self.deadline = float("inf")
        self.received = b""

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.entry.opened(self)

    def data_received(self, data) -> None:
        self.received += data

    def connection_lost(self, error) -> None:
        self.release()
        self.entry.closed(self)

    def shut_when_idle(self) -> None:
        pass


class Client:
    """Who connects: a wire, and OpenSSL behind it."""

    def __init__(self, wire) -> None:
        self.wire = wire
        self.alert = ""

    def hello(
        self, name: str | None = "a.example", version: ssl.TLSVersion | None = None, alpn=(), certificate=None
    ) -> bytes:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        CA.configure_trust(context)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if certificate is not None:
            certificate.configure_cert(context)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        return self.step()

    def step(self) -> bytes:
        self.incoming.write(self.wire.take())
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.alert = str(error)
        return self.outgoing.read()

    def shake(self, name: str | None = "a.example", **settings) -> "Client":
        """As far as the gateway goes along."""
        data = self.hello(name, **settings)
        while data and not self.wire.closing:
            self.wire.receive(data)
            data = self.step()
        return self

    @property
    def names(self) -> list[str]:
        return [value for _, value in self.tls.getpeercert()["subjectAltName"]]

    async def ask(self, data: bytes = GET) -> bytes:
        self.tls.write(data)
        self.wire.receive(self.outgoing.read())
        return await self.read()

    async def read(self) -> bytes:
        for _ in range(12):
            await asyncio.sleep(0)
        self.incoming.write(self.wire.take())
        try:
            return self.tls.read(100_000)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError as error:
            self.alert = str(error)
            return b""


class Gate:
    def __init__(self, house, wire_type) -> None:
        self.house = house
        self.wire_type = wire_type

    def set_up(self, door: Door | None, *, tls_options: str = "default", **settings) -> None:
        self.house.set_up(**settings)
        plain = self.house.snapshot.tables["web"]
        secure = RouteTable.build([_row(self.house, tls_options)])
        snapshot = Snapshot({"web": plain}, secure={"web": secure}, doors={} if door is None else {"web": door})
        self.house.entry.current.snapshot = self.house.snapshot = snapshot
        self.entry = self.house.entry

    def connect(self) -> Client:
        wire = self.wire_type(self.house.loop)
        wire.protocol = Opening(self.entry)
        wire.protocol.connection_made(wire)
        return Client(wire)


def _row(house, tls_options: str) -> Row:
    from pointsman.builtin.matchers import MATCHERS
    from pointsman.routing import rules
    from pointsman.routing.ranking import rank

    rule = rules.parse("Host(`a.example`)", {matcher.name: matcher for matcher in MATCHERS})
    route = Route("s@file", "s@file", lambda request: Response.plain(200, b"secure"), tls_options)
    return Row("s@file", rule, rank(0, rule, 0, "s@file"), route)


@pytest.fixture
def gate(house, wire_type, monkeypatch) -> Gate:
    monkeypatch.setattr(
        opening,
        "TcpProtocol",
        lambda entry, link, route, release, ssl_request=False: TcpTaken(entry, link, route, release, ssl_request),
    )
    return Gate(house, wire_type)


def https(**terms) -> Door:
    return Door(
        https=Hosts(**{"a.example": Terms(**terms)}),
        default=Terms(),
        certificates=Certificates(Pair("a.example"), Pair("192.0.2.1")),
        has_https=True,
    )


# plaintext


async def test_plaintext_goes_to_http(gate):
    gate.set_up(None)
    client = gate.connect()
    client.wire.receive(GET)
    await gate.house.settle()
    assert gate.house.server.sent.startswith(b"GET / HTTP/1.1")
    assert type(client.wire.protocol).__name__ == "Http1Protocol"
    assert len(gate.entry.connections) == 1


async def test_a_request_in_pieces_is_one_request(gate):
    gate.set_up(None)
    client = gate.connect()
    for byte in GET:
        client.wire.receive(bytes([byte]))
    await gate.house.settle()
    assert gate.house.server.sent.startswith(b"GET / HTTP/1.1")


async def test_a_method_that_begins_like_the_preface_of_http2_is_a_method(gate):
    gate.set_up(None)
    client = gate.connect()
    client.wire.receive(b"PR")
    client.wire.receive(GET.replace(b"GET", b"OPFIND", 1))
    await gate.house.settle()
    assert gate.house.server.sent.startswith(b"PROPFIND / HTTP/1.1")


async def test_a_silent_client_is_closed_after_the_read_timeout(gate):
    gate.set_up(https(), read_timeout=60)
    client = gate.connect()
    await gate.house.advance(59)
    gate.house.deadlines._sweep(gate.house.loop)
    assert not client.wire.closing
    await gate.house.advance(2)
    gate.house.deadlines._sweep(gate.house.loop)
    await gate.house.settle()
    assert client.wire.lost
    assert client.wire.sent == b""
    assert not gate.entry.connections


async def test_plaintext_tcp_routers_come_before_http_where_there_is_tls_too(gate):
    route = TcpRoute()
    gate.set_up(Door(plain=Table(route), has_https=True))
    client = gate.connect()
    assert type(client.wire.protocol) is Opening
    client.wire.receive(GET)
    assert client.wire.protocol.received == GET
    assert route.open == 1
    client.wire.break_off()
    assert route.open == 0
    assert not gate.entry.connections


@pytest.mark.parametrize("admits", [True, False])
async def test_where_only_plain_tcp_routers_are_nothing_is_waited_for(gate, admits):
    route = TcpRoute(admits=admits)
    gate.set_up(Door(plain=Table(route)))
    client = gate.connect()
    if admits:
        assert type(client.wire.protocol) is TcpTaken
    else:
        assert client.wire.closing


async def test_a_matcher_that_breaks_closes_its_connection(gate, caplog):
    gate.set_up(Door(plain=Broken(TcpRoute()), has_https=True))
    client = gate.connect()
    client.wire.receive(GET)
    await gate.house.settle()
    assert client.wire.aborted
    assert not gate.entry.connections
    assert "a matcher of somebody's" in caplog.text


# behind a balancer

PROXIED = b"PROXY TCP4 198.51.100.7 198.51.100.1 4711 443\r\n"


@pytest.mark.parametrize(("believed", "client"), [(True, "198.51.100.7:4711"), (False, "192.0.2.7:40000")])
@pytest.mark.parametrize("size", [1, 1000])
async def test_a_proxy_header_is_taken_off_and_believed_if_the_peer_is(gate, believed, client, size):
    gate.set_up(https(), proxy_protocol=True, proxy_trust_all=believed)
    end = gate.connect()
    data = PROXIED + GET
    for at in range(0, len(data), size):
        end.wire.receive(data[at : at + size])
    assert str(end.wire.protocol.link.client) == client
    assert str(end.wire.protocol.link.local) == ("198.51.100.1:443" if believed else "192.0.2.1:8000")
    await gate.house.settle()
    assert gate.house.server.sent.startswith(b"GET / ")


async def test_without_a_proxy_header_the_peer_is_the_client(gate):
    gate.set_up(https(), proxy_protocol=True, proxy_trust_all=True)
    client = gate.connect().shake()
    assert (await client.ask()).endswith(b"secure")
    assert str(client.wire.protocol.get_protocol().link.client) == "192.0.2.7:40000"


async def test_a_malformed_proxy_header_closes(gate):
    gate.set_up(https(), proxy_protocol=True, proxy_trust_all=True)
    client = gate.connect()
    client.wire.receive(b"PROXY TCP4 nobody\r\n" + GET)
    assert client.wire.closing
    assert client.wire.sent == b""


async def test_where_only_plain_tcp_routers_are_a_proxy_header_still_comes_first(gate):
    gate.set_up(Door(plain=Table(TcpRoute())), proxy_protocol=True, proxy_trust_all=True)
    client = gate.connect()
    assert type(client.wire.protocol) is Opening
    client.wire.receive(PROXIED)
    assert str(client.wire.protocol.link.client) == "198.51.100.7:4711"
    assert client.wire.protocol.received == b""


# TLS


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_https_is_served_on_the_certificate_for_the_name(gate, version):
    gate.set_up(https())
    client = gate.connect().shake(version=version, alpn=("http/1.1",))
    assert (await client.ask()).endswith(b"secure")
    assert client.names == ["a.example"]
    assert client.tls.selected_alpn_protocol() == "http/1.1"
    link = client.wire.protocol.get_protocol().link
    assert (link.scheme, link.tls.options, link.tls.server_name) == (b"https", "default", b"a.example")
    assert len(gate.entry.connections) == 1


async def test_a_hello_in_single_bytes_is_taken_too(gate):
    gate.set_up(https())
    client = gate.connect()
    for byte in client.hello():
        client.wire.receive(bytes([byte]))
    client.wire.receive(client.step())
    assert (await client.ask()).endswith(b"secure")


async def test_a_request_that_comes_with_the_end_of_the_handshake_is_answered(gate):
    gate.set_up(https())
    client = gate.connect()
    client.wire.receive(client.hello())
    finished = client.step()
    client.tls.write(GET)
    client.wire.receive(finished + client.outgoing.read())
    assert (await client.read()).endswith(b"secure")


@pytest.mark.parametrize(("name", "shown"), [("b.example", "default.example"), (None, "192.0.2.1")])
async def test_an_unknown_name_gets_the_default_certificate_and_no_name_that_of_the_address(gate, name, shown):
    gate.set_up(https())
    client = gate.connect().shake(name)
    assert client.names == [shown]
    assert b"404" in await client.ask(GET.replace(b"a.ex", b"b.ex"))


async def test_where_names_are_strict_an_unknown_one_is_unrecognized(gate):
    door = https()
    door.default.sni_strict = True
    gate.set_up(door)
    client = gate.connect().shake("b.example")
    assert "UNRECOGNIZED_NAME" in client.alert
    assert gate.entry.handshake_failures == {"unrecognized_name": 1}
    assert client.wire.eof
    assert not gate.connect().shake("a.example").alert


async def test_protocols_that_nobody_speaks_are_refused(gate):
    gate.set_up(https())
    client = gate.connect().shake(alpn=("smtp",))
    assert "alert no application protocol" in client.alert
    assert gate.entry.handshake_failures == {"no_application_protocol": 1}


async def test_a_challenge_that_nobody_set_is_unrecognized(gate):
    gate.set_up(https(alpn=(b"http/1.1", b"acme-tls/1")))
    assert "UNRECOGNIZED_NAME" in gate.connect().shake(alpn=("acme-tls/1",)).alert


async def test_whoever_offers_other_protocols_beside_that_of_challenges_is_served(gate):
    gate.set_up(https(alpn=(b"http/1.1", b"acme-tls/1")))
    client = gate.connect().shake(alpn=("acme-tls/1", "http/1.1"))
    assert not client.alert
    assert client.tls.selected_alpn_protocol() == "http/1.1"
    assert "alert no application protocol" in gate.connect().shake(alpn=("acme-tls/1", "smtp")).alert


async def test_broken_options_close_without_an_alert(gate):
    gate.set_up(Door(https=Hosts(**{"a.example": CLOSED}), default=Terms(), certificates=Certificates(), has_https=True))
    client = gate.connect()
    client.wire.receive(client.hello())
    assert client.wire.closing
    assert client.wire.sent == b""
    await gate.house.settle()
    assert not gate.entry.connections


async def test_where_there_is_no_tls_at_all_a_hello_closes(gate):
    gate.set_up(None)
    client = gate.connect()
    client.wire.receive(client.hello())
    assert client.wire.closing
    assert client.wire.sent == b""


async def test_a_router_with_other_options_than_the_connections_is_misdirected(gate):
    gate.set_up(https(name="strict@file"), tls_options="default")
    client = gate.connect().shake()
    answer = await client.ask()
    assert answer.startswith(b"HTTP/1.1 421 ")
    assert answer.endswith(b"Misdirected Request\n")


async def test_a_failed_handshake_sends_its_alert_and_reads_on_until_it_was_read(gate):
    gate.set_up(https(minimum_version=ssl.TLSVersion.TLSv1_3))
    client = gate.connect().shake(version=ssl.TLSVersion.TLSv1_2)
    assert "PROTOCOL_VERSION" in client.alert
    assert gate.entry.handshake_failures == {"protocol_version": 1}
    assert client.wire.eof
    assert not client.wire.closing
    client.wire.receive(b"more")
    client.wire.receive_eof()
    await gate.house.settle()
    assert client.wire.lost
    assert not gate.entry.connections


async def test_a_client_without_the_certificate_that_is_required_is_told(gate):
    gate.set_up(https(verify_mode=ssl.CERT_REQUIRED))
    client = gate.connect().shake()
    await client.read()
    assert "CERTIFICATE_REQUIRED" in client.alert
    assert gate.entry.handshake_failures == {"certificate_required": 1}
    certificate = CA.issue_cert("client.example")
    client = gate.connect().shake(certificate=certificate)
    assert (await client.ask()).endswith(b"secure")
    assert client.wire.protocol.get_protocol().link.tls.certificates()


async def test_after_an_alert_the_client_has_two_seconds_and_some_bytes(gate):
    gate.set_up(https())
    client = gate.connect().shake(alpn=("smtp",))
    for _ in range(5):
        client.wire.offer(bytes(60_000))
    assert client.wire.aborted
    client = gate.connect().shake(alpn=("smtp",))
    await gate.house.advance(2.1)
    gate.house.deadlines._sweep(gate.house.loop)
    assert client.wire.aborted


async def test_a_handshake_that_stands_still_is_closed_after_ten_seconds(gate):
    gate.set_up(https(), read_timeout=60)
    half, stuck = gate.connect(), gate.connect()
    half.wire.receive(half.hello()[:50])
    stuck.wire.receive(stuck.hello())
    await gate.house.advance(9)
    gate.house.deadlines._sweep(gate.house.loop)
    assert not half.wire.closing
    assert not stuck.wire.closing
    await gate.house.advance(1.1)
    gate.house.deadlines._sweep(gate.house.loop)
    assert half.wire.closing
    assert stuck.wire.closing
    assert gate.entry.handshake_failures == {"timeout": 2}


async def test_what_begins_like_tls_and_is_not_gets_an_alert(gate):
    gate.set_up(https())
    client = gate.connect()
    client.wire.receive(b"\x16\x03\x01\x00\x04\x02\x00\x00\x00")
    assert client.wire.sent == bytes((21, 3, 3, 0, 2, 2, 50))


async def test_a_client_that_goes_away_in_the_middle_is_counted(gate):
    gate.set_up(https())
    client = gate.connect()
    client.wire.receive(client.hello())
    client.wire.receive_eof()
    await gate.house.settle()
    assert gate.entry.handshake_failures == {"eof": 1}
    assert not gate.entry.connections


async def test_failures_are_said_once_a_minute_with_their_number(gate, caplog):
    gate.set_up(https())
    caplog.set_level(logging.WARNING, "pointsman.server")
    for _ in range(3):
        gate.connect().shake(alpn=("smtp",))
    assert [record.getMessage() for record in caplog.records] == [
        "entry point web: TLS handshake failed: no_application_protocol (the client speaks none of the ALPN protocols), "
        "last from 192.0.2.7:40000"
    ]
    await gate.house.advance(61)
    gate.connect().shake(alpn=("smtp",))
    assert caplog.records[-1].getMessage().endswith("; 3 since the last such line")


async def test_draining_waits_for_handshakes_and_closes_what_is_idle(gate):
    gate.set_up(https())
    idle, busy = gate.connect(), gate.connect()
    busy.wire.receive(busy.hello())
    gate.entry.drain()
    await gate.house.settle()
    assert idle.wire.lost
    busy.wire.receive(busy.step())
    await gate.house.settle()
    assert busy.wire.lost
    assert gate.entry.empty.is_set()


async def test_the_grace_time_cuts_openings_and_tls_connections(gate):
    gate.set_up(https())
    shaking, open_ = gate.connect(), gate.connect().shake()
    shaking.wire.receive(shaking.hello())
    gate.entry.cut()
    await gate.house.settle()
    assert shaking.wire.aborted
    assert open_.wire.aborted
    assert not gate.entry.connections


# TCP routers with TLS


async def test_a_terminating_router_gets_the_plaintext(gate):
    route = TcpRoute(terms=Terms("tcp@file"))
    gate.set_up(Door(secure=Table(route), default=Terms(), certificates=Certificates(Pair("a.example"))))
    client = gate.connect().shake()
    await client.ask(b"hello")
    taken = client.wire.protocol.get_protocol()
    assert type(client.wire.protocol) is TlsTransport
    assert taken.received == b"hello"
    assert taken.link.tls.options == "tcp@file"
    assert client.names == ["a.example"]
    assert route.open == 1


async def test_a_router_that_passes_through_gets_the_hello_untouched(gate):
    route = TcpRoute(passthrough=True)
    gate.set_up(Door(secure=Table(route)))
    client = gate.connect()
    hello = client.hello()
    client.wire.receive(hello[:30])
    client.wire.receive(hello[30:])
    assert client.wire.protocol.received == hello
    assert not client.wire.protocol.ssl_request


async def test_what_a_middleware_gave_is_released_when_the_handshake_fails(gate):
    route = TcpRoute(terms=Terms())
    gate.set_up(Door(secure=Table(route), default=Terms(), certificates=Certificates()))
    client = gate.connect().shake(alpn=("smtp",))
    assert client.alert
    client.wire.receive_eof()
    await gate.house.settle()
    assert route.open == 0


async def test_a_router_with_broken_options_closes_without_an_alert(gate):
    gate.set_up(Door(secure=Table(TcpRoute(terms=None)), default=Terms(), certificates=Certificates()))
    client = gate.connect()
    client.wire.receive(client.hello())
    assert client.wire.closing
    assert client.wire.sent == b""


def test_https_and_tcp_routers_are_asked_in_the_order_of_the_dialect():
    named, any_, default, host = TcpRoute("named"), TcpRoute("any"), Terms(), Terms("host")
    facts = Facts(None, None, b"a.example")  # type: ignore[arg-type]

    def chosen(**parts):
        return Door(default=default, **parts).choose(facts)

    tcp = {"secure": Table(named), "secure_catch_all": Table(any_)}
    assert chosen(https=Hosts(**{"a.example": host}), **tcp) is host
    assert chosen(https=Hosts(**{"b.example": host}, catch_all=True), **tcp) is named
    assert chosen(https=Hosts(catch_all=True), secure_catch_all=Table(any_)) is default
    assert chosen(https=Hosts(), secure_catch_all=Table(any_)) is any_
    assert chosen() is default
    assert Door(https=Hosts(**{"a.example": host})).choose_tcp(facts) is None
    assert Door(**tcp).choose_tcp(facts) is named


# Postgres


def postgres(route: TcpRoute) -> Door:
    return Door(
        https=Hosts(**{"a.example": Terms()}),
        secure=Table(route, b"db.example"),
        default=Terms(),
        certificates=Certificates(Pair("db.example")),
        has_https=True,
    )


@pytest.mark.parametrize("pieces", [1, 8])
async def test_postgres_behind_a_terminating_router_speaks_plaintext_to_its_server(gate, pieces):
    gate.set_up(postgres(TcpRoute(terms=Terms("pg@file"))))
    client = gate.connect()
    size = 8 // pieces
    for at in range(0, 8, size):
        assert client.wire.take() == b""
        client.wire.receive(POSTGRES[at : at + size])
    assert client.wire.take() == b"S"
    client.shake("db.example")
    await client.ask(b"startup")
    taken = client.wire.protocol.get_protocol()
    assert taken.received == b"startup"
    assert not taken.ssl_request


async def test_postgres_behind_a_router_that_passes_through_is_told_to_ask_its_server(gate):
    gate.set_up(postgres(TcpRoute(passthrough=True)))
    client = gate.connect()
    client.wire.receive(POSTGRES)
    client.wire.take()
    hello = client.hello("db.example")
    client.wire.receive(hello)
    assert client.wire.protocol.received == hello
    assert client.wire.protocol.ssl_request


async def test_postgres_asking_for_a_name_that_no_tcp_router_has_is_closed(gate):
    gate.set_up(postgres(TcpRoute(terms=Terms())))
    client = gate.connect()
    client.wire.receive(POSTGRES)
    assert client.wire.take() == b"S"
    client.wire.receive(client.hello("a.example"))
    assert client.wire.closing
    assert client.wire.sent == b""


@pytest.mark.parametrize("data", [POSTGRES + b"\x00\x00\x00\x09", POSTGRES])
async def test_postgres_in_clear_behind_the_request_for_tls_is_closed(gate, data):
    gate.set_up(postgres(TcpRoute(terms=Terms())))
    client = gate.connect()
    client.wire.receive(data)
    client.wire.offer(b"\x00\x00\x00\x09")
    assert client.wire.closing


async def test_what_only_begins_like_postgres_is_plaintext(gate):
    gate.set_up(https())
    client = gate.connect()
    client.wire.receive(POSTGRES[:5])
    client.wire.receive(b"\r\n\r\n")
    assert client.wire.sent.startswith(b"HTTP/1.1 400 ")


# PROXY headers

HEADER = b"PROXY TCP4 198.51.100.9 203.0.113.1 1234 443\r\n"


def here(request):
    return Response.plain(200)


BELIEVED = {"proxy_protocol": True, "proxy_trust_all": True}


@pytest.mark.parametrize("header", [HEADER, build(2, Address("198.51.100.9", 1234), Address("203.0.113.1", 443))])
async def test_a_header_and_what_follows_mean_the_same_however_they_are_cut(gate, splits, header):
    for pieces in splits(header + GET):
        gate.set_up(None, handler=here, **BELIEVED)
        client = gate.connect()
        for piece in pieces:
            client.wire.receive(piece)
        link = client.wire.protocol.link
        assert (str(link.client), str(link.local)) == ("198.51.100.9:1234", "203.0.113.1:443")
        assert (await read(client)).startswith(b"HTTP/1.1 200")


async def test_a_header_is_no_header_where_none_is_expected(gate):
    gate.set_up(None)
    client = gate.connect()
    client.wire.receive(HEADER + GET)
    assert (await read(client)).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("settings", [{"proxy_protocol": True}, BELIEVED])
async def test_a_malformed_header_closes_whoever_sent_it_and_is_counted(gate, settings, caplog):
    gate.set_up(None, **settings)
    for _ in range(3):
        client = gate.connect()
        client.wire.receive(b"PROXY TCP4 nobody\r\n" + GET)
        assert client.wire.closing
        assert client.wire.take() == b""
    assert gate.entry.refused_proxy_headers == {"not a line of version 1": 3}
    assert caplog.text.count("PROXY header refused: not a line of version 1, last from 192.0.2.7") == 1


async def test_a_header_that_does_not_end_is_closed_in_time(gate):
    gate.set_up(None, **BELIEVED, read_timeout=5.0)
    silent, halfway = gate.connect(), gate.connect()
    halfway.wire.receive(HEADER[:20])
    await gate.house.clock.advance(5.1)
    assert silent.wire.closing
    assert halfway.wire.closing
    assert not gate.entry.connections


async def test_the_handshake_follows_the_header_and_the_certificate_is_for_its_address(gate):
    gate.set_up(https(), **BELIEVED)
    client = gate.connect()
    client.wire.receive(b"PROXY TCP4 198.51.100.9 192.0.2.1 1 443\r\n")
    client.shake(None)
    assert client.names == ["192.0.2.1"]


async def test_plain_tcp_routers_are_asked_for_the_client_that_the_header_names(gate):
    seen = []

    class Asked(Table):
        def match(self, facts):
            seen.append(str(facts.client))
            return super().match(facts)

    route = TcpRoute()
    gate.set_up(Door(plain=Asked(route)), **BELIEVED)
    client = gate.connect()
    assert (route.open, seen) == (0, []), "it is not known who that is"
    client.wire.receive(HEADER + b"hello")
    assert (route.open, seen) == (1, ["198.51.100.9:1234"])
    assert client.wire.protocol.received == b"hello"
    assert str(client.wire.protocol.link.client) == "198.51.100.9:1234"


async def test_who_has_not_sent_a_header_does_not_hold_a_stop(gate):
    gate.set_up(None, **BELIEVED)
    silent = gate.connect()
    gate.entry.drain()
    assert silent.wire.closing


async def read(client):
    for _ in range(12):
        await asyncio.sleep(0)
    return client.wire.take()
