"""What clients are told: how long a refusal lasts, and what is left of a limit."""

import math

from pointsman import Response


def in_go(nanoseconds: int) -> str:
    """A span of time as Go prints it: `997.649ms`, `9.99s`, `1m0s`."""
    if nanoseconds < 1_000_000_000:
        for size, unit in ((1_000_000, "ms"), (1_000, "µs"), (1, "ns")):
            if nanoseconds >= size:
                return _decimal(nanoseconds, size) + unit
        return "0s"
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{text}{_decimal(rest, 1_000_000_000)}s"


def _decimal(number: int, size: int) -> str:
    whole, part = divmod(number, size)
    digits = f"{part:0{len(str(size)) - 1}d}".rstrip("0") if part else ""
    return f"{whole}.{digits}" if digits else str(whole)


def refusal(wait: float) -> Response:
    """429, with the seconds after which to come again (middlewares.md §3.17)."""
    after = in_go(int(wait * 1e9)).encode()
    headers = [(b"retry-after", b"%d" % math.ceil(wait)), (b"x-retry-in", after)]
    return Response(429, headers, b"Too Many Requests")


def standing(burst: int, left: float, rate: float) -> list[tuple[bytes, bytes]]:
    """How much is left of a limit, and in how many seconds there will be all of it, in the headers that are in wide use."""
    return [
        (b"ratelimit-limit", b"%d" % burst),
        (b"ratelimit-remaining", b"%d" % max(0, math.floor(left))),
        (b"ratelimit-reset", b"%d" % max(0, math.ceil((burst - left) / rate))),
    ]
