"""What all workers of a gateway have in common: numbers under keys, counts of what is in flight, secrets.

A *place* is one instance's, as `place_key` names it: a middleware's position and its configuration. With one worker it lives
in that process (`local.py`), with several in a memory file that all of them have mapped (`file.py`, `across.py`).
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

from pointsman.shared.across import AcrossCommons, AcrossState
from pointsman.shared.file import MemoryFile
from pointsman.shared.local import LocalCommons, LocalState

__all__ = ["AcrossCommons", "AcrossState", "Commons", "LocalCommons", "LocalState", "MemoryFile", "place_key"]

Commons = LocalCommons | AcrossCommons
"""Gives the state of each place."""


def place_key(secret: bytes, place: Sequence[str], raw: Any) -> bytes:
    """The same in every worker for one place and one configuration of it; 32 bytes that nobody outside can guess."""
    return hmac.digest(secret, repr((tuple(place), raw)).encode("utf-8", "surrogatepass"), hashlib.sha256)
