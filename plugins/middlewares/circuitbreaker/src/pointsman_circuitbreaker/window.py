"""How often something happened lately: counts by key, in slots of equal length of which the oldest is forgotten.

Slots turn by the time alone, whether anything is counted or not (the reference turns them when something comes, so what is
old may count for hours).
"""


class Window:
    """`totals` holds what was counted in the slot that is filled now and the `slots - 1` before it, by key."""

    __slots__ = ("_latest", "_seconds", "_slots", "totals")

    def __init__(self, slots: int, seconds: float) -> None:
        """`seconds` is the length of one slot."""
        self.totals: dict[int, int] = {}
        self._slots: list[dict[int, int]] = [{} for _ in range(slots)]
        self._seconds = seconds
        self._latest = 0

    def add(self, key: int, now: float) -> None:
        """Count one of `key`. `now` never goes back, here and in `turn`."""
        number = int(now / self._seconds)
        if number != self._latest:
            self.turn(now)
        slot = self._slots[number % len(self._slots)]
        slot[key] = slot.get(key, 0) + 1
        totals = self.totals
        totals[key] = totals.get(key, 0) + 1

    def turn(self, now: float) -> None:
        """Forget what is too old."""
        number = int(now / self._seconds)
        for passed in range(max(self._latest + 1, number - len(self._slots) + 1), number + 1):
            self._forget(self._slots[passed % len(self._slots)])
        self._latest = number

    def _forget(self, slot: dict[int, int]) -> None:
        totals = self.totals
        for key, count in slot.items():
            left = totals[key] - count
            if left:
                totals[key] = left
            else:
                del totals[key]
        slot.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.totals.clear()
        for slot in self._slots:
            slot.clear()

    def __repr__(self) -> str:
        return f"<Window {sum(self.totals.values())} in {len(self._slots)} times {self._seconds:g} s>"
