"""What a provider instance is given, and how its documents are checked (style.md, one configuration change, step 3)."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve

from pointsman.api import Binder, Handler, Middleware
from pointsman.config.dynamic import declared, structure_document
from pointsman.control.merge import Tree, unseen
from pointsman.errors import ConfigError, Problem


class Shape:
    """Checks the documents of one provider; an element found good once is not checked again until it changes.

    Its methods may run in any thread: what is remembered only ever saves work.
    """

    def __init__(self, name: str, middlewares: Mapping[str, type[Middleware]]) -> None:
        self._name = name
        self._middlewares = middlewares
        self._good: Tree = {}

    def accepts(self, document: Any, source: str = "") -> tuple[bool, list[Problem]]:
        """Whether the document may be used, and its problems: what refuses it, or elements that are left out."""
        try:
            structured, problems = structure_document(unseen(document, self._good), self._middlewares, source)
        except RecursionError:
            return False, [Problem("", "is nested too deeply to be a configuration")]
        if structured is None:
            return False, problems
        for section, name, element in declared(document):
            self._good.setdefault(section, {})[name] = element
        return True, problems

    def forget_all_but(self, document: Any) -> None:
        """Remember the elements of the document that is in force, and no others."""
        good: Tree = {}
        for section, name, element in declared(document):
            good.setdefault(section, {})[name] = element
        self._good = good


class Context:
    """A ProviderContext. `check` gives problems that refuse a document, or, as warnings, elements that would be left out."""

    def __init__(self, name: str, middlewares: Mapping[str, type[Middleware]]) -> None:
        self._name = name
        self.shape = Shape(name, middlewares)

    @property
    def name(self) -> str:
        return self._name

    @property
    def logger(self) -> logging.Logger:
        return logging.getLogger(f"pointsman.providers.{self._name}")

    def check(self, document: Mapping[str, Any]) -> Sequence[Problem]:
        accepted, problems = self.shape.accepts(document)
        return [evolve(problem, warning=True) for problem in problems] if accepted else problems

    def handler_for(self, service: str) -> Handler:
        raise ConfigError(
            Problem(f"providers.{self._name}", f"a provider serves no requests, so it has no service '{service}'")
        )

    def chain(self, middlewares: Sequence[str]) -> Binder:
        raise ConfigError(Problem(f"providers.{self._name}", "a provider serves no requests, so it has no middlewares"))
