"""Dotted names and their values, gathered into plain data (operations.md §1.3, §1.4)."""

from typing import Any

from pointsman.config.schema import Place


class Tree:
    """Plain data under construction: maps by key, lists by index."""

    def __init__(self) -> None:
        self._root: dict[Any, Any] = {}

    def put(self, place: Place, text: str) -> None:
        """Set the value at a place: lists are extended, the rest replaced; a block's switch gives way to its options."""
        *way, last = place.keys
        node = self._root
        for key in way:
            child = node.get(key)
            if not isinstance(child, dict):
                child = node[key] = {}
            node = child
        if place.kind == "list":
            items = node.setdefault(last, [])
            if isinstance(items, list):
                items += [item.strip() for item in text.split(",")] if text.strip() else []
                return
        if isinstance(node.get(last), dict) and text.lower() in ("true", ""):
            return
        node[last] = text

    def clear(self, place: Place) -> None:
        """Forget what stands at a place, so that a list begins anew."""
        node: Any = self._root
        for key in place.keys[:-1]:
            node = node.get(key) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node.pop(place.keys[-1], None)

    def plain(self) -> dict[str, Any]:
        """What was gathered, lists as lists."""
        plain: dict[str, Any] = _plain(self._root)
        return plain


def _plain(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(isinstance(key, int) for key in node):
        return [_plain(node[key]) for key in sorted(node)]
    return {key: _plain(value) for key, value in node.items()}
