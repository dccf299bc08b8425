"""What configuration values name is put in their place: certificates, keys, authorities and texts, by what the files hold.

It is done here and not in the file provider, since any provider may name files, since they must be followed whoever names
them, and since all workers shall get the same content. Blocking: to be called in a thread, one call at a time.

Theory of operation. Whatever a model or the options of a middleware call FileOrContent and does not look like PEM is a path,
and so is what options call TextFile (`forms`). Files are looked at when somebody says that they may have changed; a file
that is younger than a moment may still be being written, and is looked at again. What was once good stays until what
replaces it is good too: certificate and key are replaced one after the other, and until both fit the pair before them is
used. However many elements name a file, it is read once, and judged once by each class that wants it. A value that was never
good stays a path, and whoever builds its element says why.
"""

import os
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from attrs import Factory, define, frozen

from pointsman.builtin.file_scan import Watched, list_file
from pointsman.config.dynamic import MIDDLEWARES, SECTIONS
from pointsman.config.middlewares import NO_KINDS, Kinds
from pointsman.control.forms import MARK, Form, Group, Judge, Value, form_of, form_of_middlewares
from pointsman.control.merge import Tree, same
from pointsman.errors import Problem
from pointsman.net.pem import is_pem, load_authorities, read_pem
from pointsman.values import TextFile, read_text

SETTLE_SECONDS: Final = 0.05
"""How long a file must have rested before it is believed that its writer has finished."""
PATIENCE_SECONDS: Final = 1.0
"""How long a certificate may wait for its key before that is called a problem."""
COARSE_SECONDS: Final = 2.0
"""The coarsest clock of a file system: two writes within it may bear the same time."""

Signature = tuple[int, int, int, int, int]


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


@define
class _Standing:
    """How a value fares with one judge."""

    good: Value | None = None
    """The contents in force."""
    refused: Value | None = None
    """The contents that were judged last, if they were not good, and what was said."""
    refusal: str = ""
    doubtful_since: float | None = None
    """When something came that would take the good away."""

    def verdict(self, judge: Judge, value: Value, found: Value) -> str:
        if found == self.good:
            return ""
        if found != self.refused:
            self.refused, self.refusal = found, judge(value, found)
        return self.refusal

    def settle(self, found: Value, error: str, settling: bool) -> tuple[Value, str, bool]:
        """What is in force, what to say about it, and whether that may change by itself."""
        if not error and (self.good is None or not settling):
            self.good, self.refused, self.doubtful_since = found, None, None
        if self.good is None or self.good is found:
            return found, "", False
        now = time.monotonic()
        if self.doubtful_since is None:
            self.doubtful_since = now
        if not error or now - self.doubtful_since < PATIENCE_SECONDS:
            return self.good, "", True
        return self.good, f"{error}; what was read before stays in force until this is put right", False


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
    _forms: Mapping[str, Form] = Factory(dict)
    _files: dict[str, _File] = Factory(dict)
    _elements: dict[tuple[str, str], _Element] = Factory(dict)
    _standings: dict[tuple[Judge, Value], _Standing] = Factory(dict)

    def __attrs_post_init__(self) -> None:
        self._forms = {**_FORMS, MIDDLEWARES: form_of_middlewares(self.kinds)}

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

    def settle(self, judge: Judge, value: Value, paths: Collection[str]) -> tuple[Value, str, bool]:
        """What is in force for a value, what to say about it, and whether that may change by itself."""
        files = {path: self.file(path) for path in paths}
        found = tuple(part if part not in files or (text := files[part].text) is None else text for part in value)
        standing = self._standings.setdefault((judge, value), _Standing())
        unread = next((file.error for file in files.values() if file.error), "")
        settling = any(file.settling_seconds for file in files.values())
        return standing.settle(found, unread or standing.verdict(judge, value, found), settling)

    def _forget(self, elements: Collection[_Element]) -> None:
        paths = frozenset().union(*(element.paths for element in elements))
        for path in self._files.keys() - paths:
            del self._files[path]
        for key in [key for key in self._standings if paths.isdisjoint(key[1])]:
            del self._standings[key]

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

    def block(self, raw: Any, form: Form, at: str = "") -> Any:
        if not isinstance(raw, Mapping):
            return raw
        inlined = dict(raw)
        keys = {str(key).lower(): key for key in raw}
        for lower, judge in form.lists.items():
            if lower in keys:
                inlined[keys[lower]] = self._list(raw[keys[lower]], judge, f"{at}.{keys[lower]}")
        for lower, inner in form.inner.items():
            if lower in keys:
                inlined[keys[lower]] = self._inside(raw[keys[lower]], inner, f"{at}.{keys[lower]}")
        if form.each is not None:
            inlined = {key: self._inside(value, form.each, f"{at}.{key}") for key, value in raw.items()}
        for group in form.groups:
            inlined |= self._group(raw, group, keys, at)
        return inlined

    def _inside(self, raw: Any, inner: Form, at: str) -> Any:
        if isinstance(raw, list | tuple):
            return [self.block(each, inner, f"{at}[{number}]") for number, each in enumerate(raw)]
        return self.block(raw, inner, at)

    def _list(self, raw: Any, judge: Judge, at: str) -> Any:
        if isinstance(raw, str) and not is_pem(raw):
            raw = [part.strip() for part in raw.split(",")]
        if not isinstance(raw, list | tuple):
            return raw
        return [
            self._settled((each,), judge, f"{at}[{number}]")[0] if isinstance(each, str) else each
            for number, each in enumerate(raw)
        ]

    def _group(self, raw: Mapping[Any, Any], group: Group, keys: Mapping[str, Any], at: str) -> dict[Any, Any]:
        """Its options with contents. What cannot be read stays as it is, and whoever builds the element says why."""
        given = [raw.get(keys.get(lower)) for lower in group.keys]
        written = tuple(each if isinstance(each, str) else "" for each in given)
        if not group.is_text:
            found = self._settled(written, group.judge, at)
            return {keys[lower]: each for lower, was, each in zip(group.keys, written, found, strict=True) if was}
        if not written[0]:
            return {}
        key = keys[group.keys[0]]
        marked = MARK + written[0]
        (text,) = self._settled((marked,), group.judge, f"{at}.{key}")
        return {key: raw[key] if text == marked else TextFile(written[0], text)}

    def _settled(self, value: Value, judge: Judge, at: str) -> Value:
        paths = [part for part in value if part and (part.startswith(MARK) or not is_pem(part))]
        if not paths:
            return value
        self.paths.update(paths)
        in_force, problem, doubtful = self._contents.settle(judge, value, paths)
        self.doubtful |= doubtful
        if problem:
            self.problems.append(Problem(f"{self._path}{at}", problem))
        return in_force


def _unfit(_: Value, found: Value) -> str:
    """Why these are no pair; "" if they are."""
    from pointsman.server.x509 import read_pair

    certificate, key = found
    try:
        read_pair(certificate, key or certificate)
    except ValueError as error:
        return str(error)
    return ""


def _untrustworthy(_: Value, found: Value) -> str:
    """Why nobody can be verified by these; "" if somebody can."""
    try:
        load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), *found)
    except ValueError as error:
        return str(error)
    return ""


_FORMS: Final[Mapping[str, Form]] = {
    section: form for section, cls in SECTIONS.items() if cls is not dict and (form := form_of(cls, _unfit, _untrustworthy))
}
"""Of the sections that may name files."""


def _concerns(raw: Any, form: Form) -> bool:
    """Whether a middleware is of a kind that may name files."""
    return isinstance(raw, Mapping) and any(str(key).lower() in form.inner for key in raw)
