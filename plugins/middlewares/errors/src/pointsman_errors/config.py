"""What users write under `errors`, and which of several ranges is meant for a status."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from attrs import Factory, field, frozen
from attrs.validators import optional

from pointsman import TextFile
from pointsman.dialect.statuses import status_range
from pointsman.errors import ConfigError, Problem

T = TypeVar("T")

LOWEST_SENT: Final = 200
"""What is lower is no answer."""
MAX_BYTES: Final = 1024 * 1024


def check_text(text: str) -> None:
    """ValueError for one that is no page."""
    if "\ufffd" in text:
        raise ValueError("it is not UTF-8")
    if len(text.encode()) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES} bytes")


def _sendable(_: Any, attribute: Any, file: TextFile) -> None:
    if file.text is not None:  # else whoever reads it will say
        check_text(file.text)


@frozen
class Page:
    """A page that needs no service: its text, or the file that holds it."""

    body: str = ""
    file: TextFile | None = field(default=None, validator=optional(_sendable))
    content_type: str = "text/html; charset=utf-8"


@frozen
class ErrorsConfig:
    status: tuple[str, ...] = ()
    status_rewrites: dict[str, int] = Factory(dict)
    service: str = ""
    query: str = ""
    error_request_headers: tuple[str, ...] | None = None
    """None: all."""
    nginx_headers: dict[str, tuple[str, ...]] | None = None
    """Told to the service besides X-Code and its kin, as ingress-nginx does; the service's own status is sent then."""
    pages: dict[str, Page] = Factory(dict)


def by_status(key: str, ranges: Mapping[str, T]) -> dict[int, T]:
    """What is meant for each status: by the narrowest range that it is in, the first of several. ConfigError at `key`."""
    read: list[tuple[range, T]] = []
    for text, value in ranges.items():
        try:
            read.append((status_range(text), value))
        except ValueError as error:
            raise ConfigError(Problem(f"{key}.{text}", str(error))) from None
    found: dict[int, T] = {}
    for codes, value in sorted(read, key=lambda each: len(each[0])):
        for code in codes:
            found.setdefault(code, value)
    return found


def rewrites(config: ErrorsConfig) -> dict[int, int]:
    """The status that is sent in place of each. ConfigError for one that cannot be."""
    for text, status in config.status_rewrites.items():
        if not LOWEST_SENT <= status <= 999:
            raise ConfigError(Problem(f"statusRewrites.{text}", f"{status} is not the status of an answer; give 200 to 999"))
    return by_status("statusRewrites", config.status_rewrites)
