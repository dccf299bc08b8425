"""Sprig's regular expressions (sprig 3.2: regex.go), by google-re2: Go's syntax, linear time.

Finding every match may take quadratic time, so all searches of one call look at a limited number of bytes.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from pointsman.dialect.gotemplate.errors import Wrong
from pointsman.dialect.gotemplate.library import Group
from pointsman.dialect.gotemplate.limits import bounded, counted
from pointsman.dialect.gotemplate.values import Strings, as_bytes, as_text
from pointsman.dialect.templates import Template
from pointsman.routing.regex import compiled

REGEXES: Final = Group()
MAX_SEARCHED: Final = 64 * 1024 * 1024
_SPECIAL: Final = "\\.+*?()|[]{}^$"


def _pattern(source: str) -> Any:
    try:
        return compiled(source, captures=True)
    except ValueError as error:
        raise Wrong(str(error)) from None


def _matches(pattern: Any, data: bytes) -> Iterator[Any]:
    """As Go goes on: an empty match right behind another is none, and the next search begins a character later."""
    place, last_end, searched = 0, -1, 0
    while place <= len(data):
        searched += len(data) - place + 1
        if searched > MAX_SEARCHED:
            raise Wrong("to find all matches takes too long; search in a shorter text")
        match = pattern.search(data, place)
        if match is None:
            return
        begin, end = match.span()
        if end > begin or begin != last_end:
            yield match
        last_end = end
        if end > begin:
            place = end
        else:
            place = end + 1
            while place < len(data) and data[place] & 0xC0 == 0x80:
                place += 1


@REGEXES("regexMatch", "string", "string")
def regex_match(source: str, text: str) -> bool:
    """False if the expression is none."""
    try:
        return must_regex_match(source, text)
    except Wrong:
        return False


@REGEXES("mustRegexMatch", "string", "string")
def must_regex_match(source: str, text: str) -> bool:
    return _pattern(source).search(as_bytes(text)) is not None


@REGEXES("regexFind mustRegexFind", "string", "string")
def regex_find(source: str, text: str) -> str:
    match = _pattern(source).search(as_bytes(text))
    return "" if match is None else as_text(match.group())


@REGEXES("regexFindAll mustRegexFindAll", "string", "string", "int")
def regex_find_all(source: str, text: str, count: int) -> Strings:
    """So many matches at most; all if the number is negative."""
    found = Strings()
    for match in _matches(_pattern(source), as_bytes(text)):
        if len(found) == count:
            break
        found.append(as_text(match.group()))
        counted(len(found))
    return found


def _replaced(source: str, text: str, expand: Callable[[Any], bytes]) -> str:
    data = as_bytes(text)
    parts: list[bytes] = []
    place = size = 0
    for match in _matches(_pattern(source), data):
        begin, end = match.span()
        parts += [data[place:begin], expand(match)]
        size = bounded(size + len(parts[-1]) + len(parts[-2]))
        place = end
    bounded(size + len(data) - place)
    return as_text(b"".join([*parts, data[place:]]))


@REGEXES("regexReplaceAll mustRegexReplaceAll", "string", "string", "string")
def regex_replace_all(source: str, text: str, replacement: str) -> str:
    """`${1}` and `$name` stand for groups."""
    pattern = _pattern(source)
    groups = {str(number): number for number in range(pattern.groups + 1)}
    groups |= {name.decode(): number for name, number in pattern.groupindex.items()}
    template = Template.read(replacement, groups)
    return _replaced(source, text, lambda match: template.expand(lambda number: match.group(number) or b""))


@REGEXES("regexReplaceAllLiteral mustRegexReplaceAllLiteral", "string", "string", "string")
def regex_replace_all_literal(source: str, text: str, replacement: str) -> str:
    data = as_bytes(replacement)
    return _replaced(source, text, lambda _: data)


@REGEXES("regexSplit mustRegexSplit", "string", "string", "int")
def regex_split(source: str, text: str, count: int) -> Strings:
    """Into so many parts at most; all if the number is negative."""
    if count == 0:
        return Strings()
    data = as_bytes(text)
    if source and not data:
        return Strings([""])
    parts = Strings()
    begin = end = 0
    for match in _matches(_pattern(source), data):
        if count > 0 and len(parts) == count - 1:
            break
        end = match.start()
        if match.end() != 0:
            parts.append(as_text(data[begin:end]))
            counted(len(parts))
        begin = match.end()
    if end != len(data):
        parts.append(as_text(data[begin:]))
    return parts


def quote_meta(text: str) -> str:
    """An expression for this text and no other."""
    return "".join([f"\\{each}" if each in _SPECIAL else each for each in text])


REGEXES("regexQuoteMeta", "string")(quote_meta)
