"""What is known of a cluster at one moment. Pure, and nothing in it is ever changed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from pointsman.dialect.lookups import text
from pointsman_kubernetes.kinds import ENDPOINT_SLICE, Kind

Object = Mapping[str, Any]
"""As the API gives it, in JSON."""
NOT_WATCHED: Final = "is in a namespace that is not watched; add it to 'namespaces', or leave out 'watchNamespace'"
_SERVICE_NAME = "kubernetes.io/service-name"


def namespace_of(thing: Object) -> str:
    return text(thing, "metadata", "namespace")


def name_of(thing: Object) -> str:
    return text(thing, "metadata", "name")


def key_of(thing: Object) -> str:
    """`namespace/name`, as problems call it; the name alone of what is in no namespace."""
    namespace = namespace_of(thing)
    return f"{namespace}/{name_of(thing)}" if namespace else name_of(thing)


def born(thing: Object) -> tuple[str, str]:
    """What older objects come first by: when it was made, and then `namespace/name`."""
    return text(thing, "metadata", "creationTimestamp"), key_of(thing)


class Objects:
    """Objects by kind, namespace and name."""

    def __init__(
        self,
        found: Mapping[Kind, Iterable[Object]],
        namespaces: Sequence[str] = (),
        missing: Mapping[Kind, str] | None = None,
        absent: Collection[Kind] = (),
    ) -> None:
        """`namespaces` are those that are watched, all if there are none; `missing` says why a kind cannot be read.

        `absent` are those of them that the server does not have, so that there are no objects.
        """
        self._found = {
            kind: {(namespace_of(thing), name_of(thing)): thing for thing in sorted(things, key=key_of)}
            for kind, things in found.items()
        }
        self._namespaces = frozenset(namespaces)
        self.missing: Mapping[Kind, str] = missing or {}
        self._absent = frozenset(absent)

    def all(self, kind: Kind) -> list[Object]:
        """By namespace and name."""
        return list(self._found.get(kind, {}).values())

    def get(self, kind: Kind, name: str, namespace: str = "") -> Object | None:
        return self._found.get(kind, {}).get((namespace, name))

    def watches(self, namespace: str) -> bool:
        """Whether objects in that namespace can be seen."""
        return not self._namespaces or namespace in self._namespaces

    def hides(self, kind: Kind) -> bool:
        """Whether there may be objects of that kind which cannot be seen."""
        return kind in self.missing and kind not in self._absent

    def slices(self, service: Object) -> Sequence[Object]:
        """The EndpointSlices of a Service, in the order in which they were made."""
        return self._slices.get((namespace_of(service), name_of(service)), ())

    @cached_property
    def _slices(self) -> Mapping[tuple[str, str], Sequence[Object]]:
        slices: dict[tuple[str, str], list[Object]] = {}
        for thing in sorted(self.all(ENDPOINT_SLICE), key=born):
            service = text(thing, "metadata", "labels", _SERVICE_NAME)
            if service:
                slices.setdefault((namespace_of(thing), service), []).append(thing)
        return slices
