"""What our own code costs per proxied request, without a kernel: fake transports on both sides. Prints µs per request.

python benches/hotpath.py [--profile]
"""

import asyncio
import cProfile
import pstats
import sys
import time

from pointsman.builtin.matchers import MATCHERS
from pointsman.builtin.roundrobin import RoundRobin, RoundRobinConfig
from pointsman.deadlines import Deadlines
from pointsman.http2 import frames
from pointsman.http2.hpack import Encoder, literal
from pointsman.message import Address, Link
from pointsman.routing import rules
from pointsman.routing.ranking import rank
from pointsman.routing.snapshot import Current, Route, Snapshot
from pointsman.routing.table import Entry as Row
from pointsman.routing.table import RouteTable
from pointsman.server.entry import Entry
from pointsman.server.http1 import Http1Protocol
from pointsman.server.http2 import Http2Protocol
from pointsman.server.settings import EntrySettings
from pointsman.upstream.forward import Forwarder
from pointsman.upstream.http1 import Http1Upstream
from pointsman.upstream.transport import Transport, TransportSettings, peer_from

REQUEST = b"GET /hello?x=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: wrk/4.1\r\nAccept: */*\r\n\r\n"
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 23 Nov 2026 02:40:00 GMT\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 12\r\nConnection: keep-alive\r\n\r\nhello world\n"
)


HOSTS = 10_000


class FakeTransport:
    """Swallows what is written, or answers it at once."""

    def __init__(self, answer: Http1Upstream | None = None) -> None:
        self.answer = answer
        self.written = b""

    def get_extra_info(self, name: str) -> object:
        return ("127.0.0.1", 5000)

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        if self.answer is not None:
            self.answer.data_received(RESPONSE)
        self.written = data


async def main(profile: bool) -> None:
    loop = asyncio.get_running_loop()
    deadlines = Deadlines()
    transport = Transport(TransportSettings(), deadlines)
    peer = peer_from("http://127.0.0.1:9901")
    pool = peer.pool = transport.pool_for(peer)
    upstream = Http1Upstream(transport, pool)
    upstream.connection_made(FakeTransport(upstream))  # type: ignore[arg-type]
    pool.opened()
    pool.give(upstream)
    forwarder = Forwarder("s@file", RoundRobin(RoundRobinConfig(), None).over([peer]), transport)
    rule = rules.parse("Host(`127.0.0.1`) && PathPrefix(`/`)", {matcher.name: matcher for matcher in MATCHERS})
    rows = [Row("r@file", rule, rank(0, rule, 0, "r@file"), Route("r@file", "s@file", forwarder))]
    matchers = {matcher.name: matcher for matcher in MATCHERS}
    for number in range(HOSTS):
        rule = rules.parse(f"Host(`h{number}.test`)", matchers)
        pick = RoundRobin(RoundRobinConfig(), None).over([peer])
        route = Route(f"r{number}@file", f"s{number}@file", Forwarder(f"s{number}@file", pick, transport))
        rows.append(Row(route.name, rule, rank(0, rule, 0, route.name), route))
    entry = Entry(EntrySettings("web"), Current(Snapshot({"web": RouteTable.build(rows)})), deadlines, loop)
    link = Link(Address("127.0.0.1", 40000), Address("127.0.0.1", 8080), b"http", "web")
    server = Http1Protocol(entry, link)
    client = FakeTransport()
    server.connection_made(client)  # type: ignore[arg-type]
    count = 20_000 if profile else 50_000
    if profile:
        with cProfile.Profile() as profiler:
            for _ in range(count):
                server.data_received(REQUEST)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(70)
    others = [REQUEST[:-2] + b"X-Request-Id: %08x-%d\r\n\r\n" % (hash(number * 7), number) for number in range(count)]
    hosts = [REQUEST.replace(b"127.0.0.1:8080", b"h%d.test" % (number * 7919 % HOSTS)) for number in range(count)]
    for what, requests in (
        ("the same header lines", [REQUEST] * count),
        ("another X-Request-Id each", others),
        ("another host of 10 000 each", hosts),
    ):
        best = 1e9
        for _ in range(5):
            begun = time.process_time()
            for request in requests:
                server.data_received(request)
            best = min(best, (time.process_time() - begun) / count)
        assert client.written.endswith(b"hello world\n"), client.written
        print(f"own code per proxied GET, {what}: {best * 1e6:.2f} µs")
    for what, paths in (
        ("HTTP/2, the same header block", [b"/hello?x=1"] * count),
        ("HTTP/2, another path each", [b"/hello/%d" % number for number in range(count)]),
    ):
        best = min(over_http2(Http2Protocol(entry, link), paths) for _ in range(5))
        print(f"own code per proxied GET, {what}: {best * 1e6:.2f} µs")


def over_http2(server: Http2Protocol, paths: list[bytes]) -> float:
    """Seconds per request on a connection whose client indexes all but the path, as h2load does."""
    client = FakeTransport()
    server.connection_made(client)  # type: ignore[arg-type]
    server.data_received(frames.PREFACE + frames.settings([]) + frames.SETTINGS_ACK + frames.window_update(0, 1 << 30))
    encoder = Encoder()
    fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"127.0.0.1:8080")]
    more = [(b"user-agent", b"h2load nghttp2/1.52.0"), (b"accept", b"*/*")]
    blocks = [encoder.encode(fields) + literal(b":path", path) + encoder.encode(more) for path in paths]
    requests = [frames.headers(2 * number + 1, block, True) for number, block in enumerate(blocks)]
    begun = time.process_time()
    for request in requests:
        server.data_received(request)
    spent = time.process_time() - begun
    assert client.written.endswith(b"hello world\n"), client.written
    return spent / len(paths)


asyncio.run(main("--profile" in sys.argv))
