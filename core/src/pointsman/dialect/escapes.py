"""Escapes that a path may be refused for, by the options that allow them (middlewares.md §3.9, operations.md §2.5)."""

from typing import Any, Final

ENCODED_CHARACTERS: Final = {
    "allow_encoded_slash": b"%2F",
    "allow_encoded_back_slash": b"%5C",
    "allow_encoded_null_character": b"%00",
    "allow_encoded_semicolon": b"%3B",
    "allow_encoded_percent": b"%25",
    "allow_encoded_question_mark": b"%3F",
    "allow_encoded_hash": b"%23",
}


def denied_escapes(config: Any) -> tuple[bytes, ...]:
    """The escapes that a block of these options does not allow, in upper case."""
    return tuple(escape for option, escape in ENCODED_CHARACTERS.items() if not getattr(config, option))
