"""The `tls` block of what reaches servers of its own (middlewares.md §2.6, operations.md §5.2): whom to trust, what to show.

The control side reads and follows the files that middlewares name: what they get is PEM text, and another block when that
changes, all of it at once. Files of the static configuration are read when the block is.
"""

import logging
from typing import Any, Final
from weakref import WeakValueDictionary

from attrs import field, frozen

from pointsman.config.spelling import join
from pointsman.errors import ConfigError, Problem
from pointsman.net import pem
from pointsman.net.client_tls import ClientTls as ClientTls  # for those who keep settings
from pointsman.values import FileOrContent

_PLACES: Final = {"rootCAs[0]": "ca", "certificates[0]": "cert"}
_SETTINGS: Final = WeakValueDictionary[tuple[str, str, str, bool], ClientTls]()
"""By what is said, as long as anybody has them: many middlewares say the same, and authorities take milliseconds to load."""


def _usable(self: "ExporterTLS", _: Any, key: str) -> None:
    """What stands here itself must be usable; of a file, whoever reads it will say."""
    ca = self.ca if pem.is_pem(self.ca) else ""
    cert, key = (self.cert, key) if pem.is_pem(self.cert) and pem.is_pem(key) else ("", "")
    if ca or cert:
        _settings(ca, cert, key, self.insecure_skip_verify)


def _settings(ca: str, cert: str, key: str, skip_verify: bool, path: str = "") -> ClientTls:
    given = ca, cert, key, skip_verify
    tls = _SETTINGS.get(given)
    if tls is None:
        tls = ClientTls(skip_verify=skip_verify, authorities=[ca] if ca else [], pairs=[(cert, key)] if cert else [])
        if tls.problems:
            raise ConfigError(Problem(join(path, _PLACES[place]), message) for place, message in tls.problems)
        _SETTINGS[given] = tls
    return tls


@frozen
class ExporterTLS:
    """`ca`, and `cert` with `key`: PEM text, or the path of a file that holds it."""

    ca: FileOrContent = FileOrContent("")
    """Unset: whom the system trusts."""
    cert: FileOrContent = FileOrContent("")
    key: FileOrContent = field(default=FileOrContent(""), validator=_usable, repr=False)
    insecure_skip_verify: bool = False

    def settings(self, path: str = "tls", logger: logging.Logger | None = None) -> ClientTls:
        """What `BuildContext.server` takes; its `context()` is an `ssl.SSLContext`. ConfigError if anything cannot be used.

        `path` is where the block stands; `logger` is told what is deprecated.
        """
        if bool(self.cert) != bool(self.key):
            raise ConfigError(Problem(path, "both TLS cert and key must be defined"))
        named = {"ca": self.ca, "cert": self.cert, "key": self.key}
        ca, cert, key = (_read(source, f"{path}.{each}") if source else "" for each, source in named.items())
        return _settings(ca, cert, key, self.insecure_skip_verify, path)


@frozen
class ClientTLS(ExporterTLS):
    """That of middlewares."""

    ca_optional: bool | None = None
    """Deprecated, without effect."""

    def settings(self, path: str = "tls", logger: logging.Logger | None = None) -> ClientTls:
        if self.ca_optional is not None and logger is not None:
            logger.warning("%s.caOptional is deprecated and has no effect", path)
        return super().settings(path, logger)


def _read(source: str, path: str) -> str:
    try:
        return pem.read_pem(source)
    except ValueError as error:
        raise ConfigError(Problem(path, str(error))) from None
