"""When certificates are renewed (operations.md §7.5), and when failures are tried again."""

import pytest

from pointsman_acme import schedule
from pointsman_acme.schedule import DAY, HOUR, MINUTE, Life


@pytest.mark.parametrize(
    ("duration", "days", "before_the_end"),
    [
        (2160, 90, 30 * DAY),
        (8760, 365, 120 * DAY),
        (720, 30, 10 * DAY),
        (144, 6, 2 * DAY),
        (24, 1, 6 * HOUR),
        (1, 1 / 24, 20 * MINUTE),
        (2160, 6, 2 * DAY),
        (2160, 15, 5 * DAY),
    ],
)
def test_when_a_certificate_is_due(duration, days, before_the_end):
    life = Life(1_000_000.0, 1_000_000.0 + days * DAY)
    assert life.ends - schedule.due(life, duration) == pytest.approx(before_the_end)


def test_one_that_cannot_be_read_is_due():
    assert schedule.due(None, 2160) == 0


@pytest.mark.parametrize(("duration", "seconds"), [(8760, 7 * DAY), (2160, DAY), (720, 12 * HOUR), (144, 2 * HOUR), (1, 60)])
def test_how_often_it_is_looked(duration, seconds):
    assert schedule.interval(duration) == seconds


NOW = 1_764_000_000.0  # Mon, 24 Nov 2025 16:00:00 GMT


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("90", 90),
        (" 0 ", 0),
        ("Mon, 24 Nov 2025 16:02:03 GMT", 123),
        ("Monday, 24-Nov-25 16:02:03 GMT", 123),
        ("Mon Nov 24 16:02:03 2025", 123),
        ("Mon, 24 Nov 2025 15:00:00 GMT", 0),
        ("Mon, 24 Nov 9999 16:00:00 GMT", DAY),
        ("9" * 5000, DAY),
        (None, None),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("１２", None),
        ("Mon, 99 Nov 2025 16:00:00 GMT", None),
        ("soon", None),
    ],
    ids=lambda value: str(value)[:40].encode("ascii", "replace").decode(),
)
def test_what_an_authority_says_of_when_to_ask_again(header, seconds):
    assert schedule.told(header, NOW) == seconds


def test_waits_grow_to_a_limit_and_heed_the_authority():
    waits = [schedule.wait_after(number, refused=False) for number in range(1, 40)]
    assert 4 <= waits[0] <= 6
    assert 8 <= waits[1] <= 12
    assert all(wait <= 1.2 * schedule.LONGEST_RETRY for wait in waits)
    assert schedule.wait_after(1, refused=True) >= 8 * MINUTE
    assert schedule.wait_after(1, refused=False, retry_after=3600) == 3600
