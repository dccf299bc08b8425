"""The encoders: whole contents at once, and streams piece by piece.

Levels and windows are chosen for a gateway: about what the reference's levels gain, at a cost that leaves time for requests,
and with a bounded memory per stream. For 93 kB of JSON: gzip 135 us to a ratio of 3.55 (zlib's level 5 takes 1100 us to
3.82), Brotli 1800 us to 4.11, Zstandard 250 us to 3.86; a stream holds 0.4, 1.0 and 1.3 MiB.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import brotli  # type: ignore[import-untyped]
import zstandard
from attrs import frozen
from isal import isal_zlib

from pointsman import Exchange

GZIP_LEVEL: Final = 2
GZIP_WINDOW: Final = 31
"""zlib's way to say: 32 KiB, in a gzip frame."""
BROTLI_QUALITY: Final = 5
BROTLI_WINDOW: Final = 18
BROTLI_STREAM_WINDOW: Final = 16
"""64 KiB: above, the encoder's tables are four times as large."""
ZSTD_LEVEL: Final = 3
ZSTD_STREAM: Final = zstandard.ZstdCompressionParameters.from_level(ZSTD_LEVEL, window_log=17)

_zstd: Final = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
"""For whole contents only: a compressor serves one stream at a time."""


class Stream(Protocol):
    """One body on its way through an encoder."""

    def write(self, chunk: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...
    def finish(self) -> bytes: ...


class GzipStream:
    __slots__ = ("_encoder", "write")

    def __init__(self) -> None:
        self._encoder: Any = isal_zlib.compressobj(GZIP_LEVEL, isal_zlib.DEFLATED, GZIP_WINDOW)
        self.write: Callable[[bytes], bytes] = self._encoder.compress

    def flush(self) -> bytes:
        flushed: bytes = self._encoder.flush(isal_zlib.Z_SYNC_FLUSH)
        return flushed

    def finish(self) -> bytes:
        last: bytes = self._encoder.flush()
        return last


class BrotliStream:
    __slots__ = ("finish", "flush", "write")

    def __init__(self) -> None:
        encoder: Any = brotli.Compressor(quality=BROTLI_QUALITY, lgwin=BROTLI_STREAM_WINDOW)
        self.write: Callable[[bytes], bytes] = encoder.process
        self.flush: Callable[[], bytes] = encoder.flush
        self.finish: Callable[[], bytes] = encoder.finish


class ZstdStream:
    __slots__ = ("_encoder", "finish", "write")

    def __init__(self) -> None:
        self._encoder: Any = zstandard.ZstdCompressor(compression_params=ZSTD_STREAM).compressobj()
        self.write: Callable[[bytes], bytes] = self._encoder.compress
        self.finish: Callable[[], bytes] = self._encoder.flush

    def flush(self) -> bytes:
        flushed: bytes = self._encoder.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        return flushed


@frozen
class Encoder:
    """One content coding."""

    name: bytes
    whole: Callable[[bytes], bytes]
    stream: Callable[[], Stream]
    slice_bytes: int
    """What it encodes in about a millisecond."""


ENCODERS: Final = {
    encoder.name: encoder
    for encoder in (
        Encoder(b"gzip", lambda content: isal_zlib.compress(content, GZIP_LEVEL, GZIP_WINDOW), GzipStream, 256 * 1024),
        Encoder(
            b"br",
            lambda content: brotli.compress(content, quality=BROTLI_QUALITY, lgwin=BROTLI_WINDOW),
            BrotliStream,
            64 * 1024,
        ),
        Encoder(b"zstd", _zstd.compress, ZstdStream, 256 * 1024),
    )
}


class Encoding:
    """A body encoded on its way. `flushing` has every piece go on at once."""

    __slots__ = ("_exchange", "_flushing", "_stream")

    def __init__(self, stream: Stream, exchange: Exchange, flushing: bool) -> None:
        self._stream = stream
        self._exchange = exchange
        self._flushing = flushing

    def write(self, chunk: bytes) -> bytes:
        self._exchange.origin_bytes += len(chunk)
        encoded = self._stream.write(chunk)
        return encoded + self._stream.flush() if self._flushing else encoded

    def end(self, trailers: list[tuple[bytes, bytes]]) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        return self._stream.finish(), trailers
