"""HTTPRoutes: a router for each rule, match and listener (§4.5). Pure."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import define, field, frozen

from pointsman.dialect.lookups import at, block, blocks, text
from pointsman_kubernetes.crd.references import Owner
from pointsman_kubernetes.gateway import filters, matches
from pointsman_kubernetes.gateway.attach import Attachment, Place, name_at, tell
from pointsman_kubernetes.gateway.backends import HTTP, Speech, Target, balanced, resolve, weigh
from pointsman_kubernetes.gateway.draft import Draft, Refused, Unresolved
from pointsman_kubernetes.gateway.matches import Match
from pointsman_kubernetes.gateway.order import Contender, classes
from pointsman_kubernetes.objects import born

_UNKNOWN: Final = ("retry", "sessionPersistence")
"""Of a rule, in the experimental channel."""
_DURATION: Final = re.compile(r"([0-9]{1,5}(h|m|s|ms)){1,4}")


@frozen
class Manner:
    """What the routes of a kind have of their own."""

    label: str
    """What their routers are called after."""
    matches: Callable[[Mapping[str, Any]], list[Match]]
    """Those of a rule."""
    speech: Speech
    error: Mapping[str, Any]
    """What a child of a weighted service is that cannot be asked."""
    in_order: bool
    """Whether the dialect's priorities count the rules that come after."""


def load(draft: Draft, attachments: Iterable[Attachment]) -> None:
    """Add these HTTPRoutes, the oldest first."""
    load_routes(draft, attachments, _MANNER)


def load_routes(draft: Draft, attachments: Iterable[Attachment], manner: Manner) -> None:
    """Add the routes of one kind."""
    for attachment in attachments:
        if attachment.parents:
            rules = blocks(attachment.route, "spec", "rules") or [{}]
            for position, rule in enumerate(rules):
                _Rule(draft, attachment, manner, rule, position, len(rules)).load()
        tell(draft, attachment)


@define(eq=False)
class _Rule:
    """One rule of a route, while its routers are made."""

    draft: Draft
    attachment: Attachment
    manner: Manner
    rule: Mapping[str, Any]
    position: int
    rules: int
    matches: list[Match] = field(init=False)
    targets: list[Target] = field(init=False)
    mirrors: dict[int, Target] = field(factory=dict)
    """By their place among the filters of the rule."""
    timeouts: dict[str, str] = field(init=False)

    def load(self) -> None:
        self.matches = self.manner.matches(self.rule)
        self.targets = resolve(self.draft, self.attachment, blocks(self.rule, "backendRefs"), self.manner.speech)
        self.timeouts = self._timeouts()
        mirrored = [each for each in blocks(self.rule, "filters") if text(each, "type") == filters.MIRROR]
        refs = [block(each, "requestMirror", "backendRef") for each in mirrored]
        self.mirrors = dict(enumerate(resolve(self.draft, self.attachment, refs, self.manner.speech)))
        self._check_once()
        for key in _UNKNOWN:
            if at(self.rule, key) is not None:
                kind, route = self.attachment.kind, self.attachment.route
                self.draft.complain(kind, route, f"rule {self.position}: {key} is not supported, and ignored")
        for place in self._places():
            for hostnames in classes(place.hostnames):
                for match in self.matches:
                    self._router(place, hostnames, match)

    def _places(self) -> Iterator[Place]:
        """Without those whose hosts the route has already on the same entry point, through another listener."""
        served: dict[tuple[str, str, str, bool], set[str]] = {}
        for place in self.attachment.places:
            at_ = place.gateway.namespace, place.gateway.name, place.listener.entry_point, place.listener.terminates
            names = served.setdefault(at_, set())
            if not set(place.hostnames or ("",)) <= names:
                names.update(place.hostnames or ("",))
                yield place

    def _check_once(self) -> None:
        """Tell the route what is wrong with filters, also where it is not attached."""
        for match in self.matches:
            for found in (self.rule, *(target.ref for target in self.targets)):
                try:
                    read = filters.read(blocks(found, "filters"), "", self._extension, match.prefix)
                    if read.mirrors and found is not self.rule:
                        raise Refused(
                            "UnsupportedValue", "a RequestMirror can be a filter of a rule only, not of a backendRef"
                        )
                except Unresolved as error:
                    self.attachment.unresolved(error.reason, f"rule {self.position}: {error.message}")
                except Refused as error:
                    self.attachment.refuse(error.reason, f"rule {self.position}: {error.message}")

    def _timeouts(self) -> dict[str, str]:
        """`request` and `backendRequest`, where they are durations that are not zero."""
        found = {}
        for key in ("request", "backendRequest"):
            value = text(self.rule, "timeouts", key)
            if value and not _DURATION.fullmatch(value):
                self.attachment.refuse("UnsupportedValue", f"rule {self.position}: timeouts.{key}: {value!r} is no duration")
            elif value.strip("0hms"):
                found[key] = value
        return found

    def _router(self, place: Place, hostnames: Sequence[str], match: Match) -> None:
        route, listener = self.attachment.route, place.listener
        host = matches.hosts(hostnames)
        rule = f"{host} && {match.rule}" if host else match.rule
        named = f"{host} && {match.named}" if host and match.named else match.named or rule
        name = name_at(self.draft, self.manner.label, self.attachment, place, self.position, named)
        router: dict[str, Any] = {"entryPoints": [listener.entry_point], "rule": rule, "ruleSyntax": "default"}
        if listener.terminates:
            router["tls"] = {}
        try:
            found = filters.read(blocks(self.rule, "filters"), name, self._extension, match.prefix)
        except Refused:
            router["service"] = self._failing(name, f"invalid-{self.manner.label}-filter", "err-wrr")
        else:
            middlewares = [*self._limits(name), *found.names]
            if middlewares:
                router["middlewares"] = middlewares
            self.draft.http["middlewares"].update(found.middlewares)
            router["service"] = self._mirrored(name, self._service(name, match), found.mirrors)
        self.draft.http["routers"][name] = router
        usual = match.usual + max(map(len, place.hostnames), default=0)
        usual += self.rules - self.position if self.manner.in_order else 0
        age = *born(route), self.position, self.matches.index(match), name
        where = listener.entry_point, listener.terminates
        self.draft.contenders.append(Contender(router, where, tuple(hostnames), match.rank, usual, age, match.path))

    def _extension(self, name: str) -> str:
        return self.draft.extension(Owner.of(self.attachment.kind, self.attachment.route), name)

    def _limits(self, router: str) -> list[str]:
        """The middleware that limits the whole request: outermost, for all that comes after it is to be in time."""
        if "request" not in self.timeouts:
            return []
        name = f"{router}-timeout"
        self.draft.http["middlewares"][name] = {"timeout": {"request": self.timeouts["request"]}}
        return [name]

    def _service(self, router: str, match: Match) -> str:
        if len(self.targets) == 1 and self.targets[0].internal and not blocks(self.targets[0].ref, "filters"):
            return self.targets[0].elsewhere
        if not self.targets:
            return self._failing(router, "no-backend-refs", "wrr")
        edits, targets = {}, []
        for position, target in enumerate(self.targets):
            owner = f"{router}-svc-{target.label}-{position}"
            try:
                read = filters.read(blocks(target.ref, "filters"), owner, self._extension, match.prefix)
                if read.mirrors:
                    raise Refused("UnsupportedValue", filters.MIRROR)
            except Refused as error:
                targets.append(Target(target.ref, target.weight, target.label, trouble=(error.reason, error.message)))
                continue
            targets.append(target)
            edits[position] = self._edit(read)
        return weigh(self.draft, router, targets, self.manner.error, edits)

    def _edit(self, found: filters.Filtered) -> dict[str, Any]:
        edit: dict[str, Any] = {}
        if found.names:
            self.draft.http["middlewares"].update(found.middlewares)
            edit["middlewares"] = found.names
        if "backendRequest" in self.timeouts:
            edit["loadBalancer"] = {"timeouts": {"request": self.timeouts["backendRequest"]}}
        return edit

    def _failing(self, router: str, child: str, suffix: str) -> str:
        name = f"{router}-{suffix}"
        failing = {"name": child, "weight": 1, **self.manner.error}
        self.draft.http["services"][name] = {"weighted": {"services": [failing]}}
        return name

    def _mirrored(self, router: str, service: str, mirrors: Sequence[Mapping[str, Any]]) -> str:
        """The service with its mirrors; one that cannot be had is told, and left out."""
        found = []
        for position, mirror in enumerate(mirrors):
            target, percent = self.mirrors[position], _percent(mirror)
            if target.trouble is not None or not percent:
                continue
            name = target.elsewhere or f"{router}-mirror-{target.label}-{position}"
            if not target.elsewhere:
                self.draft.http["services"][name] = balanced(self.draft, name, target)
            found.append({"name": name, "percent": percent})
        if not found:
            return service
        self.draft.http["services"][f"{router}-mirroring"] = {"mirroring": {"service": service, "mirrors": found}}
        return f"{router}-mirroring"


def _percent(mirror: Mapping[str, Any]) -> int:
    """How many of a hundred requests: whole percents, at least one if it is more than none."""
    percent = at(mirror, "percent")
    if isinstance(percent, int):
        return min(max(percent, 0), 100)
    numerator, denominator = at(mirror, "fraction", "numerator"), at(mirror, "fraction", "denominator")
    if not isinstance(numerator, int):
        return 100
    whole = denominator if isinstance(denominator, int) and denominator > 0 else 100
    return min(max(round(100 * numerator / whole), 1 if numerator > 0 else 0), 100)


_MANNER: Final = Manner("httproute", matches.of, HTTP, {"status": 500}, in_order=True)
