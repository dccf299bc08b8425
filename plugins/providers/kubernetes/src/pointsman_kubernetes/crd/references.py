"""From what an object refers to, to names of the configuration (kubernetes.md §3.2). Pure.

Whoever gets a name here may use it. Whether it is there is the compiler's question: it closes the routers that use a name
which is not.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from attrs import frozen

from pointsman.dialect.lookups import text
from pointsman.errors import Problem
from pointsman_kubernetes.crd.names import Names
from pointsman_kubernetes.crd.options import KubernetesCRDConfig
from pointsman_kubernetes.kinds import TLS_OPTION, TLS_STORE, TRAEFIK_SERVICE, Kind
from pointsman_kubernetes.objects import Object, Objects, born, key_of, name_of, namespace_of

_OURS: Final = "@kubernetescrd"


class Refused(ValueError):
    """Something of an object cannot be used, for a reason: the message says it in a sentence, with the way out."""


@frozen
class Owner:
    """The object that something is made of, or that refers to others."""

    kind: Kind
    namespace: str
    name: str

    @classmethod
    def of(cls, kind: Kind, thing: Object) -> "Owner":
        return cls(kind, namespace_of(thing), name_of(thing))

    def __str__(self) -> str:
        """As problems call it: `ingressroute default/web`."""
        return f"{self.kind.name.lower()} {self.namespace}/{self.name}"

    def problem(self, message: object) -> Problem:
        """Something wrong with it, which closes only what it says."""
        return Problem(str(self), str(message), warning=True)


class References:
    """Who may refer to what, and whose a name is."""

    def __init__(self, objects: Objects, config: KubernetesCRDConfig, names: Names) -> None:
        self._objects = objects
        self._config = config
        self._names = names
        self._claims = cache(self._claim)
        self.problems: list[Problem] = []
        """What was found wrong with references that can be used nevertheless, and with names."""

    def namespace(self, wanted: object, owner: Owner) -> str:
        """That of an object which `owner` refers to, its own if none is wanted. Refused if it may not look there."""
        if not isinstance(wanted, str) or wanted in ("", owner.namespace):
            return owner.namespace
        if not self._config.allow_cross_namespace:
            raise Refused(f"namespace {wanted!r} is not its own; set allowCrossNamespace to refer to others")
        return wanted

    def resolve(self, kind: Kind, reference: Mapping[str, Any], owner: Owner) -> str:
        """The name of the object of that kind which `{name, namespace}` means, or `name@provider` as it is.

        Refused if `owner` may not use it, if the name belongs to another object, or if there is no such TraefikService. A
        TLSOption called `default` is the default option.
        """
        name = text(reference, "name")
        what = f"{kind.name} {name!r}"
        if not name:
            raise Refused(f"a reference to a {kind.name} has no name")
        if "@" in name:
            return self._foreign(what, name, text(reference, "namespace"), owner)
        try:
            namespace = self.namespace(reference.get("namespace"), owner)
        except Refused as error:
            raise Refused(f"{what}: {error}") from error
        if name == "default" and kind is TLS_OPTION:
            return self._default_option(namespace)
        called = self._called(kind, namespace, name)
        winner = self._claims(kind).get(called)
        if winner is not None and not self._means(kind, winner, namespace, name):
            raise Refused(f"{what}: {called!r} is the name of {key_of(winner)} already; rename one, or set safeNaming")
        if (
            winner is None and kind is TRAEFIK_SERVICE
        ):  # other services are called so, too, those of other namespaces among them
            raise Refused(f"{what}: there is none in namespace {namespace!r}")
        return called

    def own(self, kind: Kind) -> Iterator[tuple[str, Object]]:
        """The objects of a kind by what they are called, the oldest of each name; the others are problems already.

        TLSOptions and TLSStores called `default` are left out: see `default`.
        """
        yield from self._claims(kind).items()

    def default(self, kind: Kind) -> Object | None:
        """The TLSOption or TLSStore that is the default: None if there is none, or if two namespaces have one."""
        wanted = self._config.default_tls_resources_namespace
        if wanted:
            return self._objects.get(kind, "default", wanted)
        found = [thing for thing in self._objects.all(kind) if name_of(thing) == "default"]
        return found[0] if len(found) == 1 else None

    def _foreign(self, what: str, name: str, namespace: str, owner: Owner) -> str:
        if name.endswith(_OURS) and not self._config.allow_cross_namespace:
            raise Refused(
                f"{what}: may be of any namespace; write 'name' and 'namespace' without {_OURS}, or set allowCrossNamespace"
            )
        if not self._config.may_cross(owner.namespace):
            raise Refused(f"{what}: namespace {owner.namespace!r} is not in crossProviderNamespaces")
        if namespace:
            self.problems.append(
                owner.problem(f"{what}: its namespace {namespace!r} has no meaning beside a provider's name")
            )
        return name

    def _default_option(self, namespace: str) -> str:
        """Closed if there is one there that is not used: it may ask for what the default one does not."""
        there = self._objects.get(TLS_OPTION, "default", namespace)
        if there is not None and there is not self.default(TLS_OPTION):
            raise Refused(f"TLSOption {namespace}/default is not the default one; only one namespace may have one")
        return "default"

    def _means(self, kind: Kind, winner: Object, namespace: str, name: str) -> bool:
        """Whether that may be had by this name: also by one that is only spelled otherwise, as `my_auth` for `my-auth`."""
        if namespace_of(winner) != namespace:
            return False
        return name_of(winner) == name or self._objects.get(kind, name, namespace) is None

    def _called(self, kind: Kind, namespace: str, name: str) -> str:
        return (self._names.tls if kind in (TLS_OPTION, TLS_STORE) else self._names.of)(namespace, name)

    def _claim(self, kind: Kind) -> dict[str, Object]:
        claims: dict[str, Object] = {}
        for thing in sorted(self._objects.all(kind), key=born):
            if name_of(thing) == "default" and kind in (TLS_OPTION, TLS_STORE):
                continue
            called = self._called(kind, namespace_of(thing), name_of(thing))
            winner = claims.setdefault(called, thing)
            if winner is not thing:
                message = f"{called!r} is the name of {key_of(winner)}, too, which is older; rename one, or set safeNaming"
                self.problems.append(Owner.of(kind, thing).problem(f"is left out: {message}"))
        return claims
