"""`certificatesResolvers.<name>`: the options of resolvers (operations.md §7.1)."""

from attrs import field, frozen

from pointsman.values import Duration, Secret, allow_empty, option


@frozen
class EAB:
    """External account binding."""

    kid: str = ""
    hmac_encoded: Secret = Secret("")


@frozen
class HTTPChallenge:
    entry_point: str = ""
    delay: Duration = Duration(0.0)


@frozen
class TLSChallenge:
    delay: Duration = Duration(0.0)


@frozen
class Propagation:
    """How to wait for a DNS record to be seen."""

    disable_checks: bool = False
    disable_ans_checks: bool = option("disableANSChecks", default=False)
    require_all_rns: bool = option("requireAllRNS", default=False)
    delay_before_checks: Duration = Duration(0.0)


@frozen
class DNSChallenge:
    provider: str = ""
    resolvers: list[str] = field(factory=list)
    propagation: Propagation | None = allow_empty(default=None)
    delay_before_check: Duration = Duration(0.0)
    """Deprecated for `propagation.delayBeforeChecks`."""
    disable_propagation_check: bool = False
    """Deprecated for `propagation.disableChecks`."""


@frozen
class ACME:
    email: str = option(default="", help="Contact of the account")
    ca_server: str = option(default="https://acme-v02.api.letsencrypt.org/directory", help="Directory of the CA")
    storage: str = option(default="acme.json", help="File for account and certificates")
    key_type: str = "RSA4096"
    certificates_duration: int = 2160
    """Hours; chooses the renewal schedule."""
    preferred_chain: str = ""
    profile: str = ""
    email_addresses: list[str] = field(factory=list)
    disable_common_name: bool = False
    eab: EAB | None = None
    client_timeout: Duration = Duration(120.0)
    client_response_header_timeout: Duration = Duration(30.0)
    certificate_timeout: Duration = Duration(30.0)
    ca_certificates: list[str] = field(factory=list)
    ca_system_cert_pool: bool = False
    ca_server_name: str = ""
    http_challenge: HTTPChallenge | None = allow_empty(default=None)
    tls_challenge: TLSChallenge | None = allow_empty(default=None)
    dns_challenge: DNSChallenge | None = allow_empty(default=None)


@frozen
class Tailscale:
    """Certificates of the local Tailscale daemon."""


def provider_of(resolver: str) -> str:
    """What the provider of a resolver's certificates is called (operations.md §7.4)."""
    return f"{resolver}.acme"


@frozen
class CertificatesResolver:
    """One of `acme` or `tailscale`."""

    acme: ACME | None = None
    tailscale: Tailscale | None = allow_empty(default=None)
