"""passTLSClientCert: tell servers the certificates that a client showed (middlewares.md §3.16)."""

from collections import OrderedDict
from collections.abc import Awaitable
from typing import ClassVar, Final

from attrs import frozen

from pointsman import BuildContext, Handler, Middleware, Request, Response, hookimpl
from pointsman.dialect.header_names import HeaderNames
from pointsman_passtlsclientcert import certificates
from pointsman_passtlsclientcert.certificates import IssuerConfig, Part, SubjectConfig

PEM: Final = "X-Forwarded-Tls-Client-Cert"
INFO: Final = "X-Forwarded-Tls-Client-Cert-Info"
MAX_CHAINS: Final = 256
MAX_CHAIN_BYTES: Final = 4 * 1024
"""Longer chains are read anew for each request: what a client sends must not be what memory is filled with."""

Lines = list[tuple[bytes, bytes]]


@frozen
class InfoConfig:
    subject: SubjectConfig | None = None
    issuer: IssuerConfig | None = None
    serial_number: bool = False
    not_before: bool = False
    not_after: bool = False
    sans: bool = False


@frozen
class PassTLSClientCertConfig:
    pem: bool = False
    info: InfoConfig | None = None


class PassTLSClientCert:
    name: ClassVar[str] = "passTLSClientCert"
    span_name: ClassVar[str] = "PassClientTLSCert"
    Config: ClassVar[type] = PassTLSClientCertConfig

    def __init__(self, config: PassTLSClientCertConfig, context: BuildContext) -> None:
        self._pem = config.pem
        self._parts = _parts(config.info) if config.info is not None else []
        self._names = HeaderNames([PEM, INFO])
        self._known: OrderedDict[tuple[bytes, ...], Lines] = OrderedDict()
        self._logger = context.logger
        self._unreadable = False

    def __call__(self, request: Request, call_next: Handler) -> Awaitable[Response]:
        self._names.claim(request)
        secured = request.link.tls
        chain = tuple(secured.certificates()) if secured is not None else ()
        if chain:
            for name, value in self._lines(chain):
                request.headers.add(name, value)
        return call_next(request)

    def _lines(self, chain: tuple[bytes, ...]) -> Lines:
        known = self._known.get(chain)
        if known is None:
            known = self._read(chain)
            if sum(map(len, chain)) <= MAX_CHAIN_BYTES:
                self._known[chain] = known
                if len(self._known) > MAX_CHAINS:
                    self._known.popitem(last=False)
        return known

    def _read(self, chain: tuple[bytes, ...]) -> Lines:
        lines: Lines = []
        if self._pem:
            lines.append((PEM.lower().encode(), certificates.pem(chain)))
        if self._parts:
            try:
                lines.append((INFO.lower().encode(), certificates.info(chain, self._parts)))
            except Exception as error:  # a parser of hostile formats may raise anything
                if not self._unreadable:
                    self._unreadable = True  # clients can do this as often as they like
                    message = "a client's certificate cannot be read (%s), so servers are told nothing of it"
                    self._logger.warning(message, type(error).__name__)
        return lines


def _parts(config: InfoConfig) -> list[tuple[str, Part]]:
    """What is told, in the order in which it is written."""
    parts: list[tuple[str, Part]] = []
    if config.subject is not None:
        parts.append(("Subject", certificates.subject(config.subject)))
    if config.issuer is not None:
        parts.append(("Issuer", certificates.issuer(config.issuer)))
    for asked, name, part in (
        (config.serial_number, "SerialNumber", certificates.serial_number),
        (config.not_before, "NB", certificates.not_before),
        (config.not_after, "NA", certificates.not_after),
        (config.sans, "SAN", certificates.names),
    ):
        if asked:
            parts.append((name, part))
    return parts


@hookimpl
def pointsman_middlewares() -> list[type[Middleware]]:
    return [PassTLSClientCert]
