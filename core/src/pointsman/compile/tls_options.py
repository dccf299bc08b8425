"""`tls.options` to terms: names checked and put into OpenSSL's words (routing.md §1.6, §8.2)."""

import ssl
from typing import Any, Final

from attrs import frozen

from pointsman.config.dynamic import structure_element
from pointsman.config.tls_model import ClientAuth, TLSOptions
from pointsman.errors import Problem
from pointsman.net import openssl
from pointsman.net.ciphers import CURVES, cipher_list, version
from pointsman.net.pem import load_authorities, read_pem
from pointsman.server.terms import TlsSettings, TlsTerms

OPTIONS: Final = "tls.options"
DEFAULT: Final = "default"
CHALLENGE: Final = "acme-tls/1"
"""Spoken with whoever asks for a challenge certificate, so never agreed on in an ordinary handshake."""
DEFAULT_ALPN: Final = ("h2", "http/1.1", CHALLENGE)

_VERIFY: Final = {
    "": ssl.CERT_NONE,
    "NoClientCert": ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_OPTIONAL,
    "RequireAnyClientCert": ssl.CERT_REQUIRED,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED: Final = ("RequestClientCert", "RequireAnyClientCert")
_VERIFIED: Final = ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")


@frozen(eq=False)
class OptionsEntry:
    """Options compiled; without terms they are broken, and a problem says why."""

    raw: Any
    terms: TlsTerms | None
    problems: tuple[Problem, ...] = ()


def build_options(name: str, raw: Any, ticket_secret: bytes | None) -> OptionsEntry:
    """The entry of one `tls.options`; `raw` may be a sentence that says why there is none."""
    path = f"{OPTIONS}.{name}"
    if isinstance(raw, str):
        return OptionsEntry(raw, None, (Problem(path, raw),))
    options: TLSOptions | None
    options, problems = structure_element(OPTIONS, raw, path) if raw is not None else (TLSOptions(), [])
    if options is None:
        return OptionsEntry(raw, None, tuple(problems))
    reader = _Reader(path, options, problems)
    settings = reader.settings()
    broken = any(not problem.warning for problem in problems)
    terms = None
    if not broken:
        alpn = tuple(name.encode() for name in options.alpn_protocols or DEFAULT_ALPN)
        terms = TlsTerms(name, settings, alpn, sni_strict=options.sni_strict, ticket_secret=ticket_secret)
    return OptionsEntry(raw, terms, tuple(problems))


class _Reader:
    """Reads one block of options, and notes what is wrong with it."""

    def __init__(self, path: str, options: TLSOptions, problems: list[Problem]) -> None:
        self._path = path
        self._options = options
        self._problems = problems

    def _note(self, key: str, message: str, warning: bool = False) -> None:
        self._problems.append(Problem(f"{self._path}.{key}" if key else self._path, message, warning))

    def settings(self) -> TlsSettings:
        options = self._options
        if options.prefer_server_cipher_suites is not None:
            self._note("preferServerCipherSuites", "is deprecated and has no effect; remove it", True)
        for key, name in (("minVersion", options.min_version), ("maxVersion", options.max_version)):
            try:
                version(name)
            except ValueError as error:
                self._note(key, str(error))
        verify, unverified, authorities = self._client_auth(options.client_auth)
        settings = TlsSettings(
            minimum=options.min_version,
            maximum=options.max_version,
            suites=self._suites(),
            groups=self._groups(),
            client_certificate=verify,
            any_client_certificate=unverified,
            authorities=authorities,
            alpn=tuple(name for name in options.alpn_protocols or DEFAULT_ALPN if name != CHALLENGE),
            tickets=not options.disable_session_tickets,
        )
        if all(problem.warning for problem in self._problems):
            try:
                settings.context()
            except ValueError as error:
                self._note("", str(error))
        return settings

    def _suites(self) -> tuple[str, ...]:
        for name in self._options.cipher_suites:
            try:
                for spelled in cipher_list([name]):
                    if not _has_cipher(spelled):
                        self._note("cipherSuites", f"{name} is not in this OpenSSL and is left out", True)
            except ValueError as error:
                self._note("cipherSuites", str(error))
        return tuple(self._options.cipher_suites)

    def _groups(self) -> tuple[str, ...]:
        groups: dict[str, None] = {}
        wanted = self._options.curve_preferences
        for name in wanted:
            group = CURVES.get(name)
            if group is None:
                self._note("curvePreferences", f"unknown curve '{name}'; known are {', '.join(CURVES)}")
            elif _has_group(group):
                groups[group] = None
            else:
                self._note("curvePreferences", f"{name} is not in this OpenSSL and is left out", True)
        if wanted and not groups:
            self._note("curvePreferences", "none of the curves is in this OpenSSL")
        return tuple(groups)

    def _client_auth(self, auth: ClientAuth) -> tuple[ssl.VerifyMode, bool, tuple[str, ...]]:
        kind = auth.client_auth_type
        if kind not in _VERIFY:
            known = ", ".join(filter(None, _VERIFY))
            self._note("clientAuth.clientAuthType", f"unknown kind '{kind}'; known are {known}")
            return ssl.CERT_NONE, False, ()
        authorities = []
        for at, source in enumerate(auth.ca_files):
            try:
                authorities.append(self._authorities(source))
            except ValueError as error:
                self._note(f"clientAuth.caFiles[{at}]", str(error))
        if kind in _VERIFIED and not auth.ca_files:
            self._note("clientAuth.caFiles", f"is missing; {kind} needs to know whom to trust")
        verify = ssl.CERT_REQUIRED if not kind and auth.ca_files else _VERIFY[kind]
        return verify, kind in _UNVERIFIED, tuple(authorities)

    def _authorities(self, source: str) -> str:
        text = read_pem(source)
        load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), text)
        return text


def _has_cipher(spelled: str) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.set_ciphers(f"{spelled}:@SECLEVEL=0")
    except ssl.SSLError:
        return False
    return True


def _has_group(group: str) -> bool:
    try:
        openssl.set_groups(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), group)
    except ValueError:
        return False
    except openssl.Unsupported:
        return True  # said when the context is made
    return True
