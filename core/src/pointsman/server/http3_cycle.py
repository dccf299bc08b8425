"""An exchange over HTTP/3: HTTP/2's, whose heads are written as fields, for QPACK to encode."""

from typing import Any

from pointsman import wire
from pointsman.message import Body, HeaderList, Headers, Response
from pointsman.server.http2_cycle import Http2Cycle, sent_on, written


class Http3Cycle(Http2Cycle):
    __slots__ = ()

    def respond(self, response: Response) -> None:
        try:
            self._respond(response)
        except Exception as error:
            self._unwritable(error)

    def _block(self, headers: Headers, stated: int | bytes | None) -> Any:
        parsed = headers.parsed
        fields: HeaderList = [(b":status", b"%d" % self.status)]
        fields += sent_on(parsed) if parsed is not None else written(headers)
        if stated is not None:
            fields.append((b"content-length", stated if isinstance(stated, bytes) else b"%d" % stated))
        if not any(name == b"date" for name, _ in fields):
            fields.append((b"date", wire.date_line().partition(b": ")[2]))
        return fields

    def _begin_body(self, body: Body, block: Any) -> None:
        self._left = body.length
        self._body = body
        self.stream.send_headers(block)
        body.attach(self)


class FieldsAsTheyAre:
    """In place of HTTP/2's encoder: what a stream takes are fields."""

    @staticmethod
    def encode(fields: HeaderList) -> HeaderList:
        return fields
