"""Sprig's functions of dates (sprig 3.2: date.go). Layouts are Go's: `2006-01-02 15:04:05`."""

import time
from datetime import UTC, datetime
from typing import Any, Final

from pointsman.dialect.gotemplate import moments
from pointsman.dialect.gotemplate.errors import Wrong
from pointsman.dialect.gotemplate.library import Group
from pointsman.dialect.gotemplate.values import Int64, Moment

DATES: Final = Group()
_HTML: Final = "2006-01-02"


@DATES("now")
def now() -> Moment:
    nanoseconds = time.time_ns()
    moment = Moment(
        datetime.fromtimestamp(nanoseconds // 10**9, UTC).replace(microsecond=nanoseconds // 1000 % 10**6),
        nanoseconds % 1000,
    )
    return moments.localised(moment, None)


def _moment(value: Any) -> Moment:
    """A time, or seconds since 1970; now for anything else."""
    if isinstance(value, Moment):
        return value
    return moments.of_unix(value) if isinstance(value, int) and not isinstance(value, bool) else now()


def _in_zone(layout: str, value: Any, zone: str) -> str:
    return moments.moment_format(moments.localised(_moment(value), moments.zone(zone)), layout)


DATES("date", "string", "any")(lambda layout, value: _in_zone(layout, value, "Local"))
DATES("dateInZone date_in_zone", "string", "any", "string")(_in_zone)
DATES("htmlDate", "any")(lambda value: _in_zone(_HTML, value, "Local"))
DATES("htmlDateInZone", "any", "string")(lambda value, zone: _in_zone(_HTML, value, zone))
DATES("unixEpoch", "time")(lambda moment: str(moments.unix_nanoseconds(moment) // 10**9))


@DATES("dateModify date_modify", "string", "time")
def date_modify(span: str, moment: Moment) -> Moment:
    """Unchanged if the duration is none."""
    try:
        return must_date_modify(span, moment)
    except Wrong:
        return moment


@DATES("mustDateModify must_date_modify", "string", "time")
def must_date_modify(span: str, moment: Moment) -> Moment:
    try:
        return moments.moved(moment, moments.span_of(span))
    except ValueError as error:
        raise Wrong(str(error)) from None


@DATES("toDate", "string", "string")
def to_date(layout: str, text: str) -> Moment:
    """The year 1 if it is written otherwise."""
    try:
        return must_to_date(layout, text)
    except Wrong:
        return moments.ZERO


@DATES("mustToDate", "string", "string")
def must_to_date(layout: str, text: str) -> Moment:
    try:
        return moments.parsed(layout, text, None)
    except (ValueError, OverflowError) as error:
        raise Wrong(str(error)) from None


@DATES("ago", "any")
def ago(value: Any) -> str:
    passed = moments.unix_nanoseconds(now()) - moments.unix_nanoseconds(_moment(value))
    seconds = (abs(passed) + 5 * 10**8) // 10**9
    return moments.span_text((-seconds if passed < 0 else seconds) * 10**9)


@DATES("duration", "any")
def duration(value: Any) -> str:
    """Seconds, such as `1m30s`. As sprig, it takes text or an int64: for a plain number that is 0s."""
    if isinstance(value, str):
        digits = value[1:] if value[:1] in ("+", "-") else value
        seconds = int(value) if digits.isascii() and digits.isdigit() and len(digits) < 20 else 0
    else:
        seconds = value if isinstance(value, Int64) else 0
    return moments.span_text((seconds * 10**9 + 2**63) % 2**64 - 2**63)


@DATES("durationRound", "any")
def duration_round(value: Any) -> str:
    """The largest unit that fits more than once: `2h`, `3mo`."""
    span = 0
    if isinstance(value, str):
        try:
            span = moments.span_of(value)
        except ValueError:
            span = 0
    elif isinstance(value, Moment):
        span = moments.unix_nanoseconds(now()) - moments.unix_nanoseconds(value)
    elif isinstance(value, Int64):
        span = value
    hour = 3600 * 10**9
    units = ((hour * 24 * 365, "y"), (hour * 24 * 30, "mo"), (hour * 24, "d"), (hour, "h"), (60 * 10**9, "m"), (10**9, "s"))
    return next((f"{abs(span) // unit}{name}" for unit, name in units if abs(span) > unit), "0s")
