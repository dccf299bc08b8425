"""The files of the dashboard, as they are served: read once, each with its ETag."""

import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Final

from attrs import frozen

TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
PAGE: Final = "index.html"


@frozen
class Asset:
    """One file."""

    body: bytes
    content_type: str
    etag: str

    @classmethod
    def of(cls, name: str, body: bytes) -> "Asset":
        return cls(body, TYPES[name.rpartition(".")[2]], f'"{_digest(body)}"')


@frozen
class Assets:
    """All of them. `version` changes with any of them, so that what was fetched below it is good for ever."""

    page: str
    """The document, in which `{api}` and `{assets}` are yet to be replaced."""
    version: str
    by_name: Mapping[str, Asset]

    @classmethod
    def read(cls) -> "Assets":
        content = dict(_files())
        version = _digest(b"".join(name.encode() + content[name] for name in sorted(content)))
        page = content.pop(PAGE).decode()
        return cls(page, version, {name: Asset.of(name, body) for name, body in content.items()})


def _files() -> Iterator[tuple[str, bytes]]:
    for entry in files("pointsman_dashboard").joinpath("static").iterdir():
        if entry.name.rpartition(".")[2] in TYPES:
            yield entry.name, entry.read_bytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
