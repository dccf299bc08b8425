"""The certificates that a resolver has: who is covered by which, and which are due (operations.md §7.5)."""

import time
from collections.abc import Sequence

from pointsman import CertificateRequest
from pointsman.dialect.hostnames import covered
from pointsman_acme import schedule
from pointsman_acme.store import Stored

Names = tuple[str, ...]


class Holdings:
    """All of one resolver's; `duration` is how long they live, in hours."""

    def __init__(self, duration: int) -> None:
        self.all: list[Stored] = []
        self.broken: set[Names] = set()
        """Those that are of no use, and so due."""
        self.wishes: dict[Names, float] = {}
        """When the authority wants them renewed, in seconds since 1970."""
        self._duration = duration
        self._by_name: dict[str, list[Stored]] = {}

    def holder(self, names: Names) -> Stored | None:
        """The certificate that covers all of these names; of several that which ends last."""
        _, dot, rest = names[0].partition(".")
        candidates = [*self._by_name.get(names[0], ()), *(self._by_name.get(f"*.{rest}", ()) if dot else ())]
        holders = [each for each in candidates if all(covered(name, each.names) for name in names)]
        return max(holders, key=_end, default=None)

    def have(self, stored: list[Stored]) -> None:
        self.all, self._by_name = stored, {}
        for each in stored:
            for name in each.names:
                self._by_name.setdefault(name, []).append(each)

    def is_due(self, stored: Stored) -> bool:
        if stored.names in self.broken:
            return True
        life = schedule.life_of(stored)
        when = schedule.due(life, self._duration)
        return min(when, self.wishes.get(stored.names, when)) <= time.time()

    def named(self, names: Names) -> Stored | None:
        """The one that was ordered for exactly these names."""
        return next((each for each in self.all if each.names == names), None)

    def add(self, stored: Stored) -> None:
        """It takes the place of that for the same names; what has run out long ago goes."""
        self.have([*(each for each in self.all if each.names != stored.names and not _gone(each)), stored])
        self.wishes.pop(stored.names, None)
        self.broken.discard(stored.names)

    def in_use(self, requests: Sequence[CertificateRequest]) -> list[Stored]:
        holders = {id(self.holder(request.names)) for request in requests}
        return [each for each in self.all if id(each) in holders]


def _end(stored: Stored) -> float:
    life = schedule.life_of(stored)
    return life.ends if life is not None else 0.0


def _gone(stored: Stored) -> bool:
    """Whether it ran out more than a day ago."""
    life = schedule.life_of(stored)
    return life is None or life.ends < time.time() - schedule.DAY
