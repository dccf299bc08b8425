"""Which options name files, as the types in their classes say, and who judges what stands in them (`contents` reads them).

A class judges the contents for its own options: what its validators refuse does not take the place of what was good.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, get_args, get_origin

from attrs import frozen

from pointsman.config.blocks import fields_of, inner_class
from pointsman.config.convert import structure
from pointsman.config.middlewares import Kinds
from pointsman.config.spelling import spelled
from pointsman.values import FileOrContent, TextFile

MARK: Final = "\0text:"
"""Before the path of a text file, where paths of other files are kept too."""

Value = tuple[str, ...]
"""Options that belong together, as they are written or as they are read: a certificate and its key."""
Judge = Callable[[Value, Value], str]
"""What is to be said against these contents of these values; "" if nothing. Equal judges say the same."""


@frozen
class Group:
    """Options of one block that take effect together."""

    keys: tuple[str, ...]
    """In lower case."""
    judge: Judge
    is_text: bool = False
    """Whether it is a TextFile."""


@frozen
class Form:
    """Where in a block files are named. Keys are in lower case."""

    groups: tuple[Group, ...] = ()
    lists: Mapping[str, Judge] = {}
    """Lists whose items name a file each."""
    inner: Mapping[str, "Form"] = {}
    """Blocks, and lists of blocks."""
    each: "Form | None" = None
    """Of a block whose keys are names: that of every value."""

    def __bool__(self) -> bool:
        return bool(self.groups or self.lists or self.inner or self.each)


@frozen
class ByClass:
    """A judge: what validators of a class say."""

    config: type
    keys: tuple[str, ...]
    is_text: bool

    def __call__(self, value: Value, found: Value) -> str:
        contents: list[Any] = [*found]
        if self.is_text:
            contents = [TextFile(path.removeprefix(MARK), text) for path, text in zip(value, found, strict=True)]
        _, problems = structure(
            self.config, {key: content for key, content in zip(self.keys, contents, strict=True) if content}
        )
        for problem in problems:
            if problem.path in self.keys or not problem.path:
                named = problem.path and len(self.keys) > 1
                return f"{problem.path}: {problem.message}" if named else problem.message
        return ""


def form_of(cls: type, pairs: Judge | None = None, listed: Judge | None = None, within: tuple[type, ...] = ()) -> Form:
    """The form of a class. `pairs` judges the files of a block in place of the class, `listed` each one in a list, or those
    are not looked at. A class inside itself is looked at once.
    """
    if cls in within:
        return Form()
    files: list[str] = []
    groups: list[Group] = []
    lists: dict[str, Judge] = {}
    inner: dict[str, Form] = {}
    for attribute in fields_of(cls):
        annotation, key = attribute.type, spelled(attribute)
        origin, arguments = get_origin(annotation), get_args(annotation)
        if FileOrContent in (annotation, *arguments) and origin not in (list, tuple, dict):
            files.append(key)
        elif FileOrContent in arguments and origin is list and listed is not None:
            lists[key.lower()] = listed
        elif TextFile in (annotation, *arguments) and origin not in (list, tuple, dict):
            groups.append(Group((key.lower(),), ByClass(cls, (key,), is_text=True), is_text=True))
        else:
            block = inner_class(arguments[-1] if origin is dict else arguments[0] if origin in (list, tuple) else annotation)
            deeper = form_of(block, pairs, listed, (*within, cls)) if block is not None else Form()
            if deeper:
                inner[key.lower()] = Form(each=deeper) if origin is dict else deeper
    if files:
        groups.append(Group(tuple(key.lower() for key in files), pairs or ByClass(cls, tuple(files), is_text=False)))
    return Form(tuple(groups), lists, inner)


def form_of_middlewares(kinds: Kinds) -> Form:
    """By kind, and by kind below `plugin`."""
    kind_forms = {name.lower(): form for name, kind in kinds.items() if (form := form_of(kind.Config))}
    return Form(inner={**kind_forms, "plugin": Form(inner=kind_forms)} if kind_forms else {})
