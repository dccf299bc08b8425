"""The certificates that may be served, and which of them a client gets (routing.md §8.1). No I/O."""

import ssl
from collections.abc import Generator, Sequence
from typing import Final

from attrs import field, frozen

from pointsman.net.pem import load_pair

SLICE: Final = 256


@frozen(eq=False, repr=False)
class Pair:
    """A certificate with its chain and its key, known to fit together. Equal only to itself; contexts are kept by it."""

    certificate: str
    key: str
    names: tuple[bytes, ...]
    """Common name, DNS names and IP addresses, lower case, sorted."""
    rank: bytes = field(init=False)
    """By it a pair is tried before others: the one that sorts last goes first."""

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "rank", b",".join(self.names))

    def __repr__(self) -> str:
        return f"<Pair {self.rank.decode('utf-8', 'replace') or 'without a name'}>"

    def load_into(self, context: ssl.SSLContext) -> None:
        """ValueError if OpenSSL does not take it."""
        load_pair(context, self.certificate, self.key)


class CertificateStore:
    """Certificates by name. Of those with a name the one whose list of names sorts last is found, as the dialect has it."""

    __slots__ = ("_by_name", "default")

    def __init__(self, default: Pair) -> None:
        self.default = default
        self._by_name: dict[bytes, Pair] = {}

    def find(self, name: bytes) -> Pair | None:
        """The one for a server name, or for an IP address as text; None if only the default is left."""
        if b":" in name:
            name = name.partition(b"%")[0].removeprefix(b"::ffff:")
        exact = self._by_name.get(name)
        dot = name.find(b".")
        wildcard = self._by_name.get(b"*" + name[dot:]) if dot > 0 else None
        if exact is None or (wildcard is not None and wildcard.rank > exact.rank):
            return wildcard
        return exact

    def filling(self, pairs: Sequence[Pair]) -> Generator[None, None, None]:
        """Take these in, in slices. Of two with the same names the first stays."""
        index = self._by_name
        for count, pair in enumerate(pairs):
            for name in pair.names:
                known = index.get(name)
                if known is None or pair.rank > known.rank:
                    index[name] = pair
            if not count % SLICE:
                yield

    def __repr__(self) -> str:
        return f"<CertificateStore of {len(self._by_name)} names>"
