"""HTTP/3 on an entry point: one UDP socket, and the connections whose datagrams come by it (RFC 9000).

A datagram belongs to the connection that has given out its connection ID. One that belongs to nobody may begin a connection;
what cannot is dropped. Since client addresses can be made up, beginnings are limited: above RETRY_ABOVE handshakes a client
must first show that it gets what is sent to its address (Retry, §8.1.2), above MAX_HANDSHAKES, or MAX_CONNECTIONS in all,
nobody new is let in. aioquic sends nobody more than three times what has come before it knows the address.

Each worker has a socket of its own, and the kernel sends what comes from one address always to the same one. A client whose
address changes may so end up with a worker that does not know it, and begins anew; with one worker it goes on.
"""

import logging
import os
import socket
import ssl
from typing import Any, Final
from weakref import WeakKeyDictionary

from aioquic._buffer import Buffer
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE
from aioquic.quic.packet import (
    QuicErrorCode,
    QuicHeader,
    QuicPacketType,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.retry import QuicRetryTokenHandler

from pointsman.message import Address, Link
from pointsman.net.hello import Hello
from pointsman.net.quic import Chosen, Identity, Refused, ServerConnection, groups_of, refusal, server_configuration
from pointsman.server.certificates import Pair
from pointsman.server.door import EMPTY_DOOR, Closed, Door, Terms
from pointsman.server.entry import Entry
from pointsman.server.http3 import Http3Protocol

log: Final = logging.getLogger("pointsman.server")

MAX_CONNECTIONS: Final = 4096
MAX_HANDSHAKES: Final = 512
RETRY_ABOVE: Final = 32
BATCH: Final = 64
"""Datagrams taken from the socket before others have their turn."""
SHORTEST_IDLE_SECONDS: Final = 30.0
"""Silence after which QUIC gives a connection up; clients are asked for signs of life more often."""
ID_BYTES: Final = 8
_DATAGRAM_BYTES: Final = 65_535

HANDSHAKE_FAILURE: Final = 40
PROTOCOL_VERSION: Final = 70
UNRECOGNIZED_NAME: Final = 112


class Http3Entry:
    """HTTP/3 of one entry point in one worker. `start` it, then `drain`, `close`; its connections are the entry's own."""

    def __init__(self, entry: Entry, listening: socket.socket) -> None:
        self.entry = entry
        self.loop = entry.loop
        self.dropped = 0
        """Datagrams that were nobody's, or could not be sent."""
        self.retried = 0
        """Clients that had to show their address first."""
        self.turned_away = 0
        """Clients that found too many others."""
        self._listening = listening
        self._local = Address(*listening.getsockname()[:2])
        self._connections: dict[bytes, Http3Protocol] = {}
        self._ids: dict[Http3Protocol, set[bytes]] = {}
        self._shaking = 0
        self._retry = QuicRetryTokenHandler()
        self._configuration = server_configuration(max(entry.settings.idle_timeout, SHORTEST_IDLE_SECONDS))
        self._identities: WeakKeyDictionary[Pair, Identity] = WeakKeyDictionary()
        self._buffer = bytearray(_DATAGRAM_BYTES)
        self._view = memoryview(self._buffer)
        self._draining = False

    @property
    def connections(self) -> int:
        """How many it holds."""
        return len(self._ids)

    def start(self) -> None:
        self._listening.setblocking(False)
        self.loop.add_reader(self._listening.fileno(), self._readable)

    def drain(self) -> None:
        """No new connections."""
        self._draining = True

    def close(self) -> None:
        """The end. Safe twice."""
        if self._listening.fileno() >= 0:
            self.loop.remove_reader(self._listening.fileno())
            self._listening.close()

    # datagrams

    def send(self, datagram: bytes, client: Any) -> None:
        try:
            self._listening.sendto(datagram, client)
        except OSError:  # lost, as far as QUIC is concerned
            self.dropped += 1

    def _readable(self) -> None:
        receive, buffer, view = self._listening.recvfrom_into, self._buffer, self._view
        touched: dict[Http3Protocol, None] = {}
        for _ in range(BATCH):
            try:
                size, client = receive(buffer)
            except BlockingIOError:
                break
            except OSError:  # of an answer that did not arrive
                continue
            datagram = bytes(view[:size])
            connection = self._of(datagram, client)
            if connection is None:
                self.dropped += 1
                continue
            connection.receive(datagram, client)
            if connection.quic.begun:
                touched[connection] = None
            else:  # it only looked like a beginning
                connection.forget_unbegun()
        for connection in touched:
            connection.flush()

    def _of(self, datagram: bytes, client: Any) -> Http3Protocol | None:
        """The connection that a datagram belongs to, if need be a new one."""
        if datagram and not datagram[0] & 0x80:  # a short header: the ID, and nothing to be read
            return self._connections.get(datagram[1 : 1 + ID_BYTES])
        try:
            header = pull_quic_header(Buffer(data=datagram), host_cid_length=ID_BYTES)
        except ValueError:
            return None
        connection = self._connections.get(header.destination_cid)
        if connection is not None or len(datagram) < SMALLEST_MAX_DATAGRAM_SIZE:
            return connection
        version = header.version
        if version is None or header.packet_type == QuicPacketType.VERSION_NEGOTIATION:
            return None
        if version not in self._configuration.supported_versions:
            self._negotiate_version(header, client)
            return None
        if header.packet_type != QuicPacketType.INITIAL or len(header.destination_cid) < ID_BYTES:
            return None
        return self._begin(header, version, datagram, client)

    def _negotiate_version(self, header: QuicHeader, client: Any) -> None:
        self.send(
            encode_quic_version_negotiation(
                source_cid=header.destination_cid,
                destination_cid=header.source_cid,
                supported_versions=self._configuration.supported_versions,
            ),
            client,
        )

    # connections

    def _begin(self, header: QuicHeader, version: int, datagram: bytes, client: Any) -> Http3Protocol | None:
        if self._draining or len(self._ids) >= MAX_CONNECTIONS or self._shaking >= MAX_HANDSHAKES:
            self.turned_away += 1
            code = int(QuicErrorCode.CONNECTION_REFUSED)
            self.send(refusal(version, header.destination_cid, header.source_cid, code), client)
            return None
        original, retried = header.destination_cid, None
        if header.token:
            try:
                original = self._retry.validate_token(
                    address=client, destination_cid=header.destination_cid, token=header.token, now=self.loop.time()
                )
            except ValueError:
                code = int(QuicErrorCode.INVALID_TOKEN)
                self.send(refusal(version, header.destination_cid, header.source_cid, code), client)
                return None
            retried = header.destination_cid
        elif self._shaking >= RETRY_ABOVE:
            self._ask_again(header, version, client)
            return None
        return self._connect(original, retried, header.destination_cid, client)

    def _ask_again(self, header: QuicHeader, version: int, client: Any) -> None:
        self.retried += 1
        source = os.urandom(ID_BYTES)
        token = self._retry.create_token(
            address=client,
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=source,
            now=self.loop.time(),
        )
        self.send(
            encode_quic_retry(
                version=version,
                source_cid=source,
                destination_cid=header.source_cid,
                original_destination_cid=header.destination_cid,
                retry_token=token,
            ),
            client,
        )

    def _connect(self, original: bytes, retried: bytes | None, first_id: bytes, client: Any) -> Http3Protocol:
        link = Link(Address(client[0], client[1]), self._local, b"https", self.entry.name)
        connection = Http3Protocol(self, link)
        connection.quic = quic = ServerConnection(
            self._configuration,
            original,
            retried,
            self.entry.settings.max_streams,
            lambda hello: self._choose(connection, hello),
        )
        self._shaking += 1
        self._ids[connection] = {first_id, quic.host_cid}
        self._connections[first_id] = self._connections[quic.host_cid] = connection
        return connection

    def issued(self, connection_id: bytes, connection: Http3Protocol) -> None:
        """The client may use another ID for a connection."""
        self._connections[connection_id] = connection
        self._ids[connection].add(connection_id)

    def retired(self, connection_id: bytes, connection: Http3Protocol) -> None:
        """The client uses an ID no more."""
        self._connections.pop(connection_id, None)
        self._ids[connection].discard(connection_id)

    def shaken(self, connection: Http3Protocol) -> None:
        """A handshake is over, well or not."""
        self._shaking -= 1

    def gone(self, connection: Http3Protocol) -> None:
        """A connection is over; what still comes for it is dropped."""
        for connection_id in self._ids.pop(connection, ()):
            self._connections.pop(connection_id, None)

    # whose certificate

    def _choose(self, connection: Http3Protocol, hello: Hello) -> Chosen:
        """What a client that has said whom it wants gets. Refused, as long as QUIC cannot keep what the options demand."""
        door: Door = self.entry.current.snapshot.doors.get(self.entry.name, EMPTY_DOOR)
        terms = door.choose_http3(hello.server_name)
        if isinstance(terms, Closed):
            raise Refused(HANDSHAKE_FAILURE)
        groups = _groups(terms)
        pair = door.pair_for(terms, hello.server_name or self._local.host.encode())
        if pair is None:
            raise Refused(UNRECOGNIZED_NAME)
        connection.terms = terms
        connection.server_name = hello.server_name
        return Chosen(self._identity(pair), groups)

    def _identity(self, pair: Pair) -> Identity:
        identity = self._identities.get(pair)
        if identity is None:
            try:
                identity = Identity.read(pair.certificate, pair.key)
            except ValueError:
                raise Refused(HANDSHAKE_FAILURE) from None
            self._identities[pair] = identity
        return identity

    def __repr__(self) -> str:
        return f"<Http3Entry {self.entry.name}, {len(self._ids)} connections>"


def _groups(terms: Terms) -> list[int]:
    """The groups that options allow, as aioquic has them. Refused where it cannot do what they demand.

    It asks for no certificates of clients; a client that has one is better off over TCP, where it is asked.
    """
    settings = terms.settings
    if settings.client_certificate != ssl.CERT_NONE or settings.any_client_certificate:
        raise Refused(HANDSHAKE_FAILURE)
    if settings.maximum and settings.maximum != "VersionTLS13":
        raise Refused(PROTOCOL_VERSION)
    groups = groups_of(settings.groups)
    if settings.groups and not groups:
        raise Refused(HANDSHAKE_FAILURE)
    return groups
