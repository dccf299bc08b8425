"""What users write under `forwardAuth`, and header names as it lists them."""

from collections.abc import Iterable

from attrs import field, frozen
from attrs.validators import ge, gt

from pointsman import Duration, Headers, Url, allow_empty, option
from pointsman.dialect.client_tls import ClientTLS
from pointsman.errors import ConfigError, Problem


@frozen
class ForwardAuthConfig:
    address: Url = field(repr=False)
    tls: ClientTLS = allow_empty(factory=ClientTLS)
    timeout: Duration = field(default=Duration(30.0), validator=gt(Duration(0.0)))
    """Seconds for the whole call."""
    trust_forward_header: bool | None = None
    auth_request_headers: tuple[str, ...] = ()
    auth_response_headers: tuple[str, ...] = ()
    auth_response_headers_regex: str = ""
    add_auth_cookies_to_response: tuple[str, ...] = ()
    header_field: str = ""
    forward_body: bool = False
    max_body_size: int = field(default=-1, validator=ge(-1))
    """Bytes."""
    max_response_body_size: int = field(default=-1, validator=ge(-1))
    """Bytes."""
    preserve_location_header: bool = False
    preserve_request_method: bool = False
    auth_signin_url: str = option("authSigninURL", default="")


def header_names(key: str, names: Iterable[str]) -> tuple[bytes, ...]:
    """In lower case. ConfigError at `key` for one that is no header name."""
    found = []
    for name in names:
        lower = name.strip().lower().encode()
        try:
            Headers().add(lower, b"")
        except ValueError:
            raise ConfigError(Problem(key, f"{name!r} is no header name")) from None
        found.append(lower)
    return tuple(found)
