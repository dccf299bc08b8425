"""How much a template may do: an operator's slip shall end in a message, not in a machine without memory.

What is counted is deterministic: steps, sizes and depths. The time limit only catches what those leave (slow look-ups of
names, expensive regular expressions). It is looked at between steps, and no single step can take long.
"""

import time
from typing import Any, Final

from pointsman.dialect.gotemplate.errors import Wrong

MAX_TEXT: Final = 16 * 1024 * 1024
"""Characters of all output."""
MAX_VALUE: Final = 4 * 1024 * 1024
"""Characters and elements of one value, those of all that it holds together."""
MAX_ITEMS: Final = 100_000
"""What a function may count up to, and how many matches it may find."""
MAX_STEPS: Final = 1_000_000
MAX_WORK: Final = 256 * 1024 * 1024
"""Characters and elements that functions are given and give back, in all."""
MAX_VALUE_DEPTH: Final = 64
MAX_WALK_DEPTH: Final = 300
"""Blocks and templates inside each other while they run."""
MAX_NESTING: Final = 60
"""Blocks inside each other as they are written; also parentheses."""
MAX_SECONDS: Final = 5.0


class Meter:
    """What one rendering has used up. All methods raise Wrong at their limit."""

    def __init__(self) -> None:
        self._steps = 0
        self._work = 0
        self._end = time.monotonic() + MAX_SECONDS

    def step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise Wrong(f"the template does more than {MAX_STEPS} steps; loop over less")
        if self._steps % 64 == 0:
            self._look_at_clock()

    def _look_at_clock(self) -> None:
        if time.monotonic() > self._end:
            raise Wrong(f"the template takes longer than {MAX_SECONDS:.0f} s; do less in it")

    def weigh(self, value: Any) -> None:
        """Count a value that is about to be looked through."""
        size = 1 if value is None or isinstance(value, (bool, int, float)) else weight(value)
        self._work += size
        if size > 65536:
            self._look_at_clock()
        if self._work > MAX_WORK:
            raise Wrong(f"the template moves more than {MAX_WORK >> 20} MiB about; make its texts and lists smaller")


def weight(value: Any) -> int:
    """The characters and elements of a value. Wrong if it is too big or too deep; one that holds itself is both."""
    if isinstance(value, str):
        return bounded(len(value))
    total = 1
    level: list[Any] = [value]
    for _ in range(MAX_VALUE_DEPTH):
        deeper: list[Any] = []
        for each in level:
            if isinstance(each, str):
                total += len(each)
            elif isinstance(each, (list, dict)):
                total += len(each)
                bounded(total + len(deeper))
                deeper.extend(each.values() if isinstance(each, dict) else each)
                total += sum(map(len, each)) if isinstance(each, dict) else 0
        bounded(total)
        if not deeper:
            return total
        level = deeper
    raise Wrong(f"a value has more than {MAX_VALUE_DEPTH} levels of lists and dicts, or contains itself")


def bounded(size: int) -> int:
    """The size of a value. Wrong if it is too large."""
    if size > MAX_VALUE:
        raise Wrong(f"a value has more than {MAX_VALUE >> 20} Mi characters or elements; make it smaller")
    return size


def counted(number: int) -> int:
    """A number of elements to make. Wrong if there are too many."""
    if number > MAX_ITEMS:
        raise Wrong(f"{number} elements are too many; {MAX_ITEMS} are allowed")
    return number
