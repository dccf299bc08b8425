"""Where the static configuration comes from: a file, or flags, or the environment, never merged (operations.md §1.1)."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from attrs import frozen

from pointsman.config.checks import check
from pointsman.config.environment import read_environment
from pointsman.config.flags import read_flags
from pointsman.config.implied import with_implied
from pointsman.config.lines import with_lines
from pointsman.config.load import load_text, read_text
from pointsman.config.removed import deprecated_options, removed_options, without_removed
from pointsman.config.sections import Sections
from pointsman.config.static import Static, structure_static
from pointsman.errors import ConfigError, Problem

NAMES = ("pointsman", "traefik")
EXTENSIONS = ("toml", "yaml", "yml")


@frozen
class Loaded:
    """A static configuration that may be used: where it came from, and what an operator should hear about it."""

    config: Static
    source: str
    """`file /etc/pointsman/pointsman.yml`, `flags`, `environment` or `defaults`."""
    warnings: tuple[Problem, ...] = ()
    path: Path | None = None
    """The file, if it was one."""


def read_static(
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: str | os.PathLike[str],
    sections: Sections,
    *,
    etc: str | os.PathLike[str] = "/etc",
) -> Loaded:
    """Find, read, check and complete the static configuration. ConfigError with every problem if it cannot be used.

    `argv` holds flags only. `--configFile=x` or POINTSMAN_CONFIGFILE names a file; if it is missing that is a warning, and
    with `--strict` or POINTSMAN_STRICT=true fatal.
    """
    flags, variables = read_flags(argv, sections), read_environment(environ, sections)
    strict = flags.strict or variables.strict
    path, notes = _file(flags.config_file or variables.config_file, environ, Path(cwd), Path(etc), strict)
    raw: Any = None
    text = ""
    gone = removed_options(flags.raw, strict=strict)
    if path is not None:
        text = read_text(path)
        raw = load_text(text, str(path))
        gone += removed_options(raw, strict=strict)
    gone += [*removed_options(variables.raw, strict=strict), *flags.strays, *variables.strays]
    problems = [*notes, *gone, *deprecated_options(raw if path else flags.raw or variables.raw)]
    if path is not None:
        source = f"file {path}"
        problems += _ignored(source, flags.names, variables.names)
    elif flags.names or flags.strays:
        raw, source = flags.raw, "flags"
        problems += [*_ignored(source, [], variables.names), *flags.problems]
    elif variables.names:
        raw, source = variables.raw, "environment"
        problems += variables.problems
    else:
        source = "defaults"
        problems += variables.problems
    static, mistakes = (Static(), []) if source == "defaults" else _structured(raw, source, problems, sections)
    found = [*without_removed(mistakes, gone), *(check(static) if static else [])]
    problems += with_lines(found, text, path.name) if path else found
    if static is None or any(not problem.warning for problem in problems):
        raise ConfigError(sorted(problems, key=lambda problem: problem.warning))
    static, more = with_implied(static)
    return Loaded(static, source, (*problems, *more), path)


def _structured(
    raw: Any, source: str, problems: Sequence[Problem], sections: Sections
) -> tuple[Static | None, list[Problem]]:
    if source in ("flags", "environment") and not raw:  # every name was a mistake, and is told already
        return Static(), [] if problems else [Problem("", f"the {source} say nothing")]
    return structure_static(raw, sections)


def _ignored(source: str, flags: Sequence[str], variables: Sequence[str]) -> list[Problem]:
    return [
        Problem("", f"{what} ignored, since the configuration is taken from {source} alone: {listed}", warning=True)
        for what, names in (("flags are", flags), ("environment variables are", variables))
        if (listed := ", ".join(dict.fromkeys(names)))
    ]


def _file(
    named: str | None, environ: Mapping[str, str], cwd: Path, etc: Path, strict: bool
) -> tuple[Path | None, list[Problem]]:
    """The file to read, if there is one. If the one that is named is missing, the default places are searched."""
    notes = []
    if named is not None:
        path = cwd / Template(named).safe_substitute(environ)
        if named and path.is_file():
            return path, []
        message = f"the file '{named}' does not exist" + ("" if strict else "; the default places are searched instead")
        notes.append(Problem("configFile", message, warning=not strict))
    return next((path for path in search_places(environ, cwd, etc) if path.is_file()), None), notes


def search_places(environ: Mapping[str, str], cwd: Path, etc: Path) -> Iterator[Path]:
    """Every path where a configuration file is looked for, in order: at each base Pointsman's own names first."""
    bases: list[Path | None] = [None]
    for variable, below in (("XDG_CONFIG_HOME", ""), ("HOME", ".config")):
        if home := environ.get(variable):
            bases.append(Path(home) / below)
    for base in (*bases, cwd):
        for name in NAMES:
            for extension in EXTENSIONS:
                yield (etc / name if base is None else base) / f"{name}.{extension}"
