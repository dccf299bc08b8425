"""What a provider instance is given, and how its documents are checked (style.md, one configuration change, step 3)."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import evolve, frozen

from pointsman.api import Binder, Counter, Gauge, Handler, ListeningPoint, SharedState
from pointsman.builtin.file_document import combine
from pointsman.config.bodies import known_part, read_json, read_yaml
from pointsman.config.dynamic import declared, structure_document
from pointsman.config.labels import from_keys, from_labels
from pointsman.config.middlewares import NO_KINDS, Kinds
from pointsman.control.merge import Tree, same, unseen
from pointsman.deadlines import Deadlines
from pointsman.errors import ConfigError, Problem
from pointsman.net.client_tls import ClientTls
from pointsman.spans import REQUEST

_NONE: Final[Mapping[str, Any]] = {}


@frozen
class Verdict:
    """Whether a document may be used, what refuses it or which elements are left out, and whether it says anything new."""

    accepted: bool
    problems: list[Problem]
    changed: bool = False


class Shape:
    """Checks the documents of one provider; an element found good once is not checked again until it changes.

    Its methods may run in any thread: what is remembered of good elements only ever saves work.
    """

    def __init__(self, name: str, middlewares: Kinds, tcp_middlewares: Kinds = NO_KINDS) -> None:
        self._name = name
        self._middlewares = middlewares
        self._tcp_middlewares = tcp_middlewares
        self._good: Tree = {}
        self._current: Tree = {}

    def check(self, document: Any, source: str = "") -> Verdict:
        """Judge a part of what the provider may say later."""
        verdict = self._judge(document, source)
        if not verdict.accepted:
            return verdict
        for section, name, element in declared(document):
            self._good.setdefault(section, {})[name] = element
        return verdict

    def accept(self, document: Any, source: str) -> Verdict:
        """Judge all that the provider says; it is compared with what was accepted before, and remembered in its place."""
        verdict = self._judge(document, source)
        if not verdict.accepted:
            return verdict
        before, changed = self._current, False
        current: Tree = {}
        for section, name, element in declared(document):
            known = before.get(section, {}).get(name)
            changed = changed or known is None or not same(known, element)
            current.setdefault(section, {})[name] = element
        changed = changed or any(len(current.get(section, ())) != len(names) for section, names in before.items())
        self._current = current
        self._good = {section: dict(names) for section, names in current.items()}
        return evolve(verdict, changed=changed)

    def _judge(self, document: Any, source: str) -> Verdict:
        try:
            structured, problems = structure_document(
                unseen(document, self._good), self._middlewares, source, self._tcp_middlewares
            )
        except RecursionError:
            return Verdict(False, [Problem("", "is nested too deeply to be a configuration")])
        return Verdict(structured is not None, problems)


class Context:
    """A ProviderContext. `check` gives problems that refuse a document, or, as warnings, elements that would be left out."""

    def __init__(
        self,
        name: str,
        middlewares: Kinds,
        tcp_middlewares: Kinds = NO_KINDS,
        entry_points: Sequence[ListeningPoint] = (),
        rule_syntax: str = "v3",
        providers: Mapping[str, Any] = _NONE,
    ) -> None:
        self._name = name
        self._providers = providers
        self.entry_points = entry_points
        self.rule_syntax = rule_syntax
        self._kinds = middlewares, tcp_middlewares
        self._warned: Sequence[Problem] = ()
        self.deadlines = Deadlines()
        self.shape = Shape(name, middlewares, tcp_middlewares)

    @property
    def name(self) -> str:
        return self._name

    @property
    def logger(self) -> logging.Logger:
        return logging.getLogger(f"pointsman.providers.{self._name}")

    def configured(self, provider: str) -> Any:
        return self._providers.get(provider)

    @property
    def shared(self) -> SharedState:
        raise ConfigError(
            Problem(f"providers.{self._name}", "a provider runs once, so it shares nothing with other workers")
        )

    def check(self, document: Mapping[str, Any]) -> Sequence[Problem]:
        verdict = self.shape.check(document)
        return [evolve(problem, warning=True) for problem in verdict.problems] if verdict.accepted else verdict.problems

    def from_labels(self, labels: Mapping[str, str]) -> tuple[dict[str, Any], Sequence[Problem]]:
        return from_labels(labels, *self._kinds)

    def from_keys(self, pairs: Mapping[str, str]) -> dict[str, Any]:
        try:
            document, warnings = from_keys(pairs, *self._kinds)
        except ConfigError as error:  # several stores may be read
            raise ConfigError(evolve(each, path=f"{self._name}: {each.path}") for each in error.problems) from None
        for problem in warnings:
            if problem not in self._warned:
                self.logger.warning("%s: %s", self._name, problem)
        self._warned = warnings
        return document

    def from_yaml(self, data: bytes, name: str) -> tuple[dict[str, Any], Sequence[Problem]]:
        document = read_yaml(data, name)
        places = self.check(document)
        problems = [evolve(each, path=f"{name}: {each.path}" if each.path else name) for each in places]
        if not all(problem.warning for problem in problems):
            raise ConfigError(problems)
        return combine([(name, document, False)])[0], problems

    def from_json(self, data: bytes) -> tuple[Any, Sequence[Problem]]:
        document = known_part(read_json(data), *self._kinds)
        problems = self.check(document)
        if not all(problem.warning for problem in problems):
            raise ConfigError(problems)
        return document, problems

    def handler_for(self, service: str) -> Handler:
        raise ConfigError(
            Problem(f"providers.{self._name}", f"a provider serves no requests, so it has no service '{service}'")
        )

    def server(
        self, url: str, *, tls: ClientTls | None = None, timeout_seconds: float = 0.0, span_name: str = REQUEST
    ) -> Handler:
        raise ConfigError(Problem(f"providers.{self._name}", "a provider serves no requests, so it has no servers"))

    def counter(self, name: str, help: str, **labels: str) -> Counter:
        raise ConfigError(Problem(f"providers.{self._name}", "a provider serves no requests, so it counts nothing"))

    def gauge(self, name: str, help: str, **labels: str) -> Gauge:
        raise ConfigError(Problem(f"providers.{self._name}", "a provider serves no requests, so it counts nothing"))

    def chain(self, middlewares: Sequence[str]) -> Binder:
        raise ConfigError(Problem(f"providers.{self._name}", "a provider serves no requests, so it has no middlewares"))
