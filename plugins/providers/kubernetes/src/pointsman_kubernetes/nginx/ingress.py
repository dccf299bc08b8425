"""One Ingress as this provider sees it: what it asks for, and what is told of it. Pure."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final

from attrs import frozen

from pointsman.dialect.lookups import at, block, blocks, text
from pointsman.errors import Problem
from pointsman_kubernetes.nginx.annotations import Annotations
from pointsman_kubernetes.objects import Object, key_of, name_of, namespace_of

EXACT: Final = "Exact"
PREFIX: Final = "Prefix"
ANY: Final = "ImplementationSpecific"


class Denied(ValueError):
    """What keeps somebody out cannot be had, so the paths concerned answer 503: the message says why."""


@frozen
class Target:
    """A Service, and its port by number or name."""

    service: str
    port: int | str = 0
    """0: the first one."""

    @property
    def said(self) -> str:
        """`web-80`, as names have it."""
        return f"{self.service}-{self.port}"


@frozen
class Path:
    """One path of a rule."""

    index: int
    path: str
    kind: str
    target: Target


@frozen
class Rule:
    """The paths of a host; "" is every host."""

    index: int
    host: str
    paths: Sequence[Path]
    bare: bool = False
    """Whether it has no `http` at all."""


class Ingress:
    """Equal to itself only."""

    def __init__(self, thing: Object) -> None:
        self.thing = thing
        self.namespace = namespace_of(thing)
        self.name = name_of(thing)
        self.key = key_of(thing)
        self.prefix = f"{self.namespace}-{self.name}"
        """What the names of all that is made of it begin with."""
        self.annotations = Annotations(thing)
        self.problems: list[Problem] = []
        self.served = False
        """Whether something was made of it."""

    def __repr__(self) -> str:
        return f"<Ingress {self.key}>"

    def tell(self, message: str, *, loud: bool = False) -> None:
        """A warning, once."""
        problem = Problem(f"ingress {self.key}", message, warning=True, loud=loud)
        if problem not in self.problems:
            self.problems.append(problem)

    @cached_property
    def rules(self) -> Sequence[Rule]:
        return list(self._rules())

    @cached_property
    def default(self) -> Target | None:
        """Its `spec.defaultBackend`."""
        return _target(block(self.thing, "spec", "defaultBackend"))

    @cached_property
    def tls(self) -> Sequence[str]:
        """Names of Secrets; "" where a block names none."""
        return [text(each, "secretName") for each in blocks(self.thing, "spec", "tls")]

    def _rules(self) -> Iterator[Rule]:
        rules = at(self.thing, "spec", "rules")
        for index, rule in enumerate(rules if isinstance(rules, list) else ()):
            if isinstance(at(rule, "host"), str | None):
                yield Rule(index, text(rule, "host"), list(_paths(rule)), bare=not block(rule, "http"))


def _paths(rule: Any) -> Iterator[Path]:
    paths = at(rule, "http", "paths")
    for index, path in enumerate(paths if isinstance(paths, list) else ()):
        target = _target(block(path, "backend"))
        if target is not None and isinstance(at(path, "path"), str | None):
            yield Path(index, text(path, "path"), text(path, "pathType") or PREFIX, target)


def _target(backend: Any) -> Target | None:
    service = text(backend, "service", "name")
    if not service:
        return None
    number = at(backend, "service", "port", "number")
    return Target(service, text(backend, "service", "port", "name") or (number if type(number) is int else 0))
