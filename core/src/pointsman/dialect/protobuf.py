"""Protocol Buffers on the wire, as far as telemetry needs them: fields are written as bytes, and read with bounds.

Who sends many alike messages keeps the parts that stay and joins; so there are functions here, and no message classes.
"""

import struct
from collections.abc import Iterator
from typing import Final

_DOUBLE: Final = struct.Struct("<d")
_64_BITS: Final = (1 << 64) - 1
_SHORT: Final = tuple(bytes((number,)) for number in range(128))

Value = int | bytes
"""What a field read holds: an integer, or the bytes of a string, a message or a packed list."""


def varint(number: int) -> bytes:
    """An integer; a negative one takes ten bytes, as `int64` does."""
    if 0 <= number < 128:
        return _SHORT[number]
    number &= _64_BITS
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def tag(field: int, wire_type: int) -> bytes:
    """What stands before a value: 0 for a varint, 1 for 64 bits, 2 for bytes with their length, 5 for 32 bits."""
    return varint(field << 3 | wire_type)


def delimited(field: int, content: bytes) -> bytes:
    """A string, a message or a packed list."""
    return tag(field, 2) + varint(len(content)) + content


def text(field: int, content: str) -> bytes:
    """A string; what is not Unicode in it becomes question marks."""
    return delimited(field, content.encode("utf-8", "replace"))


def integer(field: int, number: int) -> bytes:
    """Any integer type that is not fixed or zigzag, bool and enum included."""
    return tag(field, 0) + varint(number)


def double(field: int, number: float) -> bytes:
    return tag(field, 1) + _DOUBLE.pack(number)


def fixed64(field: int, number: int) -> bytes:
    return tag(field, 1) + (number & _64_BITS).to_bytes(8, "little")


def fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Numbers and values of the fields of a message, in order. ValueError for what is none, or is broken off."""
    place = 0
    while place < len(message):
        key, place = _varint_at(message, place)
        kind = key & 7
        if kind == 0:
            number, place = _varint_at(message, place)
            yield key >> 3, number
            continue
        if kind == 2:
            size, place = _varint_at(message, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field has the wire type {kind}, which there is not")
        content = message[place : place + size]
        place += size
        if place > len(message):
            raise ValueError("the message is broken off")
        yield key >> 3, content if kind == 2 else int.from_bytes(content, "little")


def _varint_at(message: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    for byte in message[place : place + 10]:
        number |= (byte & 127) << shift
        shift += 7
        place += 1
        if byte < 128:
            return number & _64_BITS, place
    raise ValueError("an integer is broken off, or longer than ten bytes")
