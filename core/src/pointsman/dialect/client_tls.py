"""The `tls` block of what reaches servers of its own (middlewares.md §2.6, operations.md §5.2): whom to trust, what to show.

Files are read when the block is, that is when the middleware is built; a worker does not follow them.
"""

import logging

from attrs import field, frozen

from pointsman.errors import ConfigError, Problem
from pointsman.net import pem
from pointsman.net.client_tls import ClientTls
from pointsman.values import FileOrContent

_PLACES = {"rootCAs[0]": "ca", "certificates[0]": "cert"}


@frozen
class ExporterTLS:
    """`ca`, and `cert` with `key`: PEM text, or the path of a file that holds it."""

    ca: FileOrContent = FileOrContent("")
    """Unset: whom the system trusts."""
    cert: FileOrContent = FileOrContent("")
    key: FileOrContent = field(default=FileOrContent(""), repr=False)
    insecure_skip_verify: bool = False

    def settings(self, path: str = "tls", logger: logging.Logger | None = None) -> ClientTls:
        """What `BuildContext.server` takes; its `context()` is an `ssl.SSLContext`. ConfigError if anything cannot be used.

        `path` is where the block stands; `logger` is told what is deprecated.
        """
        if bool(self.cert) != bool(self.key):
            raise ConfigError(Problem(path, "both TLS cert and key must be defined"))
        authorities = [_read(self.ca, f"{path}.ca")] if self.ca else []
        pairs = [(_read(self.cert, f"{path}.cert"), _read(self.key, f"{path}.key"))] if self.cert else []
        tls = ClientTls(skip_verify=self.insecure_skip_verify, authorities=authorities, pairs=pairs)
        if tls.problems:
            raise ConfigError(Problem(f"{path}.{_PLACES[place]}", message) for place, message in tls.problems)
        return tls


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
