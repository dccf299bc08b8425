"""Times and durations as Go's time package reads and writes them."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import frozen

from pointsman.dialect.gotemplate.errors import Wrong
from pointsman.dialect.gotemplate.values import Moment, Span

MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_UNITS: Final = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_SPAN = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_ELEMENT = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|-07:00:00|-07:00|-070000|-0700|-07|Z07:00:00|Z07:00|Z070000|Z0700|Z07"
    r"|002|01|02|03|04|05|06|15|PM|pm|_2006|__2|_2|[.,]0+(?!\d)|[.,]9+(?!\d)|1|2|3|4|5"
)
ZERO: Final = Moment(datetime(1, 1, 1, tzinfo=UTC))


def span_of(text: str) -> int:
    """Nanoseconds in a duration such as `1h30m` or `-1.5s`. ValueError if it is none."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in "+-" else text
    if rest == "0":
        return 0
    total = 0
    place = 0
    while place < len(rest) and (match := _SPAN.match(rest, place)):
        number, fraction = match[1].partition(".")[::2]
        unit = _UNITS[match[2]]
        total += int(number or 0) * unit + (int(fraction) * unit // 10 ** len(fraction) if fraction else 0)
        place = match.end()
    if not rest or place != len(rest) or total >= 2**63:
        raise ValueError(f"invalid duration {text!r}")
    return sign * total


def span_text(span: int) -> str:
    """`1h30m0s`, `1.5s`, `100ms`."""
    sign, left = ("-" if span < 0 else ""), abs(span)
    if left == 0:
        return "0s"
    if left < 10**9:
        unit, name = next((each for each in ((10**6, "ms"), (10**3, "µs")) if left >= each[0]), (1, "ns"))
        return f"{sign}{_fraction(left, unit)}{name}"
    minutes, rest = divmod(left, 60 * 10**9)
    text = f"{_fraction(rest, 10**9)}s"
    if minutes:
        text = f"{minutes % 60}m{text}"
        if minutes >= 60:
            text = f"{minutes // 60}h{text}"
    return sign + text


def _fraction(number: int, unit: int) -> str:
    whole, rest = divmod(number, unit)
    return f"{whole}.{rest:0{len(str(unit)) - 1}d}".rstrip("0") if rest else str(whole)


def moved(moment: Moment, nanoseconds: int) -> Moment:
    """So much later. Wrong beyond the years 1 to 9999."""
    microseconds, left = divmod(moment.nanoseconds + nanoseconds, 1000)
    try:
        return Moment(moment.time + timedelta(microseconds=microseconds), left)
    except OverflowError:
        raise Wrong("a time before the year 1 or after 9999") from None


def unix_nanoseconds(moment: Moment) -> int:
    passed = moment.time - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * 86400 + passed.seconds) * 10**9 + passed.microseconds * 1000 + moment.nanoseconds


def of_unix(seconds: int) -> Moment:
    """Wrong beyond the years 1 to 9999."""
    return moved(Moment(datetime(1970, 1, 1, tzinfo=UTC)), seconds * 10**9)


def zone(name: str) -> tzinfo | None:
    """A time zone by its name; None for the machine's own, and UTC for what is unknown."""
    if name == "Local":
        return None
    try:
        return UTC if name in ("", "UTC") else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def localised(moment: Moment, where: tzinfo | None) -> Moment:
    try:
        return Moment(moment.time.astimezone(where), moment.nanoseconds)
    except (OverflowError, ValueError):
        return moment


def _offset(time: datetime, element: str) -> str:
    seconds = round((time.utcoffset() or timedelta()).total_seconds())
    if element[0] == "Z" and seconds == 0:
        return "Z"
    minutes, second = divmod(abs(seconds), 60)
    hour, minute = divmod(minutes, 60)
    colon = ":" if ":" in element else ""
    digits = len(element.replace(":", "")) - 1
    parts = [f"{hour:02d}", f"{minute:02d}", f"{second:02d}"][: digits // 2]
    return ("-" if seconds < 0 else "+") + colon.join(parts)


def _abbreviation(time: datetime) -> str:
    name = time.tzname() or "UTC"
    return _offset(time, "-07") if name[0] in "+-" else name


def _of_element(moment: Moment, element: str) -> str:
    time = moment.time
    if element[0] in ".,":
        nanoseconds = f"{time.microsecond * 1000 + moment.nanoseconds:09d}"[: len(element) - 1]
        nanoseconds = nanoseconds.rstrip("0") if element[1] == "9" else nanoseconds
        return element[0] + nanoseconds if nanoseconds else ""
    if element[0] in "-Z":
        return _offset(time, element)
    return _WRITTEN[element](time)


_WRITTEN: Final[Mapping[str, Callable[[datetime], str]]] = {
    "January": lambda time: MONTHS[time.month - 1],
    "Jan": lambda time: MONTHS[time.month - 1][:3],
    "01": lambda time: f"{time.month:02d}",
    "1": lambda time: str(time.month),
    "Monday": lambda time: DAYS[time.weekday()],
    "Mon": lambda time: DAYS[time.weekday()][:3],
    "2006": lambda time: f"{time.year:04d}",
    "06": lambda time: f"{time.year % 100:02d}",
    "_2006": lambda time: f"_{time.year:04d}",
    "02": lambda time: f"{time.day:02d}",
    "_2": lambda time: f"{time.day:2d}",
    "2": lambda time: str(time.day),
    "002": lambda time: f"{time.timetuple().tm_yday:03d}",
    "__2": lambda time: f"{time.timetuple().tm_yday:3d}",
    "15": lambda time: f"{time.hour:02d}",
    "03": lambda time: f"{time.hour % 12 or 12:02d}",
    "3": lambda time: str(time.hour % 12 or 12),
    "04": lambda time: f"{time.minute:02d}",
    "4": lambda time: str(time.minute),
    "05": lambda time: f"{time.second:02d}",
    "5": lambda time: str(time.second),
    "PM": lambda time: "PM" if time.hour >= 12 else "AM",
    "pm": lambda time: "pm" if time.hour >= 12 else "am",
    "MST": lambda time: _abbreviation(time),
}


def moment_format(moment: Moment, layout: str) -> str:
    return _ELEMENT.sub(lambda match: _of_element(moment, match.group()), layout)


def moment_text(moment: Moment) -> str:
    return moment_format(moment, "2006-01-02 15:04:05.999999999 -0700 MST")


_DIGITS: Final = {
    "2006": r"(?P<year>\d{4})", "06": r"(?P<short>\d{2})", "01": r"(?P<month>\d{2})", "1": r"(?P<month>\d{1,2})",
    "02": r"(?P<day>\d{2})", "2": r"(?P<day>\d{1,2})", "_2": r"(?P<day> ?\d{1,2})", "002": r"(?P<yearday>\d{3})",
    "15": r"(?P<hour>\d{2})", "03": r"(?P<half>\d{2})", "3": r"(?P<half>\d{1,2})",
    "04": r"(?P<minute>\d{2})", "4": r"(?P<minute>\d{1,2})", "05": r"(?P<second>\d{2})", "5": r"(?P<second>\d{1,2})",
    "PM": r"(?P<noon>AM|PM)", "pm": r"(?P<noon>am|pm)", "MST": r"(?P<zone>[A-Z]{3,5}|[+-]\d{2})",
    "January": rf"(?P<name>(?i:{'|'.join(MONTHS)}))", "Jan": rf"(?P<name>(?i:{'|'.join(each[:3] for each in MONTHS)}))",
    "Monday": rf"(?i:{'|'.join(DAYS)})", "Mon": rf"(?i:{'|'.join(each[:3] for each in DAYS)})",
}  # fmt: skip


def parsed(layout: str, text: str, where: tzinfo | None) -> Moment:
    """A time as the layout writes it. ValueError if it is written otherwise."""
    pattern, place = "", 0
    for match in _ELEMENT.finditer(layout):
        element = match.group()
        pattern += re.escape(layout[place : match.start()])
        if element[0] in ".,":
            pattern += r"(?P<fraction>[.,]\d+)" if element[1] == "0" else r"(?P<fraction>[.,]\d+)?"
        elif element[0] in "-Z":
            colon = ":" if ":" in element else ""
            digits = colon.join([r"\d{2}"] * ((len(element.replace(":", "")) - 1) // 2))
            pattern += rf"(?P<offset>{'Z|' if element[0] == 'Z' else ''}[+-]{digits})"
        else:
            pattern += _DIGITS.get(element, re.escape(element))
            if element in ("05", "5"):
                pattern += (
                    "" if layout[match.end() : match.end() + 2] in (".0", ".9", ",0", ",9") else r"(?P<fraction>[.,]\d+)?"
                )
        place = match.end()
    pattern += re.escape(layout[place:])
    try:
        found = re.fullmatch(pattern, text, re.ASCII)
    except re.error:
        raise ValueError(f"the layout {layout!r} has an element twice") from None
    if found is None:
        raise ValueError(f"parsing time {text!r} as {layout!r}: it is written otherwise")
    return _Parts(found.groupdict()).moment(where)


@frozen
class _Parts:
    """What a pattern of `parsed` found, by the names of its groups."""

    found: dict[str, str | None]

    def _number(self, name: str, default: int) -> int:
        return int(self.found.get(name) or default)

    def moment(self, where: tzinfo | None) -> Moment:
        year = self._number("year", 1)
        if short := self.found.get("short"):
            year = int(short) + (1900 if int(short) >= 69 else 2000)
        month = self._number("month", 1)
        if name := self.found.get("name"):
            month = next(number for number, each in enumerate(MONTHS, 1) if each.lower().startswith(name.lower()))
        hour = self._number("hour", 0)
        if half := self.found.get("half"):
            hour = int(half) % 12 if self.found.get("noon") else int(half)
        if (self.found.get("noon") or "").upper() == "PM":
            hour = hour % 12 + 12
        fraction = (self.found.get("fraction") or ".0")[1:10].ljust(9, "0")
        microseconds, nanoseconds = divmod(int(fraction), 1000)
        time = datetime(
            year, month, self._number("day", 1), hour, self._number("minute", 0), self._number("second", 0), microseconds
        )
        if yearday := self.found.get("yearday"):
            time += timedelta(days=int(yearday) - time.timetuple().tm_yday)
        return Moment(self._placed(time, where), nanoseconds)

    def _placed(self, time: datetime, where: tzinfo | None) -> datetime:
        offset = self.found.get("offset")
        if offset is None:
            try:
                return time.replace(tzinfo=where) if where is not None else time.astimezone()
            except (OverflowError, ValueError):
                return time.replace(tzinfo=UTC)
        if offset == "Z":
            return time.replace(tzinfo=UTC)
        digits = offset[1:].replace(":", "").ljust(6, "0")
        away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]), seconds=int(digits[4:6]))
        return time.replace(tzinfo=timezone(-away if offset[0] == "-" else away))


def span(nanoseconds: int) -> Span:
    return Span(max(-(2**63), min(nanoseconds, 2**63 - 1)))
