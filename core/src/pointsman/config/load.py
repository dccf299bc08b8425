"""Text to plain data: a tamed YAML and TOML, and the only file that knows either.

YAML words mean what YAML 1.2 says, not 1.1: only `true` and `false` are booleans, so `no`, `on`, `1:30` and dates stay text,
and keys are always text as written. A number is a number only in its plain decimal form; `010`, `0x1F`, `1_000`, `+5` and
`1.50` stay text, so text fields keep every character and an integer field reads `010` as ten. (operations.md §1.2)
"""

import json
import os
import re
import tomllib
from datetime import date, time
from typing import Any

import yaml

from pointsman.config.composer import Composer, resolve
from pointsman.errors import ConfigError, Problem

MAX_DEPTH = 100
_TOML_AT = re.compile(r"^(.*?) \(at (?:line (\d+), column (\d+)|end of document)\)$", re.DOTALL)
_PLAIN_WORDS = (
    ("mapping values are not allowed", "a ':' stands where no key can be; quote the value, or check the indentation"),
    (
        "cannot start any token",
        "a value cannot begin with this character, and tabs do not indent; quote it, or use spaces",
    ),
    ("could not find expected ':'", "this is not a 'key: value' line; a ':' is missing, or the indentation is wrong"),
    ("did not find expected key", "a key was expected here; check the indentation and that quotes and brackets are closed"),
    ("did not find expected '-' indicator", "a list item was expected here; check the indentation"),
    ("unexpected end of stream", "the text ends inside a quoted value; a closing quote is missing"),
    ("did not find expected ',' or ']'", "a '[' list is not closed with ']'"),
    ("did not find expected ',' or '}'", "a '{' block is not closed with '}'"),
    ("did not find expected node content", "a value was expected here"),
    ("unknown escape character", "a backslash in double quotes begins an escape; write it twice, or use single quotes"),
)


def load_text(text: str, name: str) -> Any:
    """The plain data that `text` stands for; `name` decides the format by its extension (operations.md §1.2).

    None for an empty text. ConfigError with `name:line:column` for anything that is not well formed.
    """
    extension = os.path.splitext(name)[1].lower()
    if extension in (".yaml", ".yml"):
        return _yaml(text, name)
    if extension == ".json":
        return _json(text, name)
    if extension == ".toml":
        return _toml(text, name)
    raise ConfigError(Problem(name, f"unsupported file extension '{extension}'; use .yaml, .yml, .toml or .json"))


def load_file(path: str | os.PathLike[str]) -> Any:
    """The plain data in a file. ConfigError if it cannot be read or understood."""
    return load_text(read_text(path), os.fspath(path))


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a file, with or without a byte order mark. ConfigError if it cannot be read or is not UTF-8."""
    name = os.fspath(path)
    try:
        with open(name, encoding="utf-8-sig") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise ConfigError(Problem(name, f"is not UTF-8 text: {error.reason} at byte {error.start}")) from error
    except OSError as error:
        raise ConfigError(Problem(name, f"cannot be read: {error.strerror or error}")) from error


def _yaml(text: str, name: str) -> Any:
    try:
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        try:
            return Composer(loader.get_event, name, MAX_DEPTH).document()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise ConfigError(
            Problem(_place(name, error.problem_mark or error.context_mark), _plainly(error.problem))
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(Problem(name, f"is not text that YAML allows: {str(error).splitlines()[0]}")) from error
    except UnicodeError as error:
        raise ConfigError(Problem(name, "holds characters that cannot be encoded as UTF-8")) from error


def _json(text: str, name: str) -> Any:
    """JSON, and whatever YAML makes of what is not quite JSON: comments, a trailing comma, a key given twice."""
    try:
        document = json.loads(text, object_pairs_hook=_once, parse_float=_exact_float, parse_int=resolve, parse_constant=str)
    except (ValueError, RecursionError):
        return _yaml(text, name)
    return _bounded(document, name, MAX_DEPTH)


def load_json(text: str) -> Any:
    """The plain data of JSON, strictly: nothing that only YAML could read. ConfigError with line and column otherwise."""
    try:
        document = json.loads(
            text, object_pairs_hook=_once, parse_float=_exact_float, parse_int=resolve, parse_constant=_no_number
        )
    except json.JSONDecodeError as error:
        raise ConfigError(Problem(f"line {error.lineno}, column {error.colno}", f"is not JSON: {error.msg}")) from None
    except ValueError as error:
        raise ConfigError(Problem("", f"is not JSON: {error}")) from None
    except RecursionError:
        raise ConfigError(Problem("", f"is nested deeper than {MAX_DEPTH} levels")) from None
    return _bounded(document, "", MAX_DEPTH)


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    block = dict(pairs)
    if len(block) != len(pairs):
        raise ValueError("a key is given twice")
    return block


def _place(name: str, mark: Any) -> str:
    return f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name


def _plainly(problem: str | None) -> str:
    problem = problem or "is not YAML"
    return next((f"{words} ({problem})" for known, words in _PLAIN_WORDS if known in problem), problem)


def _toml(text: str, name: str) -> Any:
    try:
        document = tomllib.loads(text, parse_float=_exact_float)
    except RecursionError as error:
        raise ConfigError(Problem(name, f"is nested deeper than {MAX_DEPTH} levels")) from error
    except ValueError as error:
        raise ConfigError(_toml_problem(str(error), name, text)) from error
    return _bounded(document, name, MAX_DEPTH) or None


def _toml_problem(message: str, name: str, text: str) -> Problem:
    if not (found := _TOML_AT.match(message)):
        return Problem(name, f"is not TOML: {message}")
    what, line, column = found.groups()
    if line is None:
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    return Problem(f"{name}:{line}:{column}", f"{what[:1].lower()}{what[1:]}")


def _exact_float(text: str) -> float | str:
    number = float(text)
    return number if repr(number) == text else text


def _bounded(value: Any, name: str, depth: int) -> Any:
    """The value, with dates as text. ConfigError if it is nested too deep."""
    if depth < 0:
        raise ConfigError(Problem(name, f"is nested deeper than {MAX_DEPTH} levels"))
    if isinstance(value, dict):
        return {key: _bounded(item, name, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_bounded(item, name, depth - 1) for item in value]
    return value.isoformat() if isinstance(value, date | time) else value


def dump_yaml(plain: Any) -> str:
    """Plain data as YAML that `load_text` reads as the same data, for `check --print`."""
    return str(yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120))


class _Dumper(yaml.SafeDumper):
    """Writes shared parts out, and escapes every character that cannot be seen."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if text.replace("\n", "").isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text_node)
