"""A reader for simple regular expressions, which knows when Python's `re` gives RE2's answer in linear time.

Each atom becomes a set of ASCII characters (a bit mask), and the sets are written out anew, so that no dialect's `\\d`, `$`
or `(?i)` matters. What the reader does not know completely it refuses (None), and RE2 does the work.

The proof of linear time. Quantifiers at the open ends of a pattern add nothing to the question "is it found?" and are
dropped. After that an unanchored pattern may have none left. In an anchored one a quantified set shares no character with
whatever may follow, so there is one way to match; one item may break that, if nothing unbounded comes after it: the rest is
then tried once for each of its ends. Of a group's alternatives no two can match at the same place.
"""

import re
from itertools import combinations

from attrs import evolve, frozen

_MAX_PATTERN = 1024
_MAX_ALTERNATIVES = 32
_MAX_ITEMS = 256
_ALL = (1 << 128) - 1


def _mask(characters: str) -> int:
    return sum(1 << ord(character) for character in set(characters))


_DIGITS = _mask("0123456789")
_LOWER = _mask("abcdefghijklmnopqrstuvwxyz")
_WORD = _DIGITS | _LOWER | _LOWER >> 32 | _mask("_")
_SPACE = _mask("\t\n\f\r ")
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _SPACE, "D": _ALL & ~_DIGITS, "W": _ALL & ~_WORD, "S": _ALL & ~_SPACE}
_CONTROLS = {"t": 9, "n": 10, "f": 12, "r": 13}
_TOKEN = re.compile(
    r"""(?P<group>\((?:\?:)?(?P<inside>(?:[^()\\\[\]]|\\.|\[\^?(?:[^\[\]\\]|\\.)+\])+)\))
      | (?P<atom>\[\^?(?:[^\[\]\\]|\\.)+\]|\\.|[^\\\[\](){}*+?|^$])
      | (?P<times>\{(?P<count>[0-9]{1,2})\}|[*+?])""",
    re.VERBOSE | re.DOTALL,
)


@frozen
class Item:
    """Alternatives, each a run of character sets; usually one alternative of one set."""

    ways: tuple[tuple[int, ...], ...]
    optional: bool = False
    unbounded: bool = False

    @property
    def first(self) -> int:
        mask = 0
        for way in self.ways:
            mask |= way[0]
        return mask

    @property
    def source(self) -> bytes:
        ways = [b"".join(map(_written, way)) for way in self.ways]
        group = len(ways) > 1 or (self.optional and len(self.ways[0]) > 1)
        body = b"(?:" + b"|".join(ways) + b")" if group else ways[0]
        times = (b"*" if self.optional else b"+") if self.unbounded else b"?" if self.optional else b""
        return body + times


@frozen
class Known:
    """A pattern the reader understood. `literal` is set if it is one plain text between its anchors."""

    begins: bool
    ends: bool
    items: tuple[Item, ...]

    @property
    def literal(self) -> bytes | None:
        if any(len(item.ways) > 1 or item.optional or item.unbounded for item in self.items):
            return None
        masks = [mask for item in self.items for mask in item.ways[0]]
        return bytes(mask.bit_length() - 1 for mask in masks) if all(map(_is_one, masks)) else None

    @property
    def source(self) -> bytes:
        """For `re`; to be used with `match` if `begins`, with `search` else."""
        return b"".join(item.source for item in self.items) + (rb"\Z" if self.ends else b"")


def read(pattern: str) -> Known | None:
    """The pattern, if it is simple enough and linear. It must be valid for RE2 already."""
    if len(pattern) > _MAX_PATTERN or not pattern.isascii():
        return None
    folded = pattern.startswith("(?i)")
    body = pattern.removeprefix("(?i)")
    begins = body.startswith("^")
    body = body.removeprefix("^")
    ends = body.endswith("$") and not body.endswith("\\$")
    items = _items(body.removesuffix("$") if ends else body, folded)
    if items is None:
        return None
    known = Known(begins, ends, _trimmed(items, begins, ends))
    return known if _is_linear(known) else None


def _items(body: str, folded: bool) -> list[Item] | None:
    items: list[Item] = []
    position, quantified = 0, True
    while position < len(body):
        token = _TOKEN.match(body, position)
        if token is None:
            return None
        position = token.end()
        if token["times"]:
            if quantified or not _quantify(items, token["times"], token["count"]):
                return None
            quantified = True
            continue
        item = _group(token["inside"], folded) if token["group"] else _single(token["atom"], folded)
        if item is None:
            return None
        items.append(item)
        quantified = False
    return items if len(items) <= _MAX_ITEMS else None


def _quantify(items: list[Item], sign: str, count: str | None) -> bool:
    item = items.pop()
    if count is not None:
        items.extend([item] * int(count))
    elif sign == "?":
        items.append(evolve(item, optional=True))
    elif item.ways != ((item.ways[0][0],),):
        return False  # a repeated group
    else:
        items.append(evolve(item, optional=sign == "*", unbounded=True))
    return True


def _group(inside: str, folded: bool) -> Item | None:
    ways: list[tuple[int, ...]] = []
    run: list[int] = []
    if inside.startswith("?"):
        return None
    position = 0
    while position <= len(inside):
        if position == len(inside) or inside[position] == "|":
            if not run:
                return None
            ways.append(tuple(run))
            run = []
            position += 1
            continue
        token = _TOKEN.match(inside, position)
        mask = _set(token["atom"], folded) if token is not None and token["atom"] else None
        if token is None or mask is None:
            return None
        run.append(mask)
        position = token.end()
    return Item(tuple(ways)) if len(ways) <= _MAX_ALTERNATIVES and _exclude_each_other(ways) else None


def _single(atom: str, folded: bool) -> Item | None:
    mask = _set(atom, folded)
    return None if mask is None else Item(((mask,),))


def _set(atom: str, folded: bool) -> int | None:
    """The characters an atom stands for; None if that is not certain, or none at all."""
    if atom == ".":
        return _ALL & ~_mask("\n")
    if atom[0] == "[":
        negative = atom.startswith("[^")
        inside = _class(atom[2 if negative else 1 : -1])
        if inside is None:
            return None
        mask = _fold(inside) if folded else inside
        return (_ALL & ~mask if negative else mask) or None
    one = _character(atom)
    return _fold(one) if folded and one is not None else one


def _character(atom: str) -> int | None:
    if atom[0] != "\\":
        return _mask(atom)
    letter = atom[1]
    if letter in _CLASSES:
        return _CLASSES[letter]
    if letter in _CONTROLS:
        return 1 << _CONTROLS[letter]
    return None if letter.isalnum() or letter.isspace() else _mask(letter)


def _class(inside: str) -> int | None:
    parts = re.findall(r"\\.|.", inside, re.DOTALL)
    mask, position = 0, 0
    while position < len(parts):
        low = _character(parts[position])
        if low is None:
            return None
        if position + 2 < len(parts) and parts[position + 1] == "-":
            high = _character(parts[position + 2])
            if high is None or not _is_one(low) or not _is_one(high) or high < low:
                return None
            low = (high << 1) - low
            position += 2
        mask |= low
        position += 1
    return mask


def _fold(mask: int) -> int:
    upper = _LOWER >> 32
    return mask | (mask & upper) << 32 | (mask & _LOWER) >> 32


def _is_one(mask: int) -> bool:
    return mask.bit_count() == 1


def _written(mask: int) -> bytes:
    if _is_one(mask):
        return re.escape(bytes([mask.bit_length() - 1]))
    return b"[" + b"".join(b"\\x%02x" % code for code in range(128) if mask >> code & 1) + b"]"


def _exclude_each_other(ways: list[tuple[int, ...]]) -> bool:
    return all(any(not a & b for a, b in zip(one, two, strict=False)) for one, two in combinations(ways, 2))


def _trimmed(items: list[Item], begins: bool, ends: bool) -> tuple[Item, ...]:
    """Without what may be left out at an open end: `x*a` is found where `a` is, `x+a` where `xa` is."""
    kept = list(items)
    for open_end, position in ((not begins, 0), (not ends, -1)):
        while open_end and kept and kept[position].optional:
            kept.pop(position)
        if open_end and kept:
            kept[position] = evolve(kept[position], unbounded=False)
    return tuple(kept)


def _is_linear(known: Known) -> bool:
    if not known.begins:
        return not any(item.optional or item.unbounded for item in known.items)
    exceptions = 0
    unbounded_after = False
    follow = 0  # the characters that may come next; nothing if the pattern may end here
    for item in reversed(known.items):
        if (item.optional or item.unbounded) and item.first & follow:
            exceptions += 1
            if unbounded_after or exceptions > 1:
                return False
        unbounded_after = unbounded_after or item.unbounded
        follow = item.first | follow if item.optional else item.first
    return True
