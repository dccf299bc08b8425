"""Which fields the access log keeps: decided once, so that what is dropped costs nothing (operations.md §3.2)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import evolve

from pointsman.api import LogField
from pointsman.config.observability_model import AccessLogFields
from pointsman.config.spelling import suggestion
from pointsman.errors import Problem
from pointsman.message import Parsed
from pointsman.observe.accessrecord import CLF, FIELDS, WRITTEN, AccessRecord, clf_fields, request_path_alone

KEEP, DROP, REDACT = "keep", "drop", "redact"
REDACTED: Final = "REDACTED"
_CANONICAL: dict[bytes, str] = {}
_CANONICAL_LIMIT: Final = 4096

_FRAMING: Final = (b"host", b"transfer-encoding")
"""What says where a message goes or ends, which other fields tell."""

Pairs = Iterable[tuple[bytes, bytes]]


class Fields:
    """The fields that are kept, as formats ask for them."""

    def __init__(self, config: AccessLogFields) -> None:
        names = {name.lower(): mode for name, mode in config.names.items()}
        default = _mode(config.default_mode, KEEP, (KEEP, DROP))
        kept = {
            name: field for name, field in FIELDS.items() if _mode(names.get(name.lower()), default, (KEEP, DROP)) == KEEP
        }
        if config.query_parameters.default_mode == DROP and "RequestPath" in kept:
            kept["RequestPath"] = evolve(kept["RequestPath"], read=request_path_alone)
        headers = config.headers
        self._headers = {name.lower().encode(): mode for name, mode in headers.names.items()}
        self._default = _mode(headers.default_mode, DROP, (KEEP, DROP, REDACT))
        self._headers = {name: _mode(mode, self._default, (KEEP, DROP, REDACT)) for name, mode in self._headers.items()}
        if self.keeps_headers:
            groups = {f"{word}_": source for word, source in _SOURCES.items()}
            kept |= {word: LogField(word, "headers", self._group(word, source)) for word, source in groups.items()}
        self._kept = kept
        self._by_lower = {name.lower(): field for name, field in self._kept.items()}
        self._by_lower |= {field.name.lower(): field for field in clf_fields(kept)}
        self._kept["time"] = WRITTEN
        self._kept = dict(sorted(self._kept.items()))

    @property
    def keeps_headers(self) -> bool:
        """Whether any header may be written."""
        return self._default != DROP or any(mode != DROP for mode in self._headers.values())

    def __iter__(self) -> Iterator[LogField]:
        return iter(self._kept.values())

    def get(self, name: str) -> LogField | None:
        """The field of this name, in any case, also that of one header; None if it is dropped. KeyError."""
        lower = name.lower()
        word, _, header = lower.partition("_")
        if header and word in _SOURCES and lower not in _KNOWN:
            return self._header(word, header.encode())
        if lower not in _KNOWN:
            raise KeyError(name)
        return self._by_lower.get(lower)

    def _header(self, word: str, header: bytes) -> LogField | None:
        mode = self._headers.get(header, self._default)
        if mode == DROP:
            return None
        source, redacted = _SOURCES[word], mode == REDACT

        def read(record: AccessRecord) -> str | None:
            values = [value for name, value in source(record) if name == header]
            if not values:
                return None
            return REDACTED if redacted else b",".join(values).decode("utf-8", "replace")

        return LogField(f"{word}_{_canonical(header)}", "text", read, always=False)

    def _group(
        self, prefix: str, source: Callable[[AccessRecord], Pairs]
    ) -> Callable[[AccessRecord], list[tuple[str, str]]]:
        modes, default = self._headers | dict.fromkeys(_FRAMING, DROP), self._default

        def read(record: AccessRecord) -> list[tuple[str, str]]:
            found: dict[bytes, bytes] = {}
            for name, value in source(record):
                mode = modes.get(name, default)
                if mode == DROP:
                    continue
                if mode == REDACT:
                    found[name] = REDACTED.encode()
                else:
                    found[name] = found[name] + b"," + value if name in found else value
            return sorted([(prefix + _canonical(name), value.decode("utf-8", "replace")) for name, value in found.items()])

        return read


def _mode(word: str | None, default: str, known: tuple[str, ...]) -> str:
    """What a word means; an unknown one is the enclosing default."""
    return word if word in known else default


def _asked(record: AccessRecord) -> Pairs:
    headers: Pairs = record.request.headers
    return headers


def _said(record: AccessRecord) -> Pairs:
    said = record.attempt.said if record.attempt is not None else None
    return said.pairs() if type(said) is Parsed else said or ()


def _answered(record: AccessRecord) -> Pairs:
    response = record.exchange.response
    return response.headers if response is not None else ()


_SOURCES: Final[Mapping[str, Callable[[AccessRecord], Pairs]]] = {
    "downstream": _answered,
    "origin": _said,
    "request": _asked,
}
_KNOWN: Final = frozenset(name.lower() for name in (*FIELDS, *CLF))


def _canonical(name: bytes) -> str:
    """`user-agent` as `User-Agent`; remembered, but not for ever, for clients make names up."""
    found = _CANONICAL.get(name)
    if found is None:
        found = "-".join(part.capitalize() for part in name.decode("latin-1").split("-"))
        if len(_CANONICAL) < _CANONICAL_LIMIT:
            _CANONICAL[bytes(name)] = found
    return found


def odd_fields(config: AccessLogFields) -> list[Problem]:
    """What `fields` says without effect."""
    path = "accessLog.fields"
    found = [
        Problem(f"{path}.names.{name}", f"there is no such field{suggestion(name, FIELDS)}", warning=True)
        for name in config.names
        if name.lower() not in _KNOWN
    ]
    words: list[tuple[str, Any, tuple[str, ...]]] = [("defaultMode", config.default_mode, (KEEP, DROP))]
    words += [(f"names.{name}", mode, (KEEP, DROP)) for name, mode in config.names.items()]
    words += [("headers.defaultMode", config.headers.default_mode, (KEEP, DROP, REDACT))]
    words += [(f"headers.names.{name}", mode, (KEEP, DROP, REDACT)) for name, mode in config.headers.names.items()]
    words += [("queryParameters.defaultMode", config.query_parameters.default_mode, (KEEP, DROP))]
    return found + [
        Problem(f"{path}.{place}", f"'{word}' is not a mode; use {', '.join(known)}{suggestion(word, known)}", warning=True)
        for place, word, known in words
        if word not in known
    ]
