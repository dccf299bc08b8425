"""What Python's `ssl` cannot say to OpenSSL, said to OpenSSL itself.

The `SSL_CTX` of an `SSLContext` is the first thing after the object's head. That is how CPython lays it out, not a promise:
before anything is done with the pointer, OpenSSL must say of it what the context says. Where it does not, or where OpenSSL
cannot be reached (a Python that has it linked in), `Unsupported` is raised and the context is as it was.
"""

import ctypes
import functools
import hashlib
import hmac
import ssl
from collections.abc import Callable
from typing import Any, Final

SECRET_BYTES: Final = 32
"""Length of the secret that ticket keys are made of."""

_SET_SESSION_CACHE_MODE: Final = 44
_SET_TICKET_KEYS: Final = 59
_SET_GROUPS_LIST: Final = 92
_TICKET_KEY_BYTES: Final = 80
_VERIFY_PEER: Final = 1
_FAIL_IF_NO_CERTIFICATE: Final = 2


class Unsupported(RuntimeError):
    """This Python or its OpenSSL does not let us."""


def set_groups(context: ssl.SSLContext, groups: str) -> None:
    """The groups of the key exchange, best first, by OpenSSL's names: `X25519:P-256`.

    ValueError if OpenSSL does not know one of them. Unsupported.
    """
    library, pointer = _reach(context)
    if library.SSL_CTX_ctrl(pointer, _SET_GROUPS_LIST, 0, groups.encode()) != 1:
        _forget_errors()
        raise ValueError(f"this OpenSSL ({ssl.OPENSSL_VERSION}) does not know all of the groups {groups}")


def accept_any_certificate(context: ssl.SSLContext, *, required: bool) -> None:
    """Ask clients for a certificate and accept what they send; whether they must send one. Unsupported."""
    library, pointer = _reach(context)
    mode = _VERIFY_PEER | (_FAIL_IF_NO_CERTIFICATE if required else 0)
    library.SSL_CTX_set_verify(pointer, mode, _accept)


def set_ticket_keys(context: ssl.SSLContext, secret: bytes, scope: bytes) -> None:
    """Session tickets that every context with the same secret and scope accepts, in whatever process; no other resumption.

    A session that was begun under one scope is never resumed under another. Whatever a handshake decides belongs into it,
    the demand for a client's certificate before all: a resumed session is not asked for it again. Unsupported.
    """
    library, pointer = _reach(context)
    keys = _expanded(secret, scope)
    if library.SSL_CTX_ctrl(pointer, _SET_TICKET_KEYS, len(keys), keys) != 1:
        _forget_errors()
        raise Unsupported("OpenSSL does not take session ticket keys")
    stop_session_cache(context)


def stop_session_cache(context: ssl.SSLContext) -> None:
    """Keep no sessions in memory: another worker does not know them, and nobody bounds them well. Unsupported."""
    library, pointer = _reach(context)
    library.SSL_CTX_ctrl(pointer, _SET_SESSION_CACHE_MODE, 0, None)


def _expanded(secret: bytes, scope: bytes) -> bytes:
    """Ticket keys from a secret (HKDF-Expand, RFC 5869 §2.3, with SHA-256)."""
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"a secret of at least {SECRET_BYTES} bytes is needed")
    key = hmac.digest(b"session tickets", secret, "sha256")
    info = hashlib.sha256(scope).digest()
    keys = block = b""
    for counter in range(1, 4):
        block = hmac.digest(key, block + info + bytes([counter]), "sha256")
        keys += block
    return keys[:_TICKET_KEY_BYTES]


_accept: Final = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)(lambda verified, store: 1)


def _reach(context: ssl.SSLContext) -> tuple[Any, ctypes.c_void_p]:
    library = _library()
    pointer = _pointer(context)
    if not _agree(library, pointer, context):
        raise Unsupported("this Python keeps its TLS contexts where Pointsman cannot find them")
    return library, pointer


def _pointer(context: ssl.SSLContext) -> ctypes.c_void_p:
    return ctypes.c_void_p(ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value)


def _agree(library: Any, pointer: ctypes.c_void_p, context: ssl.SSLContext) -> bool:
    modes = {0: ssl.CERT_NONE, 1: ssl.CERT_OPTIONAL, 3: ssl.CERT_REQUIRED}
    return (
        bool(pointer)
        and library.SSL_CTX_get_options(pointer) & 0xFFFF_FFFF == context.options & 0xFFFF_FFFF
        and modes.get(library.SSL_CTX_get_verify_mode(pointer)) == context.verify_mode
    )


@functools.cache
def _library() -> Any:
    """libssl, as Python itself uses it; tried once on a context of our own, in ways that show in its attributes."""
    try:
        import _ssl

        library: Any = ctypes.CDLL(_ssl.__file__)
        functions: list[tuple[Callable[..., Any], list[Any], Any]] = [
            (library.SSL_CTX_ctrl, [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p], ctypes.c_long),
            (library.SSL_CTX_get_options, [ctypes.c_void_p], ctypes.c_uint64),
            (library.SSL_CTX_get_verify_mode, [ctypes.c_void_p], ctypes.c_int),
            (library.SSL_CTX_set_verify, [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p], None),
            (library.ERR_clear_error, [], None),
        ]
    except (OSError, AttributeError, ImportError) as error:
        raise Unsupported(f"OpenSSL cannot be reached from this Python: {error}") from error
    for function, arguments, result in functions:
        function.argtypes, function.restype = arguments, result  # type: ignore[attr-defined]
    _try_out(library)
    return library


def _try_out(library: Any) -> None:
    """Change what can be seen from both sides, and look from both. Reading a wrong address shows before it is written to."""
    for mode in (ssl.CERT_NONE, ssl.CERT_REQUIRED, ssl.CERT_OPTIONAL):
        for options in (ssl.OP_NO_TICKET, ssl.OP_NO_RENEGOTIATION, ssl.OP_CIPHER_SERVER_PREFERENCE):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.verify_mode = mode
            context.options |= options
            if not _plausible(context) or not _agree(library, _pointer(context), context):
                raise Unsupported("this Python keeps its TLS contexts where Pointsman cannot find them")


def _plausible(context: ssl.SSLContext) -> bool:
    """Whether the object is long enough for a pointer after its head, and there is a multiple of 8 in it."""
    size = type(context).__basicsize__
    return size >= object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p) and (_pointer(context).value or 1) % 8 == 0


def _forget_errors() -> None:
    """What failed is told; Python would blame the next call for it."""
    _library().ERR_clear_error()
