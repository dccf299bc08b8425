"""Why a server could not be asked: in a few words, and not in those of the library that asked."""

import os
import socket
import ssl
from typing import Final

_MAX: Final = 200


def reason(error: BaseException) -> str:
    """`Connection refused` for what aiohttp, asyncio or the system raised; without addresses and URLs, where it can."""
    below = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(below, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {below.verify_message}"
    if isinstance(below, ssl.CertificateError):
        return "its certificate is not trusted"
    if isinstance(below, ssl.SSLError):
        return f"TLS failed: {one_line(below.reason or str(below))}"
    if isinstance(below, socket.gaierror):
        return f"its name cannot be resolved: {below.strerror}"
    if isinstance(below, OSError) and below.errno and below.errno > 0:
        return os.strerror(below.errno)
    message = getattr(error, "message", None)  # aiohttp's whole text has the URL in it, with all its secrets
    return one_line(message if isinstance(message, str) and message else str(error)) or type(error).__name__


def one_line(text: str) -> str:
    """What somebody else says, as one printable line of at most 200 characters."""
    return " ".join("".join(each if each.isprintable() else " " for each in text[: 4 * _MAX]).split())[:_MAX]
