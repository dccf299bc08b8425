"""When certificates are renewed (operations.md §7.5), and when what failed is tried again. Pure."""

import random
from functools import lru_cache
from typing import Final

from attrs import frozen
from cryptography import x509

from pointsman_acme.store import Stored

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_TABLE: Final = (
    (8760, 120 * DAY, 7 * DAY),
    (2160, 30 * DAY, DAY),
    (720, 10 * DAY, 12 * HOUR),
    (144, 2 * DAY, 2 * HOUR),
    (24, 6 * HOUR, 10 * MINUTE),
    (0, 20 * MINUTE, MINUTE),
)
FIRST_RETRY: Final = 5.0
REFUSED_RETRY: Final = 10 * MINUTE
"""After the authority has tried and found fault: they count such failures, some five an hour for a name."""
LONGEST_RETRY: Final = 6 * HOUR


@frozen
class Life:
    """Of a certificate, in seconds since 1970."""

    begins: float
    ends: float


def life_of(stored: Stored) -> Life | None:
    """None for a certificate that cannot be read."""
    return _life(stored.pair.certificate)


@lru_cache(maxsize=10_000)
def _life(certificate: str) -> Life | None:
    try:
        leaf = x509.load_pem_x509_certificate(certificate.encode())
        return Life(leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp())
    except Exception:  # a parser of hostile formats may raise anything
        return None


def due(life: Life | None, duration_hours: int) -> float:
    """When it is to be renewed, in seconds since 1970. A window longer than its life begins after two thirds of that."""
    if life is None:
        return 0.0
    window = next(window for hours, window, _ in _TABLE if duration_hours >= hours)
    whole = life.ends - life.begins
    return life.ends - (window if window < whole else whole / 3)


def interval(duration_hours: int) -> float:
    """Seconds between two looks at what is due."""
    return next(seconds for hours, _, seconds in _TABLE if duration_hours >= hours)


def wait_after(failures: int, *, refused: bool, retry_after: float = 0.0) -> float:
    """Seconds to wait after so many failures in a row: longer each time, and never the same for all."""
    first = REFUSED_RETRY if refused else FIRST_RETRY
    wait = min(LONGEST_RETRY, first * 2.0 ** min(failures - 1, 20))
    return max(retry_after, wait * random.uniform(0.8, 1.2))  # to spread, not to hide
