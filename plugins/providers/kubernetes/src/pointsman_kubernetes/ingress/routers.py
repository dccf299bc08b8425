"""Routers of one Ingress (kubernetes.md §2.4)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pointsman.dialect.lookups import at, block, blocks, text
from pointsman.errors import Problem
from pointsman_kubernetes.backends import Unservable
from pointsman_kubernetes.ingress.annotations import RouterSays
from pointsman_kubernetes.ingress.rules import host_rule, joined, path_rule
from pointsman_kubernetes.ingress.services import Services
from pointsman_kubernetes.names import digest, norm
from pointsman_kubernetes.objects import Object, key_of, name_of, namespace_of

LOWEST: Final = -(2**31)
"""Of the default backend: any other router wins."""
DEFAULT_ROUTER: Final = "default-router"
DEFAULT_SERVICE: Final = "default-backend"


class Routers:
    """Routers of all Ingresses, by names that belong to one Ingress each. `made`, and `problems`, are read at the end."""

    def __init__(self, services: Services, syntax: str, *, strict: bool, fallback: bool) -> None:
        """`syntax` is v2 or v3, for Ingresses that say nothing of it."""
        self.made: dict[str, dict[str, Any]] = {}
        self.problems: list[Problem] = []
        self._services = services
        self._syntax = syntax
        self._strict = strict
        self._fallback = fallback
        self._owners: dict[str, str] = {DEFAULT_ROUTER: ""}

    def add(self, ingress: Object, said: RouterSays) -> None:
        """All that this Ingress says. What is wrong of it is told, and left out."""
        rules = blocks(ingress, "spec", "rules")
        backend = at(ingress, "spec", "defaultBackend")
        if not rules and isinstance(backend, Mapping):
            self._add_default(ingress, said, backend)
            return
        made: dict[str, list[dict[str, Any]]] = {}
        for key, router in self._paths(ingress, said, rules):
            made.setdefault(key, []).append(router)
        if self._fallback and isinstance(backend, Mapping):
            for key, router in self._fallbacks(ingress, said, rules, backend):
                made.setdefault(key, []).append(router)
        self._name(ingress, made)

    def _name(self, ingress: Object, made: Mapping[str, list[dict[str, Any]]]) -> None:
        owner = key_of(ingress)
        for key, several in made.items():
            for router in several:
                name = f"{key}-{digest(router['rule'])}" if len(several) > 1 else key
                if self._owners.setdefault(name, owner) != owner:
                    taken, name = name, f"{name}-{digest(owner + ' ' + router['rule'])}"
                    whose = f" of ingress {self._owners[taken]}" if self._owners[taken] else ""
                    self._tell(ingress, f"a router is called {name}, for there is a {taken}{whose}")
                elif name in self.made:
                    self._tell(ingress, f"says {router['rule']} twice; the last one counts")
                self.made[name] = router

    def _tell(self, ingress: Object, message: str) -> None:
        self.problems.append(Problem(f"ingress {key_of(ingress)}", message, warning=True))

    def _router(self, ingress: Object, said: RouterSays, rule: str, service: str) -> dict[str, Any]:
        observability = block(said.router, "observability")
        metadata = {"ingress": {"kind": "Ingress", "name": name_of(ingress), "namespace": namespace_of(ingress)}}
        return {
            **said.router,
            "rule": rule,
            "service": service,
            "observability": {**observability, "metadata": metadata},
        }

    def _add_default(self, ingress: Object, said: RouterSays, backend: Mapping[str, Any]) -> None:
        if DEFAULT_SERVICE in self._services.made:
            self._tell(
                ingress, f"its default backend has no effect: there is that of {self._owners[DEFAULT_ROUTER]} already"
            )
            return
        try:
            service = self._services.default(namespace_of(ingress), backend)
        except Unservable as error:
            self._tell(ingress, f"its default backend is left out: {error}")
            return
        self._services.made[DEFAULT_SERVICE] = service
        self._owners[DEFAULT_ROUTER] = key_of(ingress)
        router = self._router(ingress, said, 'PathPrefix("/")', DEFAULT_SERVICE)
        self.made[DEFAULT_ROUTER] = {**router, "priority": LOWEST}

    def _paths(
        self, ingress: Object, said: RouterSays, rules: list[Mapping[str, Any]]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Routers and the names they would like to have."""
        namespace, name = namespace_of(ingress), name_of(ingress)
        for rule in rules:
            host = text(rule, "host")
            on_host = host_rule(host, self._syntax_of(said))
            for entry in blocks(rule, "http", "paths"):
                path = text(entry, "path")
                try:
                    on_path = path_rule(path, text(entry, "pathType"), said.path_matcher, strict=self._strict)
                    service = self._services.name_of(namespace, block(entry, "backend"))
                except ValueError as error:
                    self._tell(ingress, f"{host}{path or '/'} is left out: {error}")
                    continue
                yield norm(namespace, name, host + path), self._router(ingress, said, joined(on_host, on_path), service)

    def _fallbacks(
        self, ingress: Object, said: RouterSays, rules: list[Mapping[str, Any]], backend: Mapping[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """What no path of the hosts of this Ingress matches (kubernetes.md §7.2)."""
        namespace = namespace_of(ingress)
        try:
            service = self._services.name_of(namespace, backend)
        except Unservable as error:
            self._tell(ingress, f"its default backend is left out: {error}")
            return
        for host in dict.fromkeys(text(rule, "host") for rule in rules):
            rule = joined(host_rule(host, self._syntax_of(said)), "")
            router = self._router(ingress, said, rule, service)
            key = norm(namespace, name_of(ingress), host, DEFAULT_SERVICE)
            yield key, {**router, "priority": LOWEST + 1 if host else LOWEST}

    def _syntax_of(self, said: RouterSays) -> str:
        return text(said.router, "ruleSyntax") or self._syntax
