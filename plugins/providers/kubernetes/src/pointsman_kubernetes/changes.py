"""Which new versions of objects say anything new. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from pointsman.dialect.lookups import at, block, blocks, text
from pointsman_kubernetes.kinds import ENDPOINT_SLICE, NODE, Kind
from pointsman_kubernetes.objects import Object

_BOOKKEEPING: Final = ("resourceVersion", "managedFields", "generation")
_CONDITIONS: Final = ("ready", "serving", "terminating")


def stripped(thing: Object) -> Object:
    """Without managedFields, which are large and mean nothing here."""
    meta = block(thing, "metadata")
    if "managedFields" not in meta:
        return thing
    return {**thing, "metadata": {key: value for key, value in meta.items() if key != "managedFields"}}


def same(kind: Kind, before: Object, after: Object) -> bool:
    """Whether nothing is different that anything is made of."""
    if at(before, "metadata", "resourceVersion") == at(after, "metadata", "resourceVersion"):
        return True
    essence = _ESSENCE.get((kind.group, kind.name), _whole)
    try:
        return bool(essence(before) == essence(after))
    except RecursionError:
        return False


def _whole(thing: Object) -> Any:
    meta = {key: value for key, value in block(thing, "metadata").items() if key not in _BOOKKEEPING}
    return {**thing, "metadata": meta}


def _slice(thing: Object) -> Any:
    """Ports, addresses and conditions; and whose they are, and since when."""
    endpoints = [
        (at(each, "addresses"), [at(each, "conditions", name) for name in _CONDITIONS], at(each, "zone"), at(each, "hints"))
        for each in blocks(thing, "endpoints")
    ]
    owner = block(thing, "metadata", "labels"), text(thing, "metadata", "creationTimestamp")
    return owner, text(thing, "addressType"), at(thing, "ports"), endpoints


def _node(thing: Object) -> Any:
    """Its addresses: kubelets tell every few minutes that all else is well."""
    return block(thing, "metadata", "labels"), at(thing, "status", "addresses")


_ESSENCE: Final[Mapping[tuple[str, str], Any]] = {
    (ENDPOINT_SLICE.group, ENDPOINT_SLICE.name): _slice,
    (NODE.group, NODE.name): _node,
}
