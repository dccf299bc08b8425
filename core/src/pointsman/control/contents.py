"""What configuration values name is put in their place: certificates, keys and authorities, by the content of their files.

It is done here and not in the file provider, since any provider may name files, since they must be followed whoever names
them, and since all workers shall get the same content. Blocking: to be called in a thread, one call at a time.

Theory of operation. Whatever a model calls FileOrContent and does not look like PEM is a path, and so is whatever the
options of a middleware call TextFile. Files are looked at when somebody says that they may have changed; a file that is
younger than a moment may still be being written, and is looked at again. What was once good stays until what replaces it
is good too: certificate and key are replaced one after the other, and until both fit the pair before them is served. A
value that was never good stays a path, and whoever builds its element says why.
"""

import os
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, get_args, get_origin

from attrs import Factory, define, frozen

from pointsman.builtin.file_scan import Watched, list_file
from pointsman.config.blocks import fields_of, inner_class
from pointsman.config.dynamic import MIDDLEWARES, SECTIONS
from pointsman.config.middlewares import NO_KINDS, Kinds
from pointsman.config.spelling import spelled
from pointsman.control.merge import Tree, same
from pointsman.control.texts import MARK, Text, texts_of
from pointsman.errors import Problem
from pointsman.net.pem import is_pem, load_authorities, read_pem
from pointsman.values import FileOrContent, TextFile, read_text

SETTLE_SECONDS: Final = 0.05
"""How long a file must have rested before it is believed that its writer has finished."""
PATIENCE_SECONDS: Final = 1.0
"""How long a certificate may wait for its key before that is called a problem."""
COARSE_SECONDS: Final = 2.0
"""The coarsest clock of a file system: two writes within it may bear the same time."""

Signature = tuple[int, int, int, int, int]
Value = tuple[str, ...]
"""A value, or a certificate and its key, as they are written: what belongs together."""


@define
class _File:
    """One file, as it was read last: its text, or why there is none."""

    path: str
    read: Callable[[str], str] = read_pem
    text: str | None = None
    error: str = ""
    signature: Signature | None = None
    young: bool = False
    watch: frozenset[Watched] = frozenset()

    def look(self) -> bool:
        """Whether it changed."""
        try:
            info = os.stat(self.path)
        except (OSError, ValueError):
            signature, age = None, 0.0
        else:
            signature = info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns
            age = time.time() - info.st_mtime
        if signature is not None and signature == self.signature and not self.young:
            return False
        before = self.text, self.error
        try:
            self.text, self.error = self.read(self.path), ""
        except ValueError as error:
            self.text, self.error = None, str(error)
        self.signature, self.young = signature, signature is not None and age < COARSE_SECONDS
        self.watch = frozenset(list_file(self.path).watch)
        return before != (self.text, self.error)

    @property
    def settling_seconds(self) -> float:
        """How long it must rest yet."""
        age = -1.0 if self.signature is None else time.time() - self.signature[3] / 1e9
        return SETTLE_SECONDS - age if 0 <= age < SETTLE_SECONDS else 0.0  # else it is from the future, and no help


@frozen
class _Element:
    """An element with contents in place of paths."""

    raw: Any
    inlined: Any
    paths: frozenset[str]
    problems: tuple[Problem, ...] = ()
    doubtful: bool = False


@define
class Inlined:
    """A tree without paths but for those that cannot be read, and when to look again (0: when told)."""

    tree: Tree
    problems: list[Problem] = Factory(list)
    watch: frozenset[Watched] = frozenset()
    again_seconds: float = 0.0


@define
class Contents:
    """All files that the configuration names. `kinds` are the middlewares whose options may."""

    kinds: Kinds = NO_KINDS
    _forms: Mapping[str, "Form"] = Factory(dict)
    _files: dict[str, _File] = Factory(dict)
    _elements: dict[tuple[str, str], _Element] = Factory(dict)
    _good: dict[Value, Value] = Factory(dict)
    _doubts: dict[Value, float] = Factory(dict)
    """What would take something good away, and since when."""

    def __attrs_post_init__(self) -> None:
        self._forms = {**_FORMS, MIDDLEWARES: dict(texts_of(self.kinds))}

    def inline(self, tree: Tree, *, look: bool = False) -> Inlined:
        """The tree with contents. `look`: files that were read before may have changed."""
        changed = {path for path, file in self._files.items() if file.look()} if look else set()
        elements: dict[tuple[str, str], _Element] = {}
        result = Inlined(dict(tree))
        for section, form in self._forms.items():
            inlined = {}
            for name, raw in tree.get(section, {}).items():
                if section == MIDDLEWARES and not _concerns(raw, form):
                    continue
                element = elements[section, name] = self._element(section, name, raw, changed)
                if element.inlined is not raw:
                    inlined[name] = element.inlined
                result.problems += element.problems
            if inlined:
                result.tree[section] = {**tree[section], **inlined}
        self._elements = elements
        self._forget(elements.values())
        result.watch = frozenset().union(*{file.watch for file in self._files.values()})
        result.again_seconds = self._again(elements.values())
        return result

    def names_files(self, tree: Tree) -> bool:
        """Whether there is anything that may name files."""
        others = any(tree.get(section) for section in self._forms if section != MIDDLEWARES)
        form = self._forms[MIDDLEWARES]
        return others or (bool(form) and any(_concerns(raw, form) for raw in tree.get(MIDDLEWARES, {}).values()))

    def forget_times(self) -> None:
        """Have every file read anew at the next look."""
        for file in self._files.values():
            file.signature = None

    def _element(self, section: str, name: str, raw: Any, changed: Collection[str]) -> _Element:
        known = self._elements.get((section, name))
        if known is not None and known.raw is raw and not known.doubtful and known.paths.isdisjoint(changed):
            return known
        reading = _Reading(self, f"{section}.{name}")
        inlined = reading.block(raw, self._forms[section])
        if known is not None and same(known.inlined, inlined):
            inlined = known.inlined
        elif same(raw, inlined):
            inlined = raw
        return _Element(raw, inlined, frozenset(reading.paths), tuple(reading.problems), reading.doubtful)

    def file(self, path: str) -> _File:
        file = self._files.get(path)
        if file is None:
            text = path.startswith(MARK)
            file = self._files[path] = _File(path.removeprefix(MARK), read_text if text else read_pem)
            file.look()
        return file

    def settle(self, value: Value, found: Value, error: str) -> tuple[Value, str, bool]:
        """What is in force for a value, what to say about it, and whether that may change by itself."""
        good = self._good.get(value)
        settling = good is not None and any(
            self._files[part].settling_seconds for part in value if part in self._files and not is_pem(part)
        )
        if not error and not settling:
            self._good[value] = found
            self._doubts.pop(value, None)
            return found, "", False
        if good is None:
            return found, "", False
        since = self._doubts.setdefault(value, time.monotonic())
        if not error or time.monotonic() - since < PATIENCE_SECONDS:
            return good, "", True
        return good, f"{error}; what was read before stays in force", False

    def _forget(self, elements: Collection[_Element]) -> None:
        paths = frozenset().union(*(element.paths for element in elements))
        for path in self._files.keys() - paths:
            del self._files[path]
        for value in [value for value in self._good if not any(part in paths for part in value)]:
            del self._good[value]
            self._doubts.pop(value, None)

    def _again(self, elements: Collection[_Element]) -> float:
        if any(element.doubtful for element in elements):
            return SETTLE_SECONDS
        return COARSE_SECONDS if any(file.young for file in self._files.values()) else 0.0


class _Reading:
    """One element, with contents put in for paths on the way."""

    def __init__(self, contents: Contents, path: str) -> None:
        self._contents = contents
        self._path = path
        self.paths: set[str] = set()
        self.problems: list[Problem] = []
        self.doubtful = False

    def block(self, raw: Any, form: "Form", at: str = "") -> Any:
        if not isinstance(raw, Mapping):
            return raw
        inlined = dict(raw)
        keys = {str(key).lower(): key for key in raw}
        for lower, inner in form.items():
            key = keys.get(lower)
            if key is not None and isinstance(inner, Text):
                inlined[key] = self._text(raw[key], inner, f"{at}.{key}")
            elif key is not None and not isinstance(inner, str):
                inlined[key] = self._inside(raw[key], inner, f"{at}.{key}")
        if form.get("certfile") == form.get("keyfile") == ONE:
            self._pair(inlined, keys, at)
        return inlined

    def _inside(self, raw: Any, inner: "Form | None", at: str) -> Any:
        if inner is None:
            return self._list(raw, at)
        if isinstance(raw, list | tuple):
            return [self.block(each, inner, f"{at}[{number}]") for number, each in enumerate(raw)]
        return self.block(raw, inner, at)

    def _pair(self, block: dict[Any, Any], keys: Mapping[str, Any], at: str) -> None:
        certificate, key = (keys.get(lower) for lower in ("certfile", "keyfile"))
        value = tuple(str(block.get(name) or "") for name in (certificate, key))
        if certificate is None or not value[0]:
            return
        found = self._settled(value, _unfit, at)
        block[certificate] = found[0]
        if key is not None:
            block[key] = found[1]

    def _list(self, raw: Any, at: str) -> Any:
        if isinstance(raw, str) and not is_pem(raw):
            raw = [part.strip() for part in raw.split(",")]
        if not isinstance(raw, list | tuple):
            return raw
        return [
            self._settled((each,), _untrustworthy, f"{at}[{number}]")[0] if isinstance(each, str) else each
            for number, each in enumerate(raw)
        ]

    def _text(self, raw: Any, text: Text, at: str) -> Any:
        """What is no path of a file that can be read stays, and whoever builds the element says why."""
        if not isinstance(raw, str) or not raw:
            return raw
        key = MARK + raw
        (content,) = self._settled((key,), lambda found: text.refused(raw, found), at)
        return raw if content == key else TextFile(raw, content)

    def _settled(self, value: Value, judge: Callable[..., str], at: str) -> Value:
        paths = [part for part in value if part and (part.startswith(MARK) or not is_pem(part))]
        if not paths:
            return value
        self.paths.update(paths)
        files = {path: self._contents.file(path) for path in paths}
        errors = [file.error for file in files.values() if file.error]
        texts = {path: file.text for path, file in files.items() if file.text is not None}
        found = tuple(texts.get(part, part) for part in value)
        in_force, problem, doubtful = self._contents.settle(value, found, errors[0] if errors else judge(*found))
        self.doubtful |= doubtful
        if problem:
            self.problems.append(Problem(f"{self._path}{at}", problem))
        return in_force


def _unfit(certificate: str, key: str) -> str:
    """Why these are no pair; "" if they are."""
    from pointsman.server.x509 import read_pair

    try:
        read_pair(certificate, key or certificate)
    except ValueError as error:
        return str(error)
    return ""


def _untrustworthy(authorities: str) -> str:
    """Why nobody can be verified by these; "" if somebody can."""
    try:
        load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), authorities)
    except ValueError as error:
        return str(error)
    return ""


ONE: Final = "one"
Form = dict[str, Any]
"""Where in a block FileOrContent stands, by key in lower case: ONE, None for a list of them, or the form of inner blocks."""


def _form(cls: type) -> Form:
    form: Form = {}
    for attribute in fields_of(cls):
        annotation = attribute.type
        listed = get_args(annotation)[0] if get_origin(annotation) is list else None
        inner = inner_class(annotation if listed is None else listed)
        key = spelled(attribute).lower()
        if FileOrContent in (annotation, listed):
            form[key] = ONE if listed is None else None
        elif inner is not None and (deeper := _form(inner)):
            form[key] = deeper
    return form


_FORMS: Final[Mapping[str, Form]] = {
    section: form for section, cls in SECTIONS.items() if cls is not dict and (form := _form(cls))
}
"""Of the sections that may name files."""


def _concerns(raw: Any, form: Form) -> bool:
    """Whether a middleware is of a kind that may name files."""
    return isinstance(raw, Mapping) and any(str(key).lower() in form for key in raw)
