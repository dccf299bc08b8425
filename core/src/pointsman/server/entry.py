"""An entry point at run time: its settings, the snapshot in force, and the connections it holds."""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection
from typing import Final, Protocol

from pointsman.deadlines import Deadlines, Watched
from pointsman.http2.contract import SessionSettings
from pointsman.message import Address, Link
from pointsman.net.tls import MEANINGS
from pointsman.routing.snapshot import Current
from pointsman.server.settings import HEAD_GRACE, EntrySettings

log = logging.getLogger("pointsman.server")
FAILURE_LOG_SECONDS: Final = 60.0


class Connection(Watched, Protocol):
    link: Link

    def shut_when_idle(self) -> None: ...

    @property
    def transport(self) -> asyncio.Transport: ...


class Entry:
    """One entry point in one worker."""

    def __init__(
        self,
        settings: EntrySettings,
        current: Current,
        deadlines: Deadlines,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.settings = settings
        self.name = settings.name
        self.current = current
        self.deadlines = deadlines
        self.loop = loop
        self.head_limit = settings.max_header_bytes + HEAD_GRACE
        self.http2 = SessionSettings(
            max_streams=settings.max_streams,
            header_limit=self.head_limit,
            decoder_table=settings.decoder_table,
            encoder_table=settings.encoder_table,
            connect_protocol=True,
        )
        self.connections: set[Connection] = set()
        self.draining = False
        self.limited = settings.keep_alive_max_requests > 0 or settings.keep_alive_max_time > 0
        """Whether a connection may have to close although its client would keep it."""
        self.empty = asyncio.Event()
        """Set when draining is done."""
        self.accepted = 0
        self.refused = 0
        self.calmed = 0
        """HTTP/2 connections ended because their client had work done for nothing."""
        self.ambiguous = 0
        self.handshake_failures: Counter[str] = Counter()
        """By class: `no_shared_cipher`, `timeout`, `alert_unknown_ca` ..."""
        self.refused_proxy_headers: Counter[str] = Counter()
        """By reason."""
        self.broken_off: Counter[str] = Counter()
        """HTTP/3 connections, by the kind of error."""
        self._failures_logged: dict[str, tuple[float, int]] = {}
        self.unserved = 0
        """TCP connections for which no server could be had."""

    def opened(self, connection: Connection) -> None:
        """It counts for draining and cutting, and has a deadline, until `closed`."""
        self.connections.add(connection)
        self.deadlines.watch(connection)

    def closed(self, connection: Connection) -> None:
        self.connections.discard(connection)
        if self.draining and not self.connections:
            self.empty.set()
        self.deadlines.forget(connection)

    def handshake_failed(self, kind: str, client: Address) -> None:
        """Count it, and say so once a minute: scanners knock all day."""
        meaning = MEANINGS.get(kind)
        words = f"TLS handshake failed: {kind}{f' ({meaning})' if meaning else ''}"
        self._failed(self.handshake_failures, words, kind, client)

    def quic_failed(self, kind: str, client: Address) -> None:
        """The same for a QUIC connection that was broken off because nobody expected what came."""
        self._failed(self.broken_off, f"HTTP/3 connection broken off: {kind}", kind, client)

    def proxy_header_refused(self, reason: str, client: Address) -> None:
        """The same for a PROXY header that is malformed."""
        self._failed(self.refused_proxy_headers, f"PROXY header refused: {reason}", reason, client)

    def _failed(self, counter: Counter[str], words: str, kind: str, client: Address) -> None:
        counter[kind] += 1
        count = counter[kind]
        now = self.loop.time()
        last, told = self._failures_logged.get(words, (-FAILURE_LOG_SECONDS, 0))
        if now - last >= FAILURE_LOG_SECONDS:
            self._failures_logged[words] = (now, count)
            since = f"; {count - told} since the last such line" if told else ""
            log.warning(
                "entry point %s: %s, last from %s%s", self.name, words, client, since, extra={"entryPointName": self.name}
            )

    def denies(self, path: bytes) -> bool:
        """Whether an escape in the canonical path is not allowed here (routing.md §6.1)."""
        return any(escape in path for escape in self.settings.denied_escapes)

    def renew(self, options: Collection[str]) -> None:
        """These TLS options demand something else by now: whoever agreed to them must connect again for its next request."""
        for connection in list(self.connections):
            link = connection.link
            if link is not None and link.tls is not None and link.tls.options in options:
                link.tls.options = ""
                connection.shut_when_idle()

    def wears_out(self, requests: int, opened: float) -> bool:
        """Whether a connection has had its requests, or its time since `opened` (operations.md §2.1)."""
        settings = self.settings
        return (
            0 < settings.keep_alive_max_requests <= requests or 0 < settings.keep_alive_max_time <= self.loop.time() - opened
        )

    def drain(self) -> None:
        """No further request on any connection: idle ones close now, busy ones after their answer."""
        self.draining = self.limited = True
        if not self.connections:
            self.empty.set()
        for connection in list(self.connections):
            connection.shut_when_idle()

    def cut(self) -> None:
        """The grace period is over."""
        for connection in list(self.connections):
            connection.transport.abort()

    def __repr__(self) -> str:
        return f"<Entry {self.name}, {len(self.connections)} connections>"
