"""What an authority may ask for to see that a name is ours: kinds of challenges, and the proofs of an order."""

from collections.abc import Sequence
from typing import Any, Final

from acme import challenges
from attrs import frozen

HTTP_01: Final = "http-01"
TLS_ALPN_01: Final = "tls-alpn-01"
DNS_01: Final = "dns-01"


@challenges.ChallengeResponse.register
class TlsAlpnResponse(challenges.KeyAuthorizationChallengeResponse):
    typ = TLS_ALPN_01


@challenges.Challenge.register
class TlsAlpn(challenges.KeyAuthorizationChallenge):
    """RFC 8737, which the library has given up."""

    response_cls = TlsAlpnResponse
    typ = TLS_ALPN_01

    def validation(self, account_key: Any, **_: Any) -> str:
        return str(self.key_authorization(account_key))


@frozen
class Proof:
    """One way to prove one name: a challenge of an authorization."""

    name: str
    """Without `*.`."""
    kind: str
    token: str
    authorization: str
    """The key authorization (RFC 8555 §8.1)."""
    body: Any
    resource: Any


@frozen
class Order:
    """What was ordered, and what is to be proven for it: of each name, the ways there are."""

    resource: Any
    proofs: Sequence[Sequence[Proof]]
