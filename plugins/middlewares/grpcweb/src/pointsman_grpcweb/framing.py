"""The bodies of gRPC-Web: trailers as the last frame, and Base64 both ways (PROTOCOL-WEB.md of gRPC). Pure, but for errors.

A text body is a sequence of Base64 pieces, each padded for itself, so that what there is can always be sent.
"""

import binascii
from typing import Final

from pointsman.errors import GatewayError

Lines = list[tuple[bytes, bytes]]
TRAILERS_FLAG: Final = b"\x80"


def trailer_frame(trailers: Lines) -> bytes:
    """The frame that stands for trailers: `name: value` lines, sorted; also if there are none."""
    block = b"".join(sorted(b"%b: %b\r\n" % line for line in trailers))
    return TRAILERS_FLAG + len(block).to_bytes(4, "big") + block


class Framed:
    """A gRPC body in binary gRPC-Web: as it is, and its trailers."""

    __slots__ = ()

    def write(self, chunk: bytes) -> bytes:
        return chunk

    def end(self, trailers: Lines) -> tuple[bytes, Lines]:
        return trailer_frame(trailers), []


class FramedText:
    """The same in Base64, each piece padded."""

    __slots__ = ()

    def write(self, chunk: bytes) -> bytes:
        return binascii.b2a_base64(chunk, newline=False)

    def end(self, trailers: Lines) -> tuple[bytes, Lines]:
        return binascii.b2a_base64(trailer_frame(trailers), newline=False), []


class Decoded:
    """A Base64 body as what it means. Keeps three bytes at most; GatewayError 400 for what is no Base64."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def write(self, chunk: bytes) -> bytes:
        text = self._rest + chunk.translate(None, b"\r\n")
        whole = len(text) - len(text) % 4
        self._rest = text[whole:]
        return b"".join(_pieces(text, whole))

    def end(self, trailers: Lines) -> tuple[bytes, Lines]:
        if self._rest:
            raise _bad("it ends inside a group of four characters")
        return b"", trailers


def _pieces(text: bytes, end: int) -> list[bytes]:
    """The pieces of `text` up to `end`, a multiple of four; each goes to its padding."""
    pieces: list[bytes] = []
    begin = 0
    try:
        while begin < end:
            padding = text.find(b"=", begin, end)
            until = end if padding < 0 else padding - padding % 4 + 4
            pieces.append(binascii.a2b_base64(text[begin:until], strict_mode=True))
            begin = until
    except binascii.Error as error:
        raise _bad(str(error)) from None
    return pieces


def _bad(why: str) -> GatewayError:
    return GatewayError(400, f"the body of a grpc-web-text request is not Base64: {why}", side="client")
