"""What users write under `compress`, checked (middlewares.md §3.6)."""

import re
from collections.abc import Iterable

from attrs import frozen

from pointsman.dialect.mediatypes import media_type
from pointsman.errors import ConfigError, Problem

ENCODINGS = ("gzip", "br", "zstd")
MIN_RESPONSE_BODY_BYTES = 1024
_WORD = re.compile(r"[\w.+-]+", re.ASCII)


@frozen
class CompressConfig:
    encodings: tuple[str, ...] = ENCODINGS
    default_encoding: str = ""
    min_response_body_bytes: int = MIN_RESPONSE_BODY_BYTES
    excluded_content_types: tuple[str, ...] = ()
    included_content_types: tuple[str, ...] = ()


def problems_of(config: CompressConfig) -> list[Problem]:
    """What is wrong beyond single values."""
    problems = [
        Problem(f"encodings[{at}]", f"unsupported encoding: {name}; there are {', '.join(ENCODINGS)}")
        for at, name in enumerate(config.encodings)
        if name not in ENCODINGS
    ]
    default = config.default_encoding
    if default and default not in (config.encodings or ENCODINGS):
        problems.append(Problem("defaultEncoding", f"unsupported default encoding: {default}; it is not among encodings"))
    if config.excluded_content_types and config.included_content_types:
        problems.append(
            Problem(
                "", "excludedContentTypes and includedContentTypes options are mutually exclusive; leave one of them out"
            )
        )
    return problems


def media_types(key: str, types: Iterable[str]) -> frozenset[bytes]:
    """The types without their parameters. ConfigError with all that are none.

    A single word is one for the reference, and matches nothing; such configurations stay good.
    """
    found: set[bytes] = set()
    problems: list[Problem] = []
    for at, text in enumerate(types):
        try:
            found.add(text.lower().encode() if _WORD.fullmatch(text) else media_type(text))
        except ValueError as error:
            problems.append(Problem(f"{key}[{at}]", str(error)))
    if problems:
        raise ConfigError(problems)
    return frozenset(found)
