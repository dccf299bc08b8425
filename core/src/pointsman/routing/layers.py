"""Routers below routers (routing.md §3.8): from `parentRefs` to a forest. Pure; knows names, not rules.

A root hangs on entry points; a child is asked only after one of its parents matched and the parent's middlewares ran.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from attrs import Factory, define, frozen

from pointsman.errors import Problem


class Layered(Protocol):
    """What the forest asks of a router; names in `parent_refs` are full (`shop@file`)."""

    @property
    def parent_refs(self) -> Sequence[str]: ...
    @property
    def has_service(self) -> bool: ...
    @property
    def has_tls(self) -> bool: ...
    @property
    def has_entry_points(self) -> bool: ...
    @property
    def has_observability(self) -> bool: ...


@frozen
class Layer:
    """A `Layered` of plain values."""

    parent_refs: Sequence[str] = ()
    has_service: bool = False
    has_tls: bool = False
    has_entry_points: bool = False
    has_observability: bool = False


@define
class Forest:
    """`roots` and `children` name only routers that are served. A problem that is no warning disables its router."""

    roots: tuple[str, ...] = ()
    children: dict[str, tuple[str, ...]] = Factory(dict)
    problems: dict[str, tuple[Problem, ...]] = Factory(dict)

    def depth_first(self) -> Iterable[str]:
        """Every served router once, children before their parents: the order in which tables can be built."""
        done: set[str] = set()
        stack = [(root, False) for root in reversed(self.roots)]
        while stack:
            name, left = stack.pop()
            if left:
                yield name
            elif name not in done:
                done.add(name)
                stack.append((name, True))
                stack.extend((child, False) for child in reversed(self.children.get(name, ())))


def layers(routers: Mapping[str, Layered], disabled: Iterable[str] = ()) -> Forest:
    """The forest of these routers. `disabled` are those known to be unusable for other reasons (a bad rule, say)."""
    return _Planting(routers, disabled).forest()


class _Planting:
    def __init__(self, routers: Mapping[str, Layered], disabled: Iterable[str]) -> None:
        self._routers = routers
        self._out = set(disabled)
        self._problems: dict[str, list[Problem]] = {}
        self._children: dict[str, list[str]] = {}
        self._parents: dict[str, list[str]] = {}

    def forest(self) -> Forest:
        self._link()
        self._refuse_wrong_fields()
        roots = [name for name, router in self._routers.items() if not router.parent_refs]
        self._cut_cycles(roots)
        self._refuse_both()  # a link that was cut does not count
        self._refuse_unreachable(roots)
        self._refuse_dead_ends()
        return Forest(
            roots=tuple(name for name in roots if name not in self._out),
            children={
                name: alive
                for name, children in self._children.items()
                if name not in self._out and (alive := tuple(child for child in children if child not in self._out))
            },
            problems={name: tuple(problems) for name, problems in self._problems.items()},
        )

    def _refuse(self, name: str, message: str) -> None:
        self._out.add(name)
        self._note(name, message, False)

    def _note(self, name: str, message: str, warning: bool = True) -> None:
        self._problems.setdefault(name, []).append(Problem(f"http.routers.{name}", message, warning))

    def _link(self) -> None:
        """Unknown parents are left out with a warning; a child that has no other is disabled."""
        for name, router in self._routers.items():
            if not router.parent_refs:
                continue
            refs = dict.fromkeys(router.parent_refs)
            known = [parent for parent in refs if parent in self._routers]
            for parent in refs:
                if parent not in self._routers:
                    message = f'parent router "{parent}" does not exist'
                    if known:
                        self._note(name, message)
                    else:
                        self._refuse(name, message)
            self._parents[name] = known
            for parent in known:
                self._children.setdefault(parent, []).append(name)

    def _refuse_wrong_fields(self) -> None:
        for name, router in self._routers.items():
            if router.parent_refs:
                for field, present in (
                    ("tls", router.has_tls),
                    ("entryPoints", router.has_entry_points),
                    ("observability", router.has_observability),
                ):
                    if present:
                        self._refuse(name, f"non-root router cannot have {field} configuration")
            if not router.has_service and name not in self._children:
                self._refuse(name, "router has no service and no child routers")

    def _refuse_both(self) -> None:
        for name, children in self._children.items():
            if self._routers[name].has_service:
                below = ", ".join(children)
                self._refuse(name, f"router has both a service and is referenced as a parent (by {below})")

    def _cut_cycles(self, roots: Sequence[str]) -> None:
        """Depth first from the roots; a link back to a router on the way down is cut, and whoever made it is warned."""
        on_the_way: dict[str, None] = {}
        done: set[str] = set()
        for root in roots:
            stack = [(root, False)]
            while stack:
                name, left = stack.pop()
                if left:
                    del on_the_way[name]
                    continue
                if name in done:
                    continue
                done.add(name)
                on_the_way[name] = None
                stack.append((name, True))
                for child in list(self._children.get(name, ())):
                    if child in on_the_way:
                        self._cut(name, child, list(on_the_way))
                    else:
                        stack.append((child, False))

    def _cut(self, parent: str, child: str, way: Sequence[str]) -> None:
        self._children[parent].remove(child)
        self._parents[child].remove(parent)
        if not self._children[parent]:
            del self._children[parent]
        circle = " -> ".join([*way[way.index(child) :], child])
        self._note(parent, f"cyclic reference detected in router tree: {circle}; this last link is not followed")

    def _refuse_unreachable(self, roots: Sequence[str]) -> None:
        reached: set[str] = set()
        waiting = [root for root in roots if root not in self._out]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting.extend(child for child in self._children.get(name, ()) if child not in self._out)
        for name in self._routers:
            if name not in reached and name not in self._out:
                parents = ", ".join(self._routers[name].parent_refs)
                self._refuse(name, f"router is not reachable: none of its parents ({parents}) is served")

    def _refuse_dead_ends(self) -> None:
        """A router that has lost all its children serves nothing; then neither may its parents."""
        alive = {
            name: sum(child not in self._out for child in children)
            for name, children in self._children.items()
            if name not in self._out
        }
        ends = [name for name in self._routers if name not in self._out and not self._routers[name].has_service]
        ends = [name for name in ends if not alive.get(name)]
        while ends:
            name = ends.pop()
            if name in self._out:
                continue
            self._refuse(name, "no child routers could be added to muxer")
            for parent in self._parents.get(name, ()):
                if parent in alive and parent not in self._out:
                    alive[parent] -= 1
                    if not alive[parent]:
                        ends.append(parent)
