"""HTTP/2 framing for both roles (RFC 9113, RFC 7541, RFC 8441): bytes in, calls out, and back. No I/O, no asyncio.

A `Session` belongs to an owner, which has the transport (`contract.Owner`); a `Stream` to a receiver (`contract.Receiver`,
`contract.ResponseReceiver`).
Towards a server, with `owner` an asyncio.Protocol:

    def connection_made(self, transport):
        self.transport = transport
        self.session = Session(self, SessionSettings(), client=True, clock=loop.time)
        self.session.start()                                    # preface and SETTINGS, through self.send

    def data_received(self, data): self.session.receive(data)
    def pause_writing(self): self.session.pause_writing()       # what streams give is kept, and they are told to pause
    def resume_writing(self): self.session.resume_writing()
    def send(self, data): self.transport.write(data)
    def failed(self, code, reason): ...                         # a GOAWAY has been sent: close
    def connection_lost(self, error):
        for stream in self.session.lost(): stream.receiver.gone(INTERNAL_ERROR, False)

    if session.capacity > 0:                                    # 0 after GOAWAY, or at the server's stream limit
        stream = session.request([(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/")],
                                 receiver, end=True)
        stream.send_data(chunk); stream.end(trailers)           # a request with a body
        stream.pause(); stream.resume()                         # the response's body: no window is given while paused
        stream.reset(CANCEL)                                    # no call to the receiver comes back for this one

`receiver` then gets `interim`, `answered`, `data`, `ended`, or `gone`. `gone(REFUSED_STREAM, True)` says that the server
has not touched the request: it may be sent again (§8.7). `owner.ready()` says that the server's SETTINGS are here; a request
may be sent before, but its limit is not known then and is taken for 100. `owner.pong` answers `session.ping(payload)`.

Towards a client it is the same with `client=False`: `owner.opened(stream, block, ended)` gives the stream its receiver;
`stream.send_headers(session.encoder.encode(fields))` answers.

Back pressure is end to end: a stream that is paused gives its peer no window; bytes that it gets nevertheless are kept here,
at most its window. What `send_data` cannot send waits here, and the receiver is paused until it is gone.
"""
