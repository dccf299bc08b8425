"""Where in a YAML text a problem stands: found only when there is one, by reading the text again (operations.md §1.2)."""

import re
from collections.abc import Callable, Iterable
from typing import Any

import yaml
from attrs import evolve

from pointsman.config.spelling import join
from pointsman.errors import Problem

_UNKNOWN = re.compile(r"unknown key '(.*?)'")
Lines = dict[str, tuple[int, int]]


def with_lines(problems: Iterable[Problem], text: str, name: str, source: str = "") -> list[Problem]:
    """The problems, each with the line and column of what it names, as far as a YAML text shows them.

    `source` is the provider whose name stands in the paths, if one does: `http.routers.shop@file.rule`.
    """
    problems = list(problems)
    if not problems or not name.lower().endswith((".yml", ".yaml", ".json")):
        return problems
    lines = _lines(text)
    return [_placed(problem, lines, source) for problem in problems]


def _placed(problem: Problem, lines: Lines, source: str) -> Problem:
    unknown = _UNKNOWN.match(problem.message)
    path = join(problem.path, unknown[1] if unknown else "").lower()
    if source:
        path = path.replace(f"@{source.lower()}", "", 1)
    while path and path not in lines:  # what is missing has no line; what it is missing from has
        path = path.rpartition(".")[0]
    if not path:
        return problem
    line, column = lines[path]
    return evolve(problem, message=f"{problem.message} (line {line}, column {column})")


def _lines(text: str) -> Lines:
    lines: Lines = {}
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        while type(event := loader.get_event()) is not yaml.StreamEndEvent:
            if type(event) is yaml.DocumentStartEvent:
                _value(loader.get_event, loader.get_event(), "", lines)
    except (
        yaml.YAMLError,
        RecursionError,
    ):  # a text that could be loaded has none of them; else some lines are better than none
        pass
    finally:
        loader.dispose()
    return lines


def _value(next_event: Callable[[], Any], event: Any, path: str, lines: Lines) -> None:
    if type(event) is yaml.SequenceStartEvent:
        index = 0
        while type(item := next_event()) is not yaml.SequenceEndEvent:
            place = f"{path}[{index}]"
            lines[place] = (item.start_mark.line + 1, item.start_mark.column + 1)
            _value(next_event, item, place, lines)
            index += 1
    elif type(event) is yaml.MappingStartEvent:
        while type(key := next_event()) is not yaml.MappingEndEvent:
            place = join(path, str(getattr(key, "value", "")).lower())
            lines[place] = (key.start_mark.line + 1, key.start_mark.column + 1)
            _value(next_event, next_event(), place, lines)
