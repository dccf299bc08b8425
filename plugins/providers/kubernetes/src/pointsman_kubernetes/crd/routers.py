"""From IngressRoutes to routers (kubernetes.md §3.3, §3.11)."""

from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from typing import Any, Final

from pointsman.dialect.lookups import at, block, blocks, text
from pointsman.errors import Problem
from pointsman_kubernetes.crd import fields
from pointsman_kubernetes.crd.fields import Read, boolean, integer, items, string, strings, take
from pointsman_kubernetes.crd.references import Owner, Refused
from pointsman_kubernetes.crd.view import CLASS_ANNOTATION, View
from pointsman_kubernetes.kinds import INGRESS_ROUTE, MIDDLEWARE, TLS_OPTION
from pointsman_kubernetes.objects import Object

_ROUTE: Final[Mapping[str, Read]] = {
    "priority": integer,
    "observability": fields.block({"accessLogs": boolean, "metrics": boolean, "tracing": boolean, "traceVerbosity": string}),
}
TLS: Final[Mapping[str, Read]] = {
    "certResolver": string,
    "domains": fields.each(fields.block({"main": string, "sans": strings})),
}


def routers(view: View) -> tuple[dict[str, Any], list[Problem]]:
    """`http.routers`, with what is wrong: a route that cannot be is left out, and the others of its object stay.

    Their services are in `view.services` then.
    """
    return _Routers(view).made()


class _Routers:
    def __init__(self, view: View) -> None:
        self._view = view
        self._routers: dict[str, dict[str, Any]] = {}
        self._owners: dict[str, Owner] = {}
        self._problems: list[Problem] = []
        self._below = cache(self._names_of)

    def made(self) -> tuple[dict[str, Any], list[Problem]]:
        for thing in self._view.served(INGRESS_ROUTE):
            owner = Owner.of(INGRESS_ROUTE, thing)
            if text(thing, "metadata", "annotations", CLASS_ANNOTATION):
                self._problems.append(
                    owner.problem(f"the annotation {CLASS_ANNOTATION} is deprecated; set ingressClassName")
                )
            try:
                common = self._common(thing, owner)
            except Refused as error:
                self._problems.append(owner.problem(f"is left out: {error}"))
                continue
            for index, route in _routes(thing):
                try:
                    self._add(owner, index, route, {**common, **self._router(owner, index, route, thing)})
                except Refused as error:
                    self._problems.append(owner.problem(f"routes[{index}] is left out: {error}"))
        return self._routers, self._problems

    def _common(self, thing: Object, owner: Owner) -> dict[str, Any]:
        """What all routers of an object share. Refused if it cannot be."""
        spec = block(thing, "spec")
        common = take(spec, "", {"entryPoints": strings})
        if spec.get("tls") is not None:
            common["tls"] = take(spec["tls"], "tls", TLS)
        named = items(spec.get("parentRefs"), "parentRefs")
        if named:
            parents = [name for parent in named for name in self._parents(parent, owner)]
            if not parents:  # it would be a router of its own, without the middlewares of those it is below
                raise Refused("none of its parents has a route")
            common["parentRefs"] = list(dict.fromkeys(parents))
        return common

    def _parents(self, parent: Any, owner: Owner) -> list[str]:
        """All routers of an IngressRoute."""
        name = text(parent, "name")
        try:
            namespace = self._view.references.namespace(at(parent, "namespace"), owner)
        except Refused as error:
            raise Refused(f"parent {name!r}: {error}") from error
        if self._view.objects.get(INGRESS_ROUTE, name, namespace) is None:
            raise Refused(f"parent {namespace}/{name}: there is no such IngressRoute")
        return self._below(namespace, name)

    def _names_of(self, namespace: str, name: str) -> list[str]:
        thing = self._view.objects.get(INGRESS_ROUTE, name, namespace) or {}
        names = [
            self._view.names.router(namespace, name, index, text(route, "match"))
            for index, route in _routes(thing)
            if text(route, "match")
        ]
        own = Owner(INGRESS_ROUTE, namespace, name)
        return [each for each in names if self._claims.get(each) == own]

    @cached_property
    def _claims(self) -> dict[str, Owner]:
        """Whose a name is, for parents may be read later than their children."""
        claims: dict[str, Owner] = {}
        for thing in self._view.served(INGRESS_ROUTE):
            owner = Owner.of(INGRESS_ROUTE, thing)
            for index, route in _routes(thing):
                name = self._view.names.router(owner.namespace, owner.name, index, text(route, "match"))
                claims.setdefault(name, owner)
        return claims

    def _router(self, owner: Owner, index: int, route: Any, thing: Object) -> dict[str, Any]:
        """What is of this route alone, but for its service. Refused if it cannot be."""
        kind = text(route, "kind")
        if kind not in ("", "Rule"):
            raise Refused(f"kind {kind!r} is not supported; only 'Rule' is")
        if not text(route, "match"):
            raise Refused("match is empty; to take every request write PathPrefix(`/`)")
        router = {"rule": text(route, "match"), **take(route, "", _ROUTE)}
        origin = {"kind": owner.kind.name, "namespace": owner.namespace, "name": owner.name}
        router["observability"] = {**router.get("observability", {}), "metadata": {"ingress": origin}}
        if text(route, "syntax"):
            router["ruleSyntax"] = text(route, "syntax")
        resolve = self._view.references.resolve
        middlewares = [resolve(MIDDLEWARE, each, owner) for each in items(route.get("middlewares"), "middlewares")]
        if middlewares:
            router["middlewares"] = middlewares
        options = at(thing, "spec", "tls", "options")
        if options not in (None, {}):
            tls = take(block(thing, "spec", "tls"), "tls", TLS)
            router["tls"] = {**tls, "options": resolve(TLS_OPTION, options, owner)}
        return router

    def _add(self, owner: Owner, index: int, route: Any, router: dict[str, Any]) -> None:
        name = self._view.names.router(owner.namespace, owner.name, index, text(route, "match"))
        other = self._owners.get(name)
        if other not in (None, owner):
            raise Refused(f"{other}, which is older, has a route called {name!r}, too; rename one, or set safeNaming")
        service = self._view.services.route(blocks(route, "services"), owner, name)
        if service:
            router["service"] = service
        if other is not None:
            message = "takes the place of another route with the same match; put them together, or set safeNaming"
            self._problems.append(owner.problem(f"routes[{index}] {message}"))
        self._owners[name] = owner
        self._routers[name] = router


def _routes(thing: Object) -> Iterator[tuple[int, Any]]:
    routes = at(thing, "spec", "routes")
    yield from enumerate(routes if isinstance(routes, list) else ())
