"""What nobody may read in a configuration that is shown: secrets, and, in a support dump, whatever says whose it is."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pointsman.values import MASK, shown_url

HIDDEN: Final = "xxxx"
_CREDENTIAL: Final = re.compile(
    r"auth|token|secret|passw|api-?key|credential|cookie|signature|session|jwt|private", re.IGNORECASE
)
"""Names of headers whose values let somebody in."""
_DURATION: Final = re.compile(r"-?(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")
_QUOTED: Final = re.compile(r"`[^`]*`|\"[^\"]*\"|'[^']*'")
_SAYINGS: Final = """
TRACE DEBUG INFO WARN ERROR FATAL PANIC common json genericCLF keep drop redact delete reject http https h2c grpc tcp udp
GET HEAD POST wrr p2c hrw leasttime leastconn minimal detailed v2 v3 default none lax strict gzip br zstd enabled warning
disabled UP DOWN VersionTLS10 VersionTLS11 VersionTLS12 VersionTLS13 NoClientCert RequestClientCert RequireAnyClientCert
VerifyClientCertIfGiven RequireAndVerifyClientCert loadbalancer weighted mirroring failover highestrandomweight
"""
_WORDS: Final = frozenset(_SAYINGS.split())
"""What the dialect itself says: no secret, nobody's name."""


def masked(plain: Any, in_headers: bool = False) -> Any:
    """The same without what lets somebody in: values of headers whose names say so, passwords in URLs.

    What is typed as a secret has been masked before, when it was made plain.
    """
    if isinstance(plain, Mapping):
        return {
            key: MASK
            if in_headers and isinstance(value, str) and value and _CREDENTIAL.search(str(key))
            else masked(value, in_headers or str(key).lower().endswith("headers"))
            for key, value in plain.items()
        }
    if isinstance(plain, list):
        return [masked(item, in_headers) for item in plain]
    if isinstance(plain, str) and "@" in plain and "://" in plain:
        return shown_url(plain)
    return plain


def anonymous(plain: Any) -> Any:
    """The same without names, addresses and texts: structure, numbers, durations and words of the dialect stay."""
    if isinstance(plain, Mapping):
        return {_anonymous_key(str(key)): anonymous(value) for key, value in plain.items()}
    if isinstance(plain, list):
        return [anonymous(item) for item in plain]
    if isinstance(plain, str):
        return plain if not plain or plain in _WORDS or _DURATION.fullmatch(plain) else _anonymous_text(plain)
    return plain


def _anonymous_key(key: str) -> str:
    return HIDDEN if "/" in key or ":" in key else key  # the URL of a server


def _anonymous_text(text: str) -> str:
    """Of a rule the functions stay, and what they are asked does not."""
    if "(`" not in text and "('" not in text and '("' not in text:
        return HIDDEN
    rest = _QUOTED.sub(HIDDEN, text)
    return rest if re.fullmatch(r"[\w\s(),|&!]*", rest, re.ASCII) else HIDDEN
