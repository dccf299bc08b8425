"""Conditions and statuses as the Gateway API has them. Pure but for the time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pointsman.dialect.lookups import at, blocks, text
from pointsman_kubernetes.objects import Object

CONTROLLER: Final = "traefik.io/gateway-controller"
Condition = dict[str, Any]


def condition(of: Object, kind: str, good: bool, reason: str, message: str = "") -> Condition:
    """A condition of an object; `settled` gives it its time."""
    generation = at(of, "metadata", "generation")
    return {
        "type": kind,
        "status": "True" if good else "False",
        "observedGeneration": generation if isinstance(generation, int) else 0,
        "reason": reason,
        "message": message[:32768],
    }


def settled(conditions: Iterable[Condition], before: Any) -> list[Condition]:
    """With the times of those that the object has already and whose status did not change; now for the others.

    `before` is what the object has: a list, or anything else if it has none. Of several of one type the last counts.
    """
    known = {text(each, "type"): each for each in blocks({"": before}, "")}
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = {}
    for each in conditions:
        old = known.get(each["type"], {})
        same = old.get("status") == each["status"] and text(old, "lastTransitionTime")
        found[each["type"]] = {**each, "lastTransitionTime": text(old, "lastTransitionTime") if same else now}
    return list(found.values())


def parents_of(route: Object, ours: Sequence[Mapping[str, Any]], keep: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`status.parents` of a route: those of others, which are kept as they are, and then ours, with their times."""
    before = {_key(each): each for each in blocks(route, "status", "parents") if text(each, "controllerName") == CONTROLLER}
    told = []
    for each in ours:
        old = before.get(_key(each), {})
        told.append({**each, "conditions": settled(each["conditions"], old.get("conditions"))})
    return [*map(dict, keep), *told]


def _key(parent: Mapping[str, Any]) -> str:
    ref = at(parent, "parentRef")
    return repr(sorted(ref.items(), key=lambda item: str(item[0]))) if isinstance(ref, Mapping) else ""
