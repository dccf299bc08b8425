"""A tree of names and texts to plain data in the dialect's spelling, by the models (providers.md §3.2, §4.1).

What a text is for is told by the annotation of its field. What does not fit is a Problem with the name as it was written;
a value that only its element refuses is left for whoever builds that.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pointsman.config.convert import hook_for
from pointsman.config.dynamic import CERTIFICATES, MIDDLEWARES, SECTIONS, TCP_MIDDLEWARES
from pointsman.config.label_model import (
    NEVER_ALONE,
    SECTIONS_BEYOND_LABELS,
    SERVERS,
    Shape,
    fields,
    shape_of,
)
from pointsman.config.middlewares import Kinds
from pointsman.config.mistakes import ABSENT, BadValue
from pointsman.config.nodes import Node
from pointsman.config.scalars import FALSE, TRUE
from pointsman.config.spelling import unknown_key
from pointsman.errors import Problem

MAX_PROBLEMS: Final = 100
"""What is told of one tree; nobody reads more, and each costs a search for what was meant."""


class Texts:
    """Reads one tree; collects what is wrong with it, and what is worth a warning."""

    def __init__(self, middlewares: Kinds, tcp_middlewares: Kinds, *, labels: bool) -> None:
        self._separator = "." if labels else "/"
        self._kinds = {MIDDLEWARES: middlewares, TCP_MIDDLEWARES: tcp_middlewares}
        self._labels = labels
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []

    def document(self, roots: Mapping[str, Node]) -> dict[str, Any]:
        """The document below the nodes `http`, `tcp`, `udp` and `tls`, by their names in lower case."""
        document: dict[str, Any] = {}
        for area, root in roots.items():
            if root.single:
                self._alone(root, folder=True)
                continue
            found: dict[str, Any] = {}
            for node in [*root.children.values(), *root.items.values()]:
                self._section(area, node, found)
            if found:
                document[area] = found
        return document

    def _section(self, area: str, node: Node, into: dict[str, Any]) -> None:
        known = {path.lower(): path for path in SECTIONS if path.startswith(f"{area}.")}
        section = known.get(f"{area}.{node.name.lower()}")
        if section is None:
            self._unknown(node, [path.partition(".")[2] for path in known.values()])
        elif self._labels and section in SECTIONS_BEYOND_LABELS:
            self._beyond(node)
        elif node.single:
            self._alone(node, folder=True)
        elif section in self._kinds:
            into[section.partition(".")[2]] = self._map(node, lambda each: self._middleware(each, section))
        elif section == CERTIFICATES:
            into["certificates"] = self._blocks(node, SECTIONS[section])
        else:
            into[section.partition(".")[2]] = self._map(node, lambda each: self._fields(each, SECTIONS[section]))

    def _middleware(self, node: Node, section: str) -> Any:
        kinds = self._kinds[section]
        by_lower = {name.lower(): name for name in kinds}
        options: dict[str, Any] = {}
        for lower, each in node.children.items():
            kind = by_lower.get(lower)
            if kind is not None:
                self._options(each, kind, kinds, options, bool(getattr(kinds[kind], "allow_empty", False)))
            elif lower != "plugin":
                options[each.name] = self._free(each)
            elif each.single:
                self._alone(each)
            else:
                inner: dict[str, Any] = {}
                for name, one in each.children.items():
                    known = by_lower.get(name)
                    if known is None:
                        inner[one.name] = {} if one.single else self._free(one)
                    else:
                        self._options(one, known, kinds, inner, True)
                options["plugin"] = inner
        for each in node.items.values():
            self._unknown(each, kinds)
        return options

    def _options(self, node: Node, kind: str, kinds: Kinds, into: dict[str, Any], allow_empty: bool) -> None:
        value = self._block(node, kinds[kind].Config, allow_empty)
        if value is not ABSENT:
            into[kind] = value

    def _value(self, node: Node, shape: Shape, allow_empty: bool = False) -> Any:
        match shape.kind:
            case "block":
                return self._block(node, shape.inner, allow_empty)
            case "blocks":
                return self._blocks(node, shape.inner)
            case "list":
                return self._list(node, shape.inner)
            case "map":
                if node.single:
                    return self._alone(node)
                inner = shape_of(shape.inner)
                if inner.kind == "block":
                    return self._map(node, lambda each: self._fields(each, inner.inner))
                if inner.kind in ("scalar", "bool"):
                    return self._texts(node, inner.inner)
                return self._map(node, lambda each: self._value(each, inner))
            case "free":
                return self._free(node)
            case _:
                return self._scalar(node, shape.inner)

    def _block(self, node: Node, cls: type, allow_empty: bool) -> Any:
        if allow_empty and node.value is not None:
            if self._never_alone(node):
                allow_empty = False
            elif not self._is_on(node, node.value):
                return ABSENT
            else:
                node.value = None
        if node.single:
            return {} if allow_empty else self._alone(node)
        return self._fields(node, cls)

    def _never_alone(self, node: Node) -> bool:
        way = node.path("/").lower().split("/")[1 if self._labels else 0 :]
        return way[1:2] == ["middlewares"] and ".".join(way[3:]) in NEVER_ALONE

    def _fields(self, node: Node, cls: type) -> dict[str, Any]:
        if node.value and node.value.strip().lower() != "true":
            self._warn(node, "is a block of options; its own value has no effect")
        known = fields(cls, self._labels)
        block: dict[str, Any] = {}
        for lower, child in node.children.items():
            field = known.get(lower)
            if field is None:
                if self._labels and cls in SERVERS and lower == "servers":
                    self._wrong(child, "(field not found, node: servers): a container is one server; write server.port")
                else:
                    self._unknown(child, [field.spelled for field in known.values()])
            elif field.beyond:
                self._beyond(child)
            else:
                value = self._value(child, field.shape, field.allow_empty)
                if value is not ABSENT:
                    block[field.spelled] = value
        for item in node.items.values():
            self._wrong(item, f"(field not found, node: {item.name}): {node.name} is not a list and takes no index")
        return block

    def _blocks(self, node: Node, cls: type) -> Any:
        listed = node.listed()
        if not listed:
            write = f"{node.name}[0]." if self._labels else f"{node.name}/0/"
            if listed is None:
                self._wrong(node, f"expected a list of blocks; write {write}<option>")
            else:
                self._warn(node, f"is a list of blocks, so its own value has no effect; write {write}<option>")
            return ABSENT
        blocks = []
        for each in listed:
            if each.single and not self._labels:
                self._warn(each, "has no options, so it is left out")
            else:
                blocks.append(self._fields(each, cls))
        return blocks

    def _list(self, node: Node, element: Any) -> Any:
        listed = node.listed()
        if listed is None:
            self._wrong(node, "expected a list; write its elements with commas between them")
            return ABSENT
        texts: list[tuple[Node, str]] = []
        if listed and node.value:
            self._warn(node, "is given as a whole and by number; one of them has no effect")
        if not listed or (self._labels and node.value):
            texts = _parts(node)
        for each in listed if not texts else ():
            if self._single(each):
                texts += [(each, each.value or "")] if self._labels else _parts(each)
        found = [self._text(each, text, element) for each, text in texts]
        return [each for each in found if each is not ABSENT]

    def _map(self, node: Node, read: Callable[[Node], Any]) -> dict[str, Any]:
        found = {}
        for child in node.children.values():
            value = read(child)
            if value is not ABSENT:
                found[child.name] = value
        for item in node.items.values():
            self._wrong(item, f"(field not found, node: {item.name}): {node.name} is not a list and takes no index")
        return found

    def _texts(self, node: Node, annotation: Any, prefix: str = "") -> dict[str, Any]:
        """Values by name; what stands below one of them belongs to its name: `X.Y`."""
        found = {}
        for child in [*node.children.values(), *node.items.values()]:
            name = prefix + child.name
            if child.single or child.value is not None:
                value = self._text(child, child.value or "", annotation)
                if value is not ABSENT:
                    found[name] = value
            found |= self._texts(child, annotation, f"{name}." if child.children else name)
        return found

    def _free(self, node: Node) -> Any:
        if node.single:
            return node.value or ""
        if not node.children or not self._labels:
            listed = node.listed()
            if listed is not None:
                return [self._free(each) for each in listed]
        return self._map(node, self._free)

    def _scalar(self, node: Node, annotation: Any) -> Any:
        return self._text(node, node.value or "", annotation) if self._single(node) else ABSENT

    def _single(self, node: Node) -> bool:
        if node.single:
            return True
        below = next(iter([*node.children.values(), *node.items.values()]))
        self._wrong(below, f"(field not found, node: {below.name[:100]}): nothing can stand below a single value")
        return False

    def _text(self, node: Node, text: str, annotation: Any) -> Any:
        """The value as whoever structures the document takes it."""
        try:
            value = hook_for(annotation)(text, None)
        except BadValue:
            return text
        except ValueError as error:
            self._wrong(node, str(error))
            return ABSENT
        return value if annotation in (bool, int) else text

    def _is_on(self, node: Node, text: str) -> bool:
        lower = text.strip().lower()
        if lower in ("", "true"):
            return True
        if text in TRUE:
            self._warn(node, f"'{text}' is taken as true; write true, since others take it as false")
            return True
        if text not in FALSE and lower != "false":
            self._warn(node, f"'{text[:60]}' turns it off, with all below it; write true or false")
        return False

    def _alone(self, node: Node, *, folder: bool = False) -> Any:
        """A block without options. Of keys, an empty one is what a store keeps of a folder whose content is gone."""
        if self._labels or node.value:
            self._wrong(node, f"{node.name} cannot be a standalone element; give it at least one option, or leave it out")
        elif not folder:
            self._warn(node, "is empty, so it has no effect; delete it, or give it at least one option")
        return ABSENT

    def _unknown(self, node: Node, known: Iterable[str]) -> None:
        if len(self.problems) < MAX_PROBLEMS:  # what was meant takes a while to find
            self._wrong(node, unknown_key(node.name, known))

    def _beyond(self, node: Node) -> None:
        self._warn(node, "labels cannot say this, so it is left out; say it in another provider, such as a file")

    def _wrong(self, node: Node, message: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(node.path(self._separator), message))

    def _warn(self, node: Node, message: str) -> None:
        if len(self.warnings) < MAX_PROBLEMS:
            self.warnings.append(Problem(node.path(self._separator), message, warning=True))


def _parts(node: Node) -> list[tuple[Node, str]]:
    text = node.value or ""
    return [(node, part.strip()) for part in text.split(",")] if text.strip() else []
