"""The documents for users, taken apart: sections, and what stands in their blocks of code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import Factory, define

ROOT: Final = Path(__file__).parents[2]
DOCUMENTS: Final = [
    path
    for pattern in ("README.md", "docs/*.md", "plugins/**/README.md", "examples/*/README.md")
    for path in sorted(ROOT.glob(pattern))
]
HEADING: Final = re.compile(r"^##+ (.+)$")
NAME: Final = re.compile(r"# ([a-z]+\.yml)\b")
STATIC: Final = "pointsman.yml"
DYNAMIC: Final = "routes.yml"
STATIC_KEYS: Final = ("entryPoints", "providers", "log", "accessLog", "ping", "api")


@define
class Section:
    """A heading and the code below it: files to write, commands to run."""

    document: Path
    title: str
    files: dict[str, str] = Factory(dict)
    commands: list[str] = Factory(list)

    def add(self, language: str, text: str) -> None:
        """A block of code; of YAML, the first line may say how its file is called."""
        if language == "yaml":
            self.files[_name(text)] = text
        elif language == "bash":
            lines = text.replace("\\\n", " ").splitlines()
            self.commands += [line.partition("  #")[0].strip() for line in lines]

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}: {self.title}"


def _name(text: str) -> str:
    named = NAME.match(text)
    if named:
        return named[1]
    return STATIC if re.search(rf"^({'|'.join(STATIC_KEYS)}):", text, re.MULTILINE) else DYNAMIC


def sections(document: Path) -> Iterator[Section]:
    """All that have code; their order is the document's."""
    section, language, block = Section(document, ""), "", [""]
    for line in document.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.startswith("```") and language:
            section.add(language, "".join(block))
            language = ""
        elif line.startswith("```"):
            language, block = line[3:].strip() or "text", []
        elif language:
            block.append(line)
        elif heading := HEADING.match(line):
            yield from _if_any(section)
            section = Section(document, heading[1])
    yield from _if_any(section)


def _if_any(section: Section) -> Iterator[Section]:
    if section.files or section.commands:
        yield section


def section(document: str, title: str) -> Section:
    """One section by its heading."""
    return next(found for found in sections(ROOT / document) if found.title == title)
