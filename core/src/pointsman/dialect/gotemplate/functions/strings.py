"""Sprig's functions of strings (sprig 3.2: strings.go, with goutils and xstrings).

Go counts bytes in `trunc` and `substr`, and so do these.
"""

import random
import re
import secrets
import string
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, Final

from pointsman.dialect.gotemplate.errors import Wrong
from pointsman.dialect.gotemplate.library import Group
from pointsman.dialect.gotemplate.limits import bounded, counted
from pointsman.dialect.gotemplate.printing import plain, quoted
from pointsman.dialect.gotemplate.values import StringMap, Strings, as_bytes, as_text, whole

STRINGS: Final = Group()
_SPACE: Final = "".join(each for each in map(chr, range(0x3001)) if each.isspace() and not "\x1c" <= each <= "\x1f")


def strings_of(value: Any) -> Strings:
    """Any list as one of strings, without what is nil; anything else as the only element."""
    if isinstance(value, list):
        return Strings(plain(each) for each in value if each is not None)
    return Strings([] if value is None else [plain(value)])


STRINGS("trim", "string")(lambda text: text.strip(_SPACE))
STRINGS("trimAll trimall", "string", "string")(lambda characters, text: text.strip(characters) if characters else text)
STRINGS("trimSuffix", "string", "string")(lambda end, text: text.removesuffix(end))
STRINGS("trimPrefix", "string", "string")(lambda begin, text: text.removeprefix(begin))
STRINGS("contains", "string", "string")(lambda part, text: part in text)
STRINGS("hasPrefix", "string", "string")(lambda begin, text: text.startswith(begin))
STRINGS("hasSuffix", "string", "string")(lambda end, text: text.endswith(end))
STRINGS("nospace", "string")(lambda text: "".join([each for each in text if each not in _SPACE]))
STRINGS("toString", "any")(plain)
STRINGS("toStrings", "any")(strings_of)
STRINGS("join", "string", "any")(lambda separator, value: separator.join(strings_of(value)))
STRINGS("plural", "string", "string", "int")(lambda one, many, count: one if count == 1 else many)


def _each(text: str, change: Callable[[str], str]) -> str:
    """Characters changed one by one: what Go's case functions do, which make no two of one."""
    changed = change(text)
    if text.isascii():
        return changed
    return "".join([other if len(other := change(each)) == 1 else each for each in text])


@STRINGS("upper", "string")
def upper(text: str) -> str:
    return _each(text, str.upper)


@STRINGS("lower", "string")
def lower(text: str) -> str:
    return _each(text, str.lower)


def _is_letter_or_digit(character: str) -> bool:
    return character.isalpha() or character.isdecimal() or character == "_"


@STRINGS("title", "string")
def title(text: str) -> str:
    """Each word's first letter in its title case; the rest stays."""
    return _capitalised(text, lambda before: not (_is_letter_or_digit(before) or (before > "\x7f" and before not in _SPACE)))


def _capitalised(text: str, begins: Callable[[str], bool]) -> str:
    before, changed = " ", []
    for each in text:
        other = each.title() if begins(before) else each
        changed.append(other if len(other) == 1 else each)
        before = each
    return "".join(changed)


@STRINGS("untitle", "string")
def untitle(text: str) -> str:
    before, changed = " ", []
    for each in text:
        changed.append(lower(each) if before in _SPACE else each)
        before = each
    return "".join(changed)


@STRINGS("swapcase", "string")
def swapcase(text: str) -> str:
    """Capitals become small; small letters become capitals, at the beginning of words title case."""
    before, changed = " ", []
    for each in text:
        other = each.lower() if each.isupper() or each.istitle() else each.title() if before in _SPACE else each.upper()
        changed.append(other if len(other) == 1 else each)
        before = each
    return "".join(changed)


@STRINGS("initials", "string")
def initials(text: str) -> str:
    return "".join(re.findall(r"(?:(?<=\s)|^)\S", text))


@STRINGS("repeat", "int", "string")
def repeat(count: int, text: str) -> str:
    if count < 0:
        raise Wrong("a negative count")
    bounded(len(text) * count)
    return text * count


@STRINGS("substr", "int", "int", "string")
def substr(start: int, end: int, text: str) -> str:
    data = as_bytes(text)
    if start < 0:
        start = 0
    elif end < 0 or end > len(data):
        end = len(data)
    if not 0 <= start <= end <= len(data):
        raise Wrong(f"slice bounds out of range: {start} to {end}, of {len(data)}")
    return as_text(data[start:end])


@STRINGS("trunc", "int", "string")
def trunc(count: int, text: str) -> str:
    data = as_bytes(text)
    if count < 0:
        return as_text(data[count:]) if len(data) + count > 0 else text
    return as_text(data[:count])


@STRINGS("abbrev", "int", "string")
def abbrev(width: int, text: str) -> str:
    return text if width < 4 else _abbreviated(text, 0, width)


@STRINGS("abbrevboth", "int", "int", "string")
def abbrevboth(left: int, right: int, text: str) -> str:
    return text if right < 4 or (left > 0 and right < 7) else _abbreviated(text, left, right)


def _abbreviated(text: str, offset: int, width: int) -> str:
    """goutils.AbbreviateFull, which counts bytes."""
    data = as_bytes(text)
    if len(data) <= width:
        return text
    offset = min(offset, len(data))
    if len(data) - offset < width - 3:
        offset = len(data) - (width - 3)
    if offset <= 4:
        return as_text(data[: width - 3] + b"...")
    if width < 7:
        return ""
    if offset + width - 3 < len(data):
        return "..." + _abbreviated(as_text(data[offset:]), 0, width - 3)
    return as_text(b"..." + data[len(data) - (width - 3) :])


@STRINGS("replace", "string", "string", "string")
def replace(old: str, new: str, text: str) -> str:
    bounded(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


@STRINGS("quote", "...any")
def quote(*values: Any) -> str:
    return " ".join([quoted(plain(value)) for value in values if value is not None])


@STRINGS("squote", "...any")
def squote(*values: Any) -> str:
    return " ".join([f"'{plain(value)}'" for value in values if value is not None])


@STRINGS("cat", "...any")
def cat(*values: Any) -> str:
    return " ".join([plain(value) for value in values if value is not None])


@STRINGS("indent", "int", "string")
def indent(spaces: int, text: str) -> str:
    if spaces < 0:
        raise Wrong("a negative number of spaces")
    bounded(len(text) + spaces * (text.count("\n") + 1))
    pad = " " * spaces
    return pad + text.replace("\n", "\n" + pad)


@STRINGS("nindent", "int", "string")
def nindent(spaces: int, text: str) -> str:
    return "\n" + indent(spaces, text)


@STRINGS("wrap", "int", "string")
def wrap(width: int, text: str) -> str:
    return wrapped(text, width, "\n", long_words=False)


@STRINGS("wrapWith", "int", "string", "string")
def wrap_with(width: int, separator: str, text: str) -> str:
    return wrapped(text, width, separator, long_words=True)


def wrapped(text: str, width: int, separator: str, *, long_words: bool) -> str:
    """goutils.WrapCustom: lines end at spaces; words that are too long are cut if `long_words`."""
    width = max(width, 1)
    separator = separator or "\n"
    lines: list[str] = []
    place = 0
    size = len(text)
    while size - place > width:
        if text[place] == " ":
            place += 1
            continue
        space = text.rfind(" ", place, place + width + 1)
        if space >= place:
            lines.append(text[place:space])
            place = space + 1
        elif long_words:
            lines.append(text[place : place + width])
            place += width
        else:
            space = text.find(" ", place + width)
            if space < 0:
                break
            lines.append(text[place:space])
            place = space + 1
    lines.append(text[place:])
    bounded(size + len(lines) * len(separator))
    return separator.join(lines)


_WORDS: Final = re.compile(r"(?P<mark>[\s_-]+)|(?P<number>\d+)|(?P<letters>[^\W\d_]+)|(?P<other>[^\w\s-]+?)")


def _words(text: str) -> Iterator[tuple[str, str]]:
    """The kind of each word and the word: mark, number, upper (it begins with a capital), lower, point, other."""
    for match in _WORDS.finditer(text):
        if match.lastgroup == "letters":
            yield from _letters(match.group())
        else:
            point = match.lastgroup == "other" and unicodedata.category(match.group()).startswith("P")
            yield "point" if point else str(match.lastgroup), match.group()


def _letters(text: str) -> Iterator[tuple[str, str]]:
    """Camel case cut: `HTTPServer` is `HTTP` and `Server`."""
    place = 0
    while place < len(text):
        end = place
        while end < len(text) and text[end].isupper():
            end += 1
        capitals = end - place
        if capitals > 1 and end < len(text):
            end -= 1
        elif capitals <= 1:
            while end < len(text) and not text[end].isupper():
                end += 1
        yield ("upper" if capitals else "lower"), text[place:end]
        place = end


def _split_case(text: str, connector: str) -> str:
    """Words in small letters with connectors between, as xstrings joins them.

    Numbers belong to the word before them (`Bld4Floor`: `bld4_floor`), unless small letters follow (`HTTP2xx`: `http_2xx`).
    """
    words = [("mark", ""), *_words(text), ("mark", "")]
    joined: list[str] = []
    glued = False
    """Whether small letters and numbers go on the word that a number began."""
    for (before, _), (kind, word), (after, _) in zip(words, words[1:], words[2:], strict=False):
        if kind == "mark":
            joined.append(connector * len(word))
            glued = False
            continue
        apart = before not in ("mark", "point") and kind != "point"
        if glued and kind in ("lower", "number"):
            apart = False
        elif kind == "number":
            glued = after == "lower" or not apart
            apart = apart and after == "lower"
        else:
            glued = False
        joined.append(connector * apart + lower(word))
    return "".join(joined)


STRINGS("snakecase", "string")(lambda text: _split_case(text, "_"))
STRINGS("kebabcase", "string")(lambda text: _split_case(text, "-"))


@STRINGS("camelcase", "string")
def camelcase(text: str) -> str:
    """`http_server` to `httpServer`: a mark goes, and what follows it is a capital; marks at the ends stay."""
    parts = re.split(r"([\s_-]+)", text)
    begin = next((place for place in range(0, len(parts), 2) if parts[place]), None)
    if begin is None:
        return text + text[-1:]  # as xstrings does
    done = ["".join(parts[:begin]), _uncapitalised(parts[begin])]
    for place in range(begin + 2, len(parts), 2):
        mark, part = parts[place - 1], parts[place]
        done.append(mark[:-1] + upper(part[0]) + _uncapitalised(part)[1:] if part else mark)
    return "".join(done)


def _uncapitalised(text: str) -> str:
    """The capitals it begins with made small."""
    end = next((place for place, each in enumerate(text) if not each.isupper()), len(text))
    return lower(text[: max(end, 1)]) + text[max(end, 1) :]


@STRINGS("shuffle", "string")
def shuffle(text: str) -> str:
    characters = list(text)
    random.shuffle(characters)
    return "".join(characters)


def _random(alphabet: str) -> Callable[[int], str]:
    def drawn(count: int) -> str:
        if count < 0:
            raise Wrong("a negative count")
        return "".join([secrets.choice(alphabet) for _ in range(counted(count))])

    return drawn


STRINGS("randAlphaNum", "int")(_random(string.ascii_letters + string.digits))
STRINGS("randAlpha", "int")(_random(string.ascii_letters))
STRINGS("randNumeric", "int")(_random(string.digits))
STRINGS("randAscii", "int")(_random("".join(map(chr, range(32, 127)))))


@STRINGS("splitList", "string", "string")
def split_list(separator: str, text: str) -> Strings:
    counted(text.count(separator) if separator else len(text))
    return Strings(text.split(separator) if separator else list(whole(text)))


@STRINGS("sortAlpha", "any")
def sort_alpha(value: Any) -> Strings:
    return Strings(sorted(strings_of(value), key=as_bytes)) if isinstance(value, list) else Strings([plain(value)])


def _numbered(parts: list[str]) -> StringMap:

    return StringMap({f"_{number}": part for number, part in enumerate(parts)})


@STRINGS("split", "string", "string")
def split(separator: str, text: str) -> Any:
    """A map with the keys `_0`, `_1` and so on."""
    return _numbered(split_list(separator, text))


@STRINGS("splitn", "string", "int", "string")
def splitn(separator: str, count: int, text: str) -> Any:
    if count < 0:
        return split(separator, text)
    if count == 0:
        return _numbered([])
    if not separator:
        characters = list(whole(text))
        return _numbered(
            [*characters[: count - 1], "".join(characters[count - 1 :])] if len(characters) >= count else characters
        )
    counted(min(count, text.count(separator)))
    return _numbered(text.split(separator, count - 1))


FILE_STRINGS: Final = Group()
"""What files have beside them: Traefik's `normalize`, and `split` with a list as its result and the text first."""


def normalize(text: str) -> str:
    """What is neither letter nor number becomes a single `-` (providers.md §1.7)."""
    return "-".join(re.findall(r"[^\W_]+", text))


FILE_STRINGS("split", "string", "string")(lambda text, separator: split_list(separator, text))
COMMON: Final = Group()
COMMON("normalize", "string")(normalize)
