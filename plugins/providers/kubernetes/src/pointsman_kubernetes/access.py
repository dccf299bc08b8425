"""How the API server is reached: from within, as a kubeconfig says, or as the options say (kubernetes.md §1.1)."""

import os
import ssl
from typing import Final
from urllib.parse import urlsplit

from attrs import field, frozen

from pointsman import FileOrContent
from pointsman.dialect.client_tls import ExporterTLS
from pointsman.errors import ConfigError
from pointsman_kubernetes.credentials import AccessError, Credentials, Fixed, Identity, TokenFile, bearer
from pointsman_kubernetes.kubeconfig import read_kubeconfig
from pointsman_kubernetes.options import AccessConfig

SERVICE_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_BEGIN: Final = "-----BEGIN "


class Trust:
    """Contexts for TLS: made anew when a file that they were made of is replaced."""

    def __init__(self, authority: str = "", server_name: str = "", *, skip_verify: bool = False) -> None:
        """`authority` is PEM text or a path, "" for whom the system trusts."""
        self.server_name = server_name
        self._authority = authority
        self._skip = skip_verify
        self._made: tuple[tuple[object, ...], ssl.SSLContext] | None = None

    def context(self, pair: tuple[str, str] | None) -> ssl.SSLContext:
        """AccessError for what cannot be used."""
        certificate, key = pair or ("", "")
        state = pair, *(_stamp(each) for each in (self._authority, certificate, key) if each and _BEGIN not in each)
        if self._made is None or self._made[0] != state:
            try:
                tls = ExporterTLS(*self._given(certificate, key), insecure_skip_verify=self._skip)
                self._made = state, tls.settings("TLS").context()
            except ConfigError as error:
                raise AccessError(f"what is to secure the way to the API server cannot be used: {error}") from None
        return self._made[1]

    def _given(self, certificate: str, key: str) -> tuple[FileOrContent, FileOrContent, FileOrContent]:
        return FileOrContent(self._authority), FileOrContent(certificate), FileOrContent(key)


def _stamp(path: str) -> tuple[str, int, int]:
    try:
        known = os.stat(path)
    except OSError as error:
        raise AccessError(f"{path} cannot be read: {error.strerror}") from None
    return path, known.st_mtime_ns, known.st_ino


@frozen
class Place:
    """One API server, and as whom it is asked."""

    url: str
    """Without a slash at the end."""
    credentials: Credentials = field(repr=False)
    trust: Trust = field(factory=Trust, repr=False)
    proxy: str = field(default="", repr=False)


def place(config: AccessConfig) -> Place:
    """The first of the three ways that there is. AccessError if it leads nowhere."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if host and port:
        url = config.endpoint or f"https://{f'[{host}]' if ':' in host else host}:{port}"
        return Place(_sound(url), TokenFile(f"{SERVICE_ACCOUNT}/token"), Trust(f"{SERVICE_ACCOUNT}/ca.crt"))
    if paths := os.environ.get("KUBECONFIG"):
        found = read_kubeconfig(paths)
        trust = Trust(found.authority, found.server_name, skip_verify=found.skip_verify)
        return Place(_sound(found.url), found.credentials, trust, found.proxy)
    if not config.endpoint:
        raise AccessError(
            "endpoint missing for external cluster client: this is no pod of a cluster, and KUBECONFIG is not set; "
            "set 'endpoint' and 'token'"
        )
    return Place(_sound(config.endpoint), _given(config.token), Trust(config.cert_auth_file_path))


def _given(token: str) -> Credentials:
    if not token:
        return Fixed(Identity())
    if token.startswith("/") or os.path.isfile(token):
        return TokenFile(token)
    return Fixed(Identity(bearer(token)))


def _sound(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment:
        raise AccessError("the URL of the API server is none; write it as https://host:port")
    return url.rstrip("/")
