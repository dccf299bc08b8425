"""A second Service for some of a path's requests (kubernetes.md §5.5), remembered by path. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from pointsman.dialect.gotemplate.printing import quoted
from pointsman_kubernetes.backends import Address, Unservable
from pointsman_kubernetes.nginx.endpoints import Endpoints
from pointsman_kubernetes.nginx.ingress import Ingress, Path, Target

Key = tuple[str, str, str, str]
"""Namespace, host, path and its type."""


@frozen
class Canary:
    """Which requests go where else."""

    target: Target
    addresses: Sequence[Address]
    weight: int
    total: int
    header: str = ""
    value: str = ""
    pattern: str = ""
    cookie: str = ""

    @property
    def by_request(self) -> str:
        """The rule of requests that ask for it; "" if none can."""
        parts = []
        if self.header and self.value:
            parts.append(f"Header({quoted(self.header)}, {quoted(self.value)})")
        elif self.header and self.pattern:
            parts.append(f"HeaderRegexp({quoted(self.header)}, {quoted(self.pattern)})")
        elif self.header:
            parts.append(self._header("always"))
        if self.cookie:
            asked = self._cookie("always")
            parts.append(f"({asked} && !{self._header('never')})" if self._plain else asked)
        return " || ".join(parts)

    @property
    def against(self) -> str:
        """The rule of requests that ask not to have it; "" if none need."""
        if self.weight <= 0:
            return ""
        parts = [self._header("never")] if self._plain else []
        return " || ".join([*parts, *([self._cookie("never")] if self.cookie else [])])

    @property
    def _plain(self) -> bool:
        """Whether the header says always or never."""
        return bool(self.header) and not self.value and not self.pattern

    def _header(self, value: str) -> str:
        return f"Header({quoted(self.header)}, {quoted(value)})"

    def _cookie(self, value: str) -> str:
        expression = rf"(^|;\s*){_literal(self.cookie)}={value}(;|$)"
        return f'HeaderRegexp("Cookie", {quoted(expression)})'


def _literal(text: str) -> str:
    """As Go's regexp.QuoteMeta writes it."""
    return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", text)


def key_of_path(ingress: Ingress, host: str, path: Path) -> Key:
    return ingress.namespace, host, path.path, path.kind


def canaries(
    ingresses: Iterable[Ingress], production: Mapping[Key, tuple[Ingress, Target]], endpoints: Endpoints
) -> Mapping[Key, Canary]:
    """By the paths whose requests they get some of; `production` are these paths' own Ingresses and Services."""
    found: dict[Key, Canary] = {}
    for ingress in ingresses:
        for rule in ingress.rules:
            for path in rule.paths:
                key = key_of_path(ingress, rule.host, path)
                where = f"canary of host {rule.host or '*'} and path {path.path or '/'}"
                if key not in production:
                    ingress.tell(f"{where}: no other Ingress of the namespace has this path with the same type")
                elif key in found:
                    ingress.tell(f"{where}: an older Ingress has it already")
                elif path.target == production[key][1]:
                    ingress.tell(f"{where}: its service is that of the path itself")
                elif canary := _canary(ingress, path.target, production[key][0], endpoints, where):
                    found[key] = canary
                    ingress.served = True
    return found


def _canary(ingress: Ingress, target: Target, main: Ingress, endpoints: Endpoints, where: str) -> Canary | None:
    try:
        addresses = endpoints.of(ingress.namespace, target, main.annotations)
    except Unservable as error:
        ingress.tell(f"{where}: {error}")
        return None
    if not addresses:
        ingress.tell(f"{where}: service {ingress.namespace}/{target.service} has no endpoints")
        return None
    notes = ingress.annotations
    total = max(notes.number("canary-weight-total"), 100)
    return Canary(
        target,
        addresses,
        min(max(notes.number("canary-weight"), 0), total),
        total,
        notes.text("canary-by-header"),
        notes.text("canary-by-header-value"),
        notes.text("canary-by-header-pattern"),
        notes.text("canary-by-cookie"),
    )
