"""Documents of all providers to one tree, and what changed between two trees (providers.md §1.3). Pure.

Elements stay raw. One that did not change is the *identical* object in the next tree, so whoever holds both compares with
`is`. Each step comes as a generator that yields every few hundred elements, for loops that must not be held, and as a plain
function.
"""

import marshal
from collections.abc import Generator, Mapping
from typing import Any, Final, TypeVar

from attrs import Factory, frozen

from pointsman.config.dynamic import CERTIFICATES, SECTIONS, declared
from pointsman.errors import Problem

Tree = dict[str, dict[str, Any]]
"""Section path -> full name (`shop@file`) -> raw element. Holds every section; treated as immutable."""

T = TypeVar("T")
Slices = Generator[None, None, T]
"""Work in pieces; the generator's return value is the result."""

SLICE: Final = 256
"""Elements between two yields: well below a millisecond."""
_UNQUALIFIED: Final = frozenset(("tls.options", "tls.stores"))


@frozen
class Delta:
    """What turns one tree into another: raw elements to set, full names to delete; sections without either are absent."""

    set: dict[str, dict[str, Any]] = Factory(dict)
    delete: dict[str, list[str]] = Factory(dict)

    def __bool__(self) -> bool:
        return bool(self.set or self.delete)

    def __str__(self) -> str:
        """How much of what changes: `http.routers 2 set, 1 gone; http.services 1 set`."""
        parts = []
        for section in sorted({*self.set, *self.delete}):
            counts = (len(self.set.get(section, ())), "set"), (len(self.delete.get(section, ())), "gone")
            told = [f"{count} {what}" for count, what in counts if count]
            parts.append(f"{section} {', '.join(told)}")
        return "; ".join(parts)


def empty_tree() -> Tree:
    """A tree that says nothing."""
    return {section: {} for section in SECTIONS}


def same(left: Any, right: Any) -> bool:
    """Equal in value and in type: `1`, `1.0` and `true` are three things to whoever checks a configuration."""
    if left is right:
        return True
    if left != right:
        return False
    try:  # in C, and nearly always enough; version 2 knows no references, so equal data give equal bytes
        if marshal.dumps(left, 2) == marshal.dumps(right, 2):
            return True
    except ValueError:  # not plain data
        pass
    return _same_types(left, right)


def _same_types(left: Any, right: Any) -> bool:
    """Of two equal values, whatever the order of their keys."""
    if isinstance(left, Mapping):
        return all(_same_types(value, right[key]) for key, value in left.items())
    if isinstance(left, list | tuple):
        return all(map(_same_types, left, right))
    return type(left) is type(right)


def merging(documents: Mapping[str, Mapping[str, Any]], previous: Tree | None = None) -> Slices[tuple[Tree, list[Problem]]]:
    """One tree of all documents, keyed by provider name; elements equal to the previous tree's are those objects."""
    old = empty_tree() if previous is None else previous
    tree = empty_tree()
    owners: dict[tuple[str, str], list[str]] = {}
    count = 0
    for provider, document in documents.items():
        at = f"@{provider}"
        for section, name, element in declared(document):
            if name == "default" and section in _UNQUALIFIED:
                full = name
                owners.setdefault((section, name), []).append(provider)
            else:
                full = name + at
            before = old[section].get(full)
            tree[section][full] = before if before is not None and same(before, element) else element
            count += 1
            if not count % SLICE:
                yield
    return tree, _drop_disputed(tree, owners, old)


def _drop_disputed(tree: Tree, owners: Mapping[tuple[str, str], list[str]], old: Tree) -> list[Problem]:
    """`default` options and stores have no owner in their name; of two providers' none is used.

    In place of the options stands a sentence: without any, others would take their place, maybe weaker ones.
    """
    problems = []
    for (section, name), providers in owners.items():
        if len(providers) > 1:
            message = f"is defined by {' and '.join(sorted(providers))}, so none is used; keep it in one provider"
            if section == "tls.options":
                before = old[section].get(name)
                tree[section][name] = before if before == message else message
            else:
                del tree[section][name]
            problems.append(Problem(f"{section}.{name}", message))
    return problems


def diffing(old: Tree, new: Tree) -> Slices[Delta]:
    """What turns `old` into `new`. Objects are compared by identity first, then by value."""
    delta = Delta()
    count = 0
    for section in SECTIONS:
        before, after = old.get(section, {}), new.get(section, {})
        if before is after:
            continue
        for name, element in after.items():
            known = before.get(name)
            if known is not element and (known is None or not same(known, element)):
                delta.set.setdefault(section, {})[name] = element
            count += 1
            if not count % SLICE:
                yield
        if len(before) == len(after) and section not in delta.set:
            continue  # as many names, all known
        for name in before:
            if name not in after:
                delta.delete.setdefault(section, []).append(name)
            count += 1
            if not count % SLICE:
                yield
    return delta


def applying(tree: Tree, delta: Delta) -> Slices[Tree]:
    """The tree that `delta` leads to; sections that did not change are shared with `tree`, which stays as it is."""
    new = dict(tree)
    count = 0
    for section in delta.set.keys() | delta.delete.keys():
        elements = new[section] = dict(tree.get(section, {}))
        for name in delta.delete.get(section, ()):
            elements.pop(name, None)
            count += 1
            if not count % SLICE:
                yield
        for name, element in delta.set.get(section, {}).items():
            elements[name] = element
            count += 1
            if not count % SLICE:
                yield
    return new


def at_once(slices: Slices[T]) -> T:
    """The result, without a pause."""
    while True:
        try:
            next(slices)
        except StopIteration as stop:
            result: T = stop.value
            return result


def merge(documents: Mapping[str, Mapping[str, Any]], previous: Tree | None = None) -> tuple[Tree, list[Problem]]:
    return at_once(merging(documents, previous))


def diff(old: Tree, new: Tree) -> Delta:
    return at_once(diffing(old, new))


def apply(tree: Tree, delta: Delta) -> Tree:
    return at_once(applying(tree, delta))


def unseen(document: Any, good: Tree) -> Any:
    """The document without the elements known to be good: what remains to be checked. Its outer shape stays as it is."""
    if not isinstance(document, Mapping):
        return document
    return {
        root: {key: _unseen(f"{root}.{key}", elements, good) for key, elements in protocol.items()}
        if isinstance(protocol, Mapping)
        else protocol
        for root, protocol in document.items()
    }


def _unseen(path: str, elements: Any, good: Tree) -> Any:
    section = _BY_LOWER.get(path.lower())
    if section is None or section == CERTIFICATES or not isinstance(elements, Mapping):
        return elements
    known = good.get(section, {})
    return {name: element for name, element in elements.items() if name not in known or not same(known[name], element)}


_BY_LOWER = {section.lower(): section for section in SECTIONS}
