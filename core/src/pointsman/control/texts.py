"""Which options of middlewares name text files, and how their classes judge what stands in them (`contents` reads them)."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from attrs import frozen

from pointsman.config.blocks import fields_of
from pointsman.config.convert import structure
from pointsman.config.middlewares import Kinds
from pointsman.config.spelling import spelled
from pointsman.values import TextFile

MARK: Final = "\0text:"
"""Before the path of such a file, where paths of other files are kept too."""


@frozen
class Text:
    """One such option of one class."""

    config: type
    key: str

    def refused(self, path: str, text: str) -> str:
        """What the class says against this text; "" if nothing."""
        _, problems = structure(self.config, {self.key: TextFile(path, text)})
        return next((problem.message for problem in problems if problem.path == self.key), "")


def texts_of(kinds: Kinds) -> Mapping[str, Any]:
    """By kind, and by kind below `plugin`, all in lower case: the options that are text files."""
    texts = {name.lower(): options for name, kind in kinds.items() if (options := _options(kind.Config))}
    return {**texts, "plugin": texts} if texts else {}


def _options(config: type) -> Mapping[str, Text]:
    return {
        spelled(field).lower(): Text(config, spelled(field))
        for field in fields_of(config)
        if TextFile in (field.type, *get_args(field.type))
    }
