"""Objects of a cluster with versions and history, as an API server keeps them. No I/O; safe to use from several threads."""

import copy
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import yaml
from attrs import define, field, frozen

from pointsman_kubernetes import kinds
from pointsman_kubernetes.kinds import Kind

from .kubernetes_defaults import fill

Object = dict[str, Any]
KINDS: Final = tuple({(each.group, each.plural): each for each in vars(kinds).values() if isinstance(each, Kind)}.values())
"""All that Pointsman reads."""
BORN: Final = "2026-01-01T00:00:00Z"
CLAUSE: Final = re.compile(r"\s*(!?)([\w./-]+)\s*(?:(==|=|!=)\s*([\w.-]*)|(in|notin)\s*\(([^)]*)\))?\s*(?:,|$)")


class Refused(Exception):
    """An answer that is no object: a Status of the API."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message

    def status(self) -> Object:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }


def gone(message: str = "too old resource version") -> Refused:
    return Refused(410, "Expired", message)


@frozen
class Change:
    """One version of one object: what it was and what it is, None before and after its life."""

    version: int
    before: Object | None
    after: Object | None

    def seen(self, wanted: Callable[[Object], bool]) -> tuple[str, Object] | None:
        """The event for who watches only some objects."""
        was = self.before is not None and wanted(self.before)
        now = self.after is not None and wanted(self.after)
        if now:
            return ("MODIFIED" if was else "ADDED"), self.after or {}
        if not was:
            return None
        last = copy.deepcopy(self.after or self.before or {})
        last["metadata"]["resourceVersion"] = str(self.version)
        return "DELETED", last


@define
class Shelf:
    """One kind."""

    kind: Kind
    objects: dict[tuple[str, str], Object] = field(factory=dict)
    history: list[Change] = field(factory=list)
    forgotten: int = 0
    """The newest version whose change is not in the history any more."""


class Store:
    """Give it manifests. `changed` is called, from whatever thread, after each change."""

    def __init__(self, known: Iterable[Kind] = KINDS) -> None:
        self.lock = threading.RLock()
        self.version = 100
        self.changed: Callable[[], None] = lambda: None
        self.shelves = {kind_key(kind): Shelf(kind) for kind in known}

    def kind(self, api_version: str, name: str) -> Kind:
        for shelf in self.shelves.values():
            if shelf.kind.name == name and api_of(shelf.kind) == api_version:
                return shelf.kind
        raise KeyError(f"{api_version} {name} is no kind of this server")

    def shelf(self, kind: Kind) -> Shelf:
        return self.shelves[kind_key(kind)]

    def apply(self, *manifests: str | Mapping[str, Any]) -> None:
        """Create or replace, from YAML or plain data. Without a namespace it is `default`. A status is taken, too."""
        for manifest in manifests:
            for given in yaml.safe_load_all(manifest) if isinstance(manifest, str) else [copy.deepcopy(dict(manifest))]:
                if given:
                    kind = self.kind(given["apiVersion"], given["kind"])
                    if kind.namespaced:
                        given["metadata"].setdefault("namespace", "default")
                    self.put(kind, given)

    def get(self, kind: Kind, name: str, namespace: str = "") -> Object:
        with self.lock:
            try:
                return copy.deepcopy(self.shelf(kind).objects[namespace if kind.namespaced else "", name])
            except KeyError:
                raise Refused(404, "NotFound", f'{kind.resource} "{name}" not found') from None

    def put(self, kind: Kind, given: Object, *, only: str = "") -> Object:
        """Create or replace one; `only` "spec" or "status" as the two ways of `update` do. Refused for a conflict."""
        with self.lock:
            meta = given.setdefault("metadata", {})
            namespace, name = (meta.get("namespace", "") if kind.namespaced else ""), meta["name"]
            before = self.shelf(kind).objects.get((namespace, name))
            if meta.get("resourceVersion") and before and meta["resourceVersion"] != before["metadata"]["resourceVersion"]:
                raise Refused(
                    409,
                    "Conflict",
                    f'Operation cannot be fulfilled on {kind.resource} "{name}": the object has been modified; please apply '
                    "your changes to the latest version and try again",
                )
            after = json.loads(json.dumps(given))
            if before is not None and only == "status":
                after = {**copy.deepcopy(before), "status": after.get("status", {})}
            elif before is not None and only == "spec" and "status" in before:
                after["status"] = copy.deepcopy(before["status"])
            after |= {"apiVersion": api_of(kind), "kind": kind.name}
            fill(after)
            old = before["metadata"] if before else {}
            own = after["metadata"]
            own["creationTimestamp"] = old.get("creationTimestamp") or own.get("creationTimestamp") or BORN
            own["uid"] = old.get("uid") or f"00000000-0000-4000-8000-{self.version:012d}"
            own["managedFields"] = [{"manager": "tests", "operation": "Update", "time": BORN, "fieldsV1": {"f:spec": {}}}]
            own["generation"] = old.get("generation", 1) + (before is not None and before.get("spec") != after.get("spec"))
            own["resourceVersion"] = old.get("resourceVersion", "")
            if after != before:
                self._change(kind, (namespace, name), before, after)
            return copy.deepcopy(after)

    def delete(self, kind: Kind, name: str, namespace: str = "default") -> Object:
        with self.lock:
            key = (namespace if kind.namespaced else "", name)
            before = self.shelf(kind).objects.get(key)
            if before is None:
                raise Refused(404, "NotFound", f'{kind.resource} "{name}" not found')
            self._change(kind, key, before, None)
            return before

    def touch(self, kind: Kind, name: str, namespace: str = "default") -> None:
        """A new version that says nothing new."""
        with self.lock:
            key = (namespace if kind.namespaced else "", name)
            before = self.shelf(kind).objects[key]
            self._change(kind, key, before, copy.deepcopy(before))

    def compact(self) -> None:
        """Forget all history: who asks for what is older than now is told 410."""
        with self.lock:
            self.version += 1
            for shelf in self.shelves.values():
                shelf.history.clear()
                shelf.forgotten = self.version

    def listed(self, kind: Kind, namespace: str, wanted: Callable[[Object], bool]) -> list[Object]:
        with self.lock:
            objects = sorted(self.shelf(kind).objects.items(), key=lambda item: item[0])
            return [each for (within, _), each in objects if (not namespace or within == namespace) and wanted(each)]

    def since(self, kind: Kind, version: int) -> list[Change]:
        """Refused with 410 if that is too long ago."""
        with self.lock:
            shelf = self.shelf(kind)
            if version < shelf.forgotten:
                raise gone(f"too old resource version: {version} ({shelf.forgotten})")
            return [each for each in shelf.history if each.version > version]

    def _change(self, kind: Kind, key: tuple[str, str], before: Object | None, after: Object | None) -> None:
        self.version += 1
        shelf = self.shelf(kind)
        if after is None:
            del shelf.objects[key]
        else:
            after["metadata"]["resourceVersion"] = str(self.version)
            shelf.objects[key] = after
        shelf.history.append(Change(self.version, before, after))
        self.changed()


def kind_key(kind: Kind) -> tuple[str, str, str]:
    return kind.group, kind.version, kind.plural


def api_of(kind: Kind) -> str:
    return f"{kind.group}/{kind.version}" if kind.group else kind.version


def selecting(labels: str, fields: str, namespace: str) -> Callable[[Object], bool]:
    """Whether an object is asked for. Refused with 400 for a selector that cannot be read."""
    clauses, position = [], 0
    while position < len(labels):
        found = CLAUSE.match(labels, position)
        if found is None:
            raise Refused(400, "BadRequest", f"unable to parse requirement: {labels!r}")
        clauses.append(found.groups())
        position = found.end()
    wanted = dict(each.split("=", 1) for each in fields.replace("==", "=").split(",") if each)

    def fits(thing: Object) -> bool:
        meta = thing["metadata"]
        own = meta.get("labels") or {}
        return (
            all(_holds(clause, own) for clause in clauses)
            and wanted.get("metadata.name", meta["name"]) == meta["name"]
            and wanted.get("metadata.namespace", meta.get("namespace", "")) == meta.get("namespace", "")
            and (not namespace or meta.get("namespace") == namespace)
        )

    return fits


def _holds(clause: tuple[str | None, ...], labels: Mapping[str, str]) -> bool:
    negated, key, operator, value, word, values = clause
    own = labels.get(key or "")
    if operator in ("=", "=="):
        return own == value
    if operator == "!=":
        return own != value
    if word:
        return (own in [each.strip() for each in (values or "").split(",")]) == (word == "in")
    return (own is None) == bool(negated)
