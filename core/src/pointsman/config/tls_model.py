"""`tls.*` of the dynamic configuration, and the TLS parts that routers and transports share (routing.md §1.6, §7)."""

from attrs import field, frozen

from pointsman.values import FileOrContent, allow_empty, option


@frozen
class Domain:
    """Names to put into one certificate."""

    main: str = ""
    sans: list[str] = field(factory=list)


@frozen
class Certificate:
    """A certificate and its key."""

    cert_file: FileOrContent = FileOrContent("")
    key_file: FileOrContent = FileOrContent("")


@frozen
class ServedCertificate:
    """An entry of `tls.certificates`."""

    cert_file: FileOrContent = FileOrContent("")
    key_file: FileOrContent = FileOrContent("")
    stores: list[str] = field(factory=list)
    """Empty means the store `default`."""


@frozen
class ClientAuth:
    """What is asked of clients (routing.md §8.2)."""

    ca_files: list[FileOrContent] = field(factory=list)
    client_auth_type: str = ""


@frozen
class TLSOptions:
    """An entry of `tls.options`. Names of versions, ciphers and curves are checked when the options are built."""

    min_version: str = ""
    max_version: str = ""
    cipher_suites: list[str] = field(factory=list)
    curve_preferences: list[str] = field(factory=list)
    client_auth: ClientAuth = field(factory=ClientAuth)
    sni_strict: bool = False
    alpn_protocols: list[str] = field(factory=list)
    """Empty means `h2`, `http/1.1`, `acme-tls/1`."""
    disable_session_tickets: bool = False
    prefer_server_cipher_suites: bool | None = None


@frozen
class GeneratedCert:
    """A default certificate by ACME."""

    resolver: str = ""
    domain: Domain | None = None


@frozen
class TLSStore:
    """An entry of `tls.stores`; only `default` serves."""

    default_certificate: Certificate | None = None
    default_generated_cert: GeneratedCert | None = None


@frozen
class Spiffe:
    """Mutual TLS by SPIFFE identities; `{}` accepts any."""

    ids: list[str] = field(factory=list)
    trust_domain: str = ""


@frozen
class PeerCertSAN:
    """A name that the server's certificate must carry."""

    type: str = ""
    value: str = ""


@frozen
class ClientTLS:
    """TLS towards a TCP server (routing.md §7.2)."""

    server_name: str = ""
    insecure_skip_verify: bool = False
    root_cas: list[FileOrContent] = option("rootCAs", factory=list)
    certificates: list[Certificate] = field(factory=list)
    peer_cert_uri: str = option("peerCertURI", default="")
    peer_cert_sans: list[PeerCertSAN] = option("peerCertSANs", factory=list)
    spiffe: Spiffe | None = allow_empty(default=None)
