"""Certificates and keys, given as PEM text or as the path of a file (routing.md §0), into TLS contexts.

OpenSSL's loader reads files only, so a text goes through memory that looks like one: no key is written to a disk. What is
wrong is said without a word of the content.
"""

import os
import re
import ssl
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MAX_BYTES: Final = 4 * 1024 * 1024
_PATH: Final = re.compile(r"[^\n]{0,250}\.[A-Za-z0-9]{1,8}")
_BEGIN: Final = "-----BEGIN "


def is_pem(value: str) -> bool:
    """Whether a value is PEM text itself, and not the path of a file that holds it."""
    return _BEGIN in value


def read_pem(source: str) -> str:
    """The PEM text that `source` is, or that the file it names holds. ValueError if there is none."""
    if is_pem(source):
        return source
    if not source.strip():
        raise ValueError("it is empty; give PEM text or the path of a file")
    named = f"the file {source}" if _PATH.fullmatch(source) else "it is no PEM text, and as the path of a file"
    try:
        with open(source, "rb", opener=_without_waiting) as file:
            content = file.read(MAX_BYTES).decode("utf-8", "replace")
    except OSError as error:
        where = "" if os.path.isabs(source) else f"; relative paths begin at {_here()}"
        raise ValueError(f"{named} cannot be read: {error.strerror}{where}") from None
    except ValueError:  # no path at all
        raise ValueError(f"{named} cannot be read") from None
    if _BEGIN not in content:
        raise ValueError(f"{named} holds none" if named.startswith("it ") else f"{named} holds no PEM text")
    return content


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:  # it has been removed
        return "the working directory"


def _without_waiting(path: str, flags: int) -> int:
    if stat.S_ISCHR(mode := os.stat(path).st_mode) or stat.S_ISBLK(mode):  # to open one may already do something
        raise OSError(0, "it is a device")
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)  # not even for a pipe


def load_authorities(context: ssl.SSLContext, source: str) -> None:
    """Trust these certificates. ValueError if none can be read."""
    text = read_pem(source)
    try:
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"holds no certificate that can be used: {_words(error)}") from None


def load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Have `context` show this certificate (and its chain) and prove it by this key. ValueError if they are no pair."""
    try:
        certificates = read_pem(certificate)
    except ValueError as error:
        raise ValueError(f"certificate: {error}") from None
    try:
        private = read_pem(key or certificate)
    except ValueError as error:
        raise ValueError(f"key: {error}") from None
    try:
        with _as_file(certificates) as certificate_path, _as_file(private) as key_path:
            context.load_cert_chain(certificate_path, key_path, _no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise ValueError(f"certificate and key are no pair that can be used: {_words(error)}") from None


def _no_password() -> str:
    """In place of OpenSSL's own way, which asks on the terminal."""
    raise ValueError("the key is encrypted; give it in the clear")


def _words(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return reason.lower().replace("_", " ") if reason else str(error)


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """A path under which OpenSSL can read `text`."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:  # readable by nobody else
            file.write(text)
            file.flush()
            yield file.name
