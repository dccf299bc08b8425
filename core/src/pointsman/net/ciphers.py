"""What a configuration calls TLS versions, cipher suites and curves, in OpenSSL's words (routing.md §8.2). Pure tables.

TLS 1.3 suites are always on and cannot be chosen. Names of suites that the OpenSSL at hand was built without (RC4, 3DES) are
known and passed over.
"""

import ssl
import warnings
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

VERSIONS: Final = {
    "VersionTLS10": ssl.TLSVersion.TLSv1,
    "VersionTLS11": ssl.TLSVersion.TLSv1_1,
    "VersionTLS12": ssl.TLSVersion.TLSv1_2,
    "VersionTLS13": ssl.TLSVersion.TLSv1_3,
}

_AFTER_HANDSHAKE: Final = frozenset(
    ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_FALLBACK_SCSV")
)
"""Names without an effect: the suites of TLS 1.3, and one that is none."""

_BULK: Final = {
    "RC4_128_SHA": "RC4-SHA",
    "3DES_EDE_CBC_SHA": "DES-CBC3-SHA",
    "AES_128_CBC_SHA": "AES128-SHA",
    "AES_256_CBC_SHA": "AES256-SHA",
    "AES_128_CBC_SHA256": "AES128-SHA256",
    "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
}
_CHACHA: Final = {"CHACHA20_POLY1305": "CHACHA20-POLY1305", "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305"}

CIPHERS: Final = {
    **{f"TLS_RSA_WITH_{name}": spelled for name, spelled in _BULK.items()},
    **{
        f"TLS_ECDHE_{kind}_WITH_{name}": f"ECDHE-{kind}-{spelled}"
        for kind in ("ECDSA", "RSA")
        for name, spelled in {**_BULK, **_CHACHA}.items()
        if (kind, name) != ("ECDSA", "3DES_EDE_CBC_SHA")
    },
}
"""Suites of TLS 1.0 to 1.2."""

DEFAULT_CIPHERS: Final = tuple(
    f"TLS_ECDHE_{kind}_WITH_{name}"
    for name in ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "CHACHA20_POLY1305", "AES_128_CBC_SHA", "AES_256_CBC_SHA")
    for kind in ("ECDSA", "RSA")
)

_CURVES: Final = {
    "CurveP256": "P-256",
    "secp256r1": "P-256",
    "CurveP384": "P-384",
    "secp384r1": "P-384",
    "CurveP521": "P-521",
    "secp521r1": "P-521",
    "X25519": "X25519",
    "X25519MLKEM768": "X25519MLKEM768",
    "SecP256r1MLKEM768": "SecP256r1MLKEM768",
    "SecP384r1MLKEM1024": "SecP384r1MLKEM1024",
}
CURVES: Final = {**_CURVES, **{name.lower(): group for name, group in _CURVES.items()}}
"""Curve preferences, as OpenSSL names its groups; those of post-quantum exchanges need OpenSSL 3.5."""


def version(name: str) -> ssl.TLSVersion | None:
    """`VersionTLS12`; None for no name. ValueError for an unknown one."""
    if not name:
        return None
    found = VERSIONS.get(name)
    if found is None:
        raise ValueError(f"unknown TLS version {name!r}; known are {', '.join(VERSIONS)}")
    return found


def cipher_list(names: Iterable[str]) -> list[str]:
    """OpenSSL's names of these suites, each once, without those of TLS 1.3. ValueError if one is unknown."""
    found: dict[str, None] = {}
    for name in names:
        if name in CIPHERS:
            found[CIPHERS[name]] = None
        elif name not in _AFTER_HANDSHAKE:
            close = get_close_matches(name[:100], CIPHERS, 1)
            hint = f"did you mean {close[0]!r}?" if close else "write it as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 is written"
            raise ValueError(f"unknown cipher suite {name!r}; {hint}")
    return list(found)


def restrict(context: ssl.SSLContext, suites: Sequence[str] = (), minimum: str = "", maximum: str = "") -> None:
    """Have `context` speak these versions and suites only; TLS 1.2 and later, and good suites, if nothing is said.

    ValueError for an unknown name, a minimum above the maximum, or suites of which none can be used.
    """
    low, high = version(minimum) or ssl.TLSVersion.TLSv1_2, version(maximum)
    if high is not None and low > high:
        if minimum:
            raise ValueError(f"the minimum version {minimum} is above the maximum {maximum}")
        low = high
    ciphers = cipher_list(suites or DEFAULT_CIPHERS)
    if not ciphers:  # suites of TLS 1.3 and no others
        low = ssl.TLSVersion.TLSv1_3
        if high is not None and high < low:
            raise ValueError(f"no cipher suite is left for {maximum}")
    else:
        level = 1 if low >= ssl.TLSVersion.TLSv1_2 else 0  # OpenSSL 3 speaks the old versions at level 0 only
        try:
            context.set_ciphers(":".join([*ciphers, f"@SECLEVEL={level}"]))
        except ssl.SSLError:
            raise ValueError(f"none of the cipher suites {', '.join(suites)} is in this OpenSSL") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that TLS 1.0 is old is known to whoever asks for it
        context.minimum_version = low
        if high is not None:
            context.maximum_version = high
