"""When certificates are renewed (operations.md §7.5), and when what failed is tried again. Pure."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
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
UNTOLD: Final = HOUR
"""How long an authority that has had enough is left alone if it does not say."""
LONGEST_TOLD: Final = DAY
"""However long it says: who has typed a year, or has the wrong one, is asked once a day."""


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


def told(retry_after: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header means (RFC 9110 §10.2.3), `LONGEST_TOLD` at most; None if it is none.

    `now` is in seconds since 1970; a date that has passed is 0 seconds.
    """
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return min(LONGEST_TOLD, float(text))
    try:
        when = parsedate_to_datetime(text)
        seconds = (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return min(LONGEST_TOLD, max(0.0, seconds))


def as_utc(moment: float) -> str:
    """Seconds since 1970, as people read them."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def wait_after(failures: int, *, refused: bool, retry_after: float = 0.0) -> float:
    """Seconds to wait after so many failures in a row: longer each time, and never the same for all.

    `retry_after`: as long as the authority wants at least.
    """
    first = REFUSED_RETRY if refused else FIRST_RETRY
    wait = min(LONGEST_RETRY, first * 2.0 ** min(failures - 1, 20))
    return max(retry_after, wait * random.uniform(0.8, 1.2))  # to spread, not to hide
