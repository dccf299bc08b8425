"""Which of several HTTP routers goes first (§4.5), as numbers. Pure.

The dialect's numbers are kept where they say what the Gateway API wants, so that routers of other providers stay before or
behind these as in the reference. Where they do not, a router is put above those that it has to go before, and no further.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from attrs import define

ALL: Final = "*"
"""In the place of a path, all of one rank."""
_Place = tuple[tuple[str, bool], str]


@define(eq=False)
class Contender:
    """A router whose priority is to be found."""

    router: dict[str, Any]
    """Gets its `priority`."""
    where: tuple[str, bool]
    """Entry point, and whether it is for TLS: others never meet."""
    hostnames: tuple[str, ...]
    """All exact, or all wildcards of one length (`classes`); empty for any host."""
    rank: tuple[Any, ...]
    """How precise the match is: the greater goes first, where a host name fits both. Comparable with each other."""
    usual: int
    """The priority in the dialect."""
    age: tuple[Any, ...]
    """The smaller goes first among equals: when the route was made, its name, the place of the rule in it."""
    path: str | None = None
    """Two of one rank with different paths never meet; None for what may meet anything."""


def classes(hostnames: Iterable[str]) -> list[tuple[str, ...]]:
    """Host names put together that are equally precise: each group has a router of its own. One empty group for none."""
    groups: dict[tuple[bool, int], list[str]] = {}
    for name in hostnames:
        groups.setdefault(precision(name), []).append(name)
    return [tuple(group) for group in groups.values()] or [()]


def precision(hostname: str) -> tuple[bool, int]:
    """The greater goes first: an exact name before a wildcard, a longer wildcard before a shorter one. "" is any host.

    Exact names are all equal: no request is for two of them.
    """
    exact = bool(hostname) and not hostname.startswith("*")
    return exact, 0 if exact else len(hostname)


def settle(contenders: Iterable[Contender]) -> None:
    """Give every router its priority: no two that can meet have the same one."""
    inverted = sorted(contenders, key=lambda each: each.age, reverse=True)
    inverted.sort(key=_precision)
    highest: dict[_Place, int] = {}
    for _, group in groupby(inverted, _precision):
        equal: dict[tuple[_Place, str | None], int] = {}
        for each in group:
            own: list[_Place] = [(each.where, name) for name in each.hostnames or ("",)]
            below = [highest.get((where, name), 0) for where, host in own for name in (host, *covering(host))]
            below += [equal.get((place, path), 0) for place in own for path in (each.path, None if each.path else ALL)]
            each.router["priority"] = priority = max(each.usual, 1 + max(below))
            for place in own:
                equal[place, each.path] = priority
                equal[place, ALL] = max(equal.get((place, ALL), 0), priority)
        for (place, _), priority in equal.items():
            highest[place] = max(highest.get(place, 0), priority)


def _precision(each: Contender) -> tuple[tuple[bool, int], tuple[Any, ...]]:
    return precision(each.hostnames[0] if each.hostnames else ""), each.rank


def covering(hostname: str) -> Iterable[str]:
    """The host names that take in this one, and more."""
    if hostname:
        labels = hostname.removeprefix("*.").split(".")
        for first in range(0 if hostname.startswith("*") else 1, len(labels)):
            yield "*." + ".".join(labels[first:])
        yield ""
