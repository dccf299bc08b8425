"""Header compression (RFC 7541), as fast as plain Python goes: it is on the hot path of every HTTP/2 request.

The library `hpack` takes 12 µs to decode a block of six indexed fields and 10 µs to encode seven, which is a third of what a
request may cost; it stays the judge in the property tests. Here a block that changes nothing in the table (and a client
that repeats itself sends no other) is kept whole with what it means, until something changes the table: 0.1 µs; one that
is new costs about 0.4 µs a field. Encoding answers in literals or by index, never in Huffman code: what is repeated goes
into the table, and for the rest a few bytes are cheaper than the time. A line goes into the table when it comes again.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from hpack.table import HeaderTable

from pointsman.http2 import huffman

_Key = TypeVar("_Key")
Field = tuple[bytes, bytes]

_STATIC: Final[tuple[tuple[Field, int], ...]] = (
    ((b"", b""), 0),
    *(((name, value), len(name) + len(value) + 32) for name, value in HeaderTable.STATIC_TABLE),
)
_STATIC_SIZE: Final = 61
_MOST_OCTETS: Final = 5
_KEPT_BYTES: Final = 512
"""Longer blocks are not kept."""
_KEPT_BLOCKS: Final = 16
_BOMB_FACTOR: Final = 4
"""A header list this many times as large as its limit is not even read to the end."""
MAX_FIELDS: Final = 1000


class BadBlock(Exception):
    """Bytes that are no header block: the two tables are not the same any more."""


class HeaderBlock:
    """A header block, decoded: never changed, for it may have been kept and be meant again.

    `oversize` says that it exceeds the limit; then `fields` are only the first of them. Whoever reads it may keep in `made`
    what follows from the fields.
    """

    __slots__ = ("fields", "made", "oversize")

    def __init__(self, fields: list[Field], oversize: bool = False) -> None:
        self.fields = fields
        self.oversize = oversize
        self.made: Any = None

    def __repr__(self) -> str:
        return f"<HeaderBlock of {len(self.fields)} fields{', and more' if self.oversize else ''}>"


class Decoder:
    """What one peer says. `table_size` is what our SETTINGS allow, `limit` the size of a list (name + value + 32 each)."""

    __slots__ = ("_capacity", "_entries", "_known", "_size", "changes", "limit", "table_size")

    def __init__(self, limit: int, table_size: int = 4096) -> None:
        self.limit = limit
        self.table_size = table_size
        self.changes = 0
        """How often the table has changed."""
        self._capacity = 4096
        self._size = 0
        self._entries: deque[tuple[Field, int]] = deque()
        self._known: dict[bytes, HeaderBlock] = {}

    def decode(self, block: bytes) -> HeaderBlock:
        """What `block` says. BadBlock if that cannot be told, or is beyond all bounds."""
        known = self._known.get(block)
        if known is not None:
            return known
        changes = self.changes
        try:
            decoded = self._decode(block)
        except IndexError:
            raise BadBlock("the header block ends too early") from None
        except huffman.BadCode as error:
            raise BadBlock(str(error)) from None
        if changes == self.changes and len(block) <= _KEPT_BYTES and not decoded.oversize:
            if len(self._known) >= _KEPT_BLOCKS:
                self._known.clear()
            self._known[block] = decoded
        return decoded

    def _decode(self, block: bytes) -> HeaderBlock:
        fields: list[Field] = []
        entries = self._entries
        begun = False
        at, end, total, limit = 0, len(block), 0, self.limit
        while at < end:
            byte = block[at]
            at += 1
            if byte >= 0x80:  # indexed (§6.1)
                index = byte & 0x7F
                if index == 0x7F:
                    index, at = _integer(block, at, 0x7F)
                if 0 < index <= _STATIC_SIZE:
                    field, size = _STATIC[index]
                elif 0 <= index - 62 < len(entries):
                    field, size = entries[index - 62]
                else:
                    raise BadBlock("an index beyond the table")
            elif byte & 0xE0 == 0x20:  # a dynamic table size update (§6.3)
                if begun:
                    raise BadBlock("a table size update after a field")
                size, at = _integer(block, at, 0x1F) if byte == 0x3F else (byte & 0x1F, at)
                self._resize(size)
                continue
            else:  # a literal (§6.2)
                index = byte & 0x3F if byte >= 0x40 else byte & 0x0F
                if index == (0x3F if byte >= 0x40 else 0x0F):
                    index, at = _integer(block, at, index)
                if not index:
                    name, at = _string(block, at)
                elif index <= _STATIC_SIZE:
                    name = _STATIC[index][0][0]
                elif index - 62 < len(entries):
                    name = entries[index - 62][0][0]
                else:
                    raise BadBlock("an index beyond the table")
                value, at = _string(block, at)
                field = (name, value)
                size = len(name) + len(value) + 32
                if byte >= 0x40:
                    self._insert(field, size)
            if not begun:
                begun = True
                if self._capacity > self.table_size:
                    raise BadBlock("the table was not made as small as it must be")
            total += size
            if total <= limit:
                fields.append(field)
            elif total > limit * _BOMB_FACTOR:
                raise BadBlock("a header list beyond all bounds")
        return HeaderBlock(fields, total > limit or len(fields) > MAX_FIELDS)

    def _insert(self, field: Field, size: int) -> None:
        self._changed()
        self._entries.appendleft((field, size))
        self._size += size
        if self._size > self._capacity:
            self._evict()

    def _resize(self, capacity: int) -> None:
        if capacity > self.table_size:
            raise BadBlock("a table larger than allowed")
        self._changed()
        self._capacity = capacity
        self._evict()

    def _evict(self) -> None:
        entries = self._entries
        while self._size > self._capacity:
            self._size -= entries.pop()[1]

    def _changed(self) -> None:
        self.changes += 1
        if self._known:
            self._known.clear()

    def __repr__(self) -> str:
        return f"<Decoder, {len(self._entries)} entries, {self._size} of {self._capacity} bytes>"


def _integer(block: bytes, at: int, value: int) -> tuple[int, int]:
    """The rest of an integer whose prefix is full (§5.1), and where it ends."""
    for shift in range(0, 7 * _MOST_OCTETS, 7):
        byte = block[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise BadBlock("an integer of too many octets")


def _string(block: bytes, at: int) -> tuple[bytes, int]:
    """A string literal (§5.2), and where it ends."""
    byte = block[at]
    at += 1
    size = byte & 0x7F
    if size == 0x7F:
        size, at = _integer(block, at, 0x7F)
    end = at + size
    if end > len(block):
        raise BadBlock("a string longer than its header block")
    data = block[at:end]
    return (huffman.decode(data) if byte >= 0x80 else data), end


def _encoded(value: int, prefix: int, flags: int) -> bytes:
    """An integer with a prefix of so many bits (§5.1)."""
    most = (1 << prefix) - 1
    if value < most:
        return bytes((flags | value,))
    octets = bytearray((flags | most,))
    value -= most
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


_INDEXED: Final = tuple(_encoded(index, 7, 0x80) for index in range(256))
_SIZES: Final = tuple(_encoded(size, 7, 0) for size in range(256))
_FIELDS: Final[dict[Field, bytes]] = {}
_NAMES: Final[dict[bytes, int]] = {}
for _index in range(_STATIC_SIZE, 0, -1):  # the first one of a name wins
    _FIELDS[_STATIC[_index][0]] = _INDEXED[_index]
    _NAMES[_STATIC[_index][0][0]] = _index

_SECRET: Final = re.compile(rb"auth|cookie|credential|key|passw|secret|session|signature|token|[cx]srf")
_PASSING: Final = frozenset(
    (
        b":path",
        b"age",
        b"content-length",
        b"content-range",
        b"date",
        b"etag",
        b"expires",
        b"if-modified-since",
        b"if-none-match",
        b"last-modified",
        b"location",
        b"range",
        b"retry-after",
    )
)
"""Fields whose values seldom come again."""
_MOST_VALUES: Final = 16
"""How many values of one name go into the table, in the life of a connection: what comes later is too various."""
_MOST_NAMES: Final = 256
_MOST_WAITING: Final = 64
_LONGEST_VALUE: Final = 512


class _Prefixes(dict[bytes, tuple[bytes, bytes]]):
    """Name -> how a literal of it begins that does not go into the table, and one that does (§6.2). Bounded."""

    def __missing__(self, name: bytes) -> tuple[bytes, bytes]:
        index = _NAMES.get(name, 0)
        spelled = b"" if index else _encoded(len(name), 7, 0) + name
        secret = _SECRET.search(name) and not name.startswith(b":")
        plain = _encoded(index, 4, 0x10 if secret else 0) + spelled
        known = (plain, _encoded(index, 6, 0x40) + spelled)
        if len(name) <= 64:
            if len(self) >= 4096:
                self.clear()
            self[name] = known
        return known


_PREFIXES: Final = _Prefixes()


def literal(name: bytes, value: bytes) -> bytes:
    """A field that leaves the table alone; one that may be a secret is marked as never to be indexed (§7.1.3)."""
    size = len(value)
    return _PREFIXES[name][0] + (_SIZES[size] if size < 256 else _encoded(size, 7, 0)) + value


class Encoder:
    """What we say to one peer. Blocks must be sent in the order in which they were made."""

    __slots__ = (
        "_blocks",
        "_capacity",
        "_chances",
        "_entries",
        "_inserted",
        "_lowest",
        "_most",
        "_places",
        "_size",
        "_waiting",
    )

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._capacity = 4096
        self._size = 0
        self._inserted = 0
        self._entries: deque[tuple[Field, int]] = deque()
        self._places: dict[Field, int] = {}
        self._waiting: dict[Field, None] = {}
        self._chances: dict[bytes, int] = {}
        self._blocks: dict[Any, bytes] = {}
        self._lowest = -1
        """The smallest capacity since the last block; -1 if it has not changed."""
        if most < 4096:
            self.resize(4096)

    def resize(self, allowed: int) -> None:
        """The peer allows a table of this size; said to it at the beginning of the next block (§4.2)."""
        capacity = min(allowed, self._most)
        if capacity == self._capacity:
            return
        self._lowest = capacity if self._lowest < 0 else min(self._lowest, capacity)
        self._capacity = capacity
        self._blocks.clear()
        self._evict()

    def encode(self, fields: Iterable[Field]) -> bytes:
        """A header block."""
        parts, _ = self._encode(fields)
        return self._update() + b"".join(parts) if self._lowest >= 0 else b"".join(parts)

    def encode_kept(self, first: bytes, key: _Key, fields: Callable[[_Key], Iterable[Field]], rest: bytes) -> bytes:
        """A header block of literals, fields that may come again, and literals.

        `fields(key)` are always the same, and `key` is compared by identity.
        """
        known = self._blocks.get(key)
        if known is not None:
            return first + known + rest
        update = self._update() if self._lowest >= 0 else b""
        parts, settled = self._encode(fields(key))
        block = b"".join(parts)
        if settled:
            if len(self._blocks) >= _MOST_WAITING:
                self._blocks.clear()
            self._blocks[key] = block
        return update + first + block + rest

    def _update(self) -> bytes:
        """What tells the peer that the table has another size."""
        sizes = sorted({self._lowest, self._capacity})
        self._lowest = -1
        return b"".join([_encoded(size, 5, 0x20) for size in sizes])

    def _encode(self, fields: Iterable[Field]) -> tuple[list[bytes], bool]:
        """The parts of a block, and whether the same fields would give the same again."""
        parts: list[bytes] = []
        settled = True
        places = self._places
        for field in fields:
            static = _FIELDS.get(field)
            if static is not None:
                parts.append(static)
                continue
            place = places.get(field)
            if place is not None:
                index = 62 + self._inserted - place
                parts.append(_INDEXED[index] if index < 256 else _encoded(index, 7, 0x80))
                continue
            name, value = field
            plain, inserting = _PREFIXES[name]
            size = len(value)
            length = _SIZES[size] if size < 256 else _encoded(size, 7, 0)
            if name in _PASSING or plain[0] & 0x10 or size > _LONGEST_VALUE or not self._chance(name):
                parts += (plain, length, value)
                continue
            settled = False
            if field in self._waiting:
                del self._waiting[field]
                self._chances[name] -= 1
                self._insert(field)
                parts += (inserting, length, value)
                continue
            if len(self._waiting) >= _MOST_WAITING:
                self._waiting.clear()
            self._waiting[field] = None
            parts += (plain, length, value)
        return parts, settled

    def _chance(self, name: bytes) -> int:
        """How many more values of this name may go into the table."""
        left = self._chances.get(name)
        if left is None:
            if len(self._chances) >= _MOST_NAMES:
                return 0
            left = self._chances[name] = _MOST_VALUES
        return left

    def _insert(self, field: Field) -> None:
        self._blocks.clear()
        size = len(field[0]) + len(field[1]) + 32
        self._entries.appendleft((field, size))
        self._inserted += 1
        self._places[field] = self._inserted
        self._size += size
        self._evict()

    def _evict(self) -> None:
        while self._size > self._capacity:
            field, size = self._entries.pop()
            self._size -= size
            del self._places[field]

    def __repr__(self) -> str:
        return f"<Encoder, {len(self._entries)} entries, {self._size} of {self._capacity} bytes>"
