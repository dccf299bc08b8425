"""Edits of headers that are the same each time, done once to headers that come again.

A connection keeps the header block that it read last, and a client or server that repeats itself gets the same one again
(`message.Parsed`). What an edit makes of such a block is kept with it, so that the next message costs a look-up, and is sent
on as quickly as one that nobody touched.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from pointsman import wire
from pointsman.message import Headers, Parsed
from pointsman.spelling import APART

MAX_KEPT: Final = 16
"""How many edits of one block are kept."""


class HeaderEdit:
    """Drops every line of certain names and adds lines at the end. ValueError for a line that is none."""

    __slots__ = ("_added", "_simple", "_wire", "lines", "names")

    def __init__(self, names: Iterable[bytes], lines: Sequence[tuple[bytes, bytes]] = (), *, response: bool = False) -> None:
        """`response` says which kind of message it is for."""
        for name, value in lines:
            Headers().add(name, value)
        self.names = frozenset(names)
        self.lines = tuple(lines)
        prefixes = wire.RESPONSE_PREFIXES if response else wire.REQUEST_PREFIXES
        touched = self.names.union(name for name, _ in lines)
        self._simple = APART.isdisjoint(touched)
        self._added = [(line, None, prefixes[line[0]] + line[1]) for line in self.lines]
        self._wire = b"".join(line[2] for line in self._added)

    def __bool__(self) -> bool:
        return bool(self.names or self.lines)

    def apply(self, headers: Headers) -> None:
        parsed = headers.parsed
        if parsed is not None and self._simple:
            edits = parsed.edits
            if edits is None:
                edits = parsed.edits = {}
            try:
                made = edits[self]
            except KeyError:
                if len(edits) >= MAX_KEPT:
                    edits.clear()
                made = edits[self] = self._of(parsed)
            if made is not None:
                headers.parsed = made
                return
        raw, names = headers.raw, self.names
        if names:
            raw[:] = [line for line in raw if line[0] not in names]
        raw += self.lines

    def _of(self, parsed: Parsed) -> Parsed | None:
        """The block with this edit done; None if that takes more than dropping and adding bytes."""
        names, lines, sent = self.names, parsed.lines, parsed.wire
        if names:
            if any(name in names for name, _ in parsed.added):
                return None
            kept = [line for line in lines if line[0][0] not in names]
            if len(kept) < len(lines):
                before = b"".join([line[2] for line in lines])
                if not sent.startswith(before):
                    return None
                sent = b"".join([line[2] for line in kept]) + sent[len(before) :]
            lines = kept
        made = Parsed(lines + self._added, parsed.seen, sent + self._wire)
        made.added = parsed.added
        made.chain = parsed.chain
        return made

    def __repr__(self) -> str:
        dropped = ", ".join(sorted(name.decode("latin-1") for name in self.names))
        return f"<HeaderEdit drops {dropped or 'nothing'}, adds {len(self.lines)}>"
