"""`acme.json`: the account and the certificates of every resolver that names it (operations.md §7.2).

A file that cannot be read is never written. It is written as a whole, beside itself, and put in its place at once. One
process uses it at a time: that one holds a lock on a file beside it.
"""

import base64
import binascii
import errno
import fcntl
import json
import os
import stat
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final
from weakref import WeakValueDictionary

from attrs import Factory, define, field, frozen

from pointsman import KeyPair
from pointsman.dialect.lookups import at, block, blocks, text

MODE: Final = 0o600
MAX_BYTES: Final = 64 * 1024 * 1024
_STORES: "WeakValueDictionary[str, Store]" = WeakValueDictionary()


class StoreError(OSError):
    """The file cannot be used, or not now."""


@frozen
class Account:
    """Of a resolver, at its authority."""

    email: str
    uri: str
    body: Mapping[str, Any]
    key: bytes = field(repr=False)
    """PKCS #1, DER."""


@frozen
class Stored:
    """A certificate, as it was ordered."""

    names: tuple[str, ...]
    pair: KeyPair


@define(eq=False, slots=False)
class Store:
    """One file. `load` before anything else."""

    path: Path
    _data: dict[str, Any] | None = None
    _lock: IO[bytes] | None = None
    _using: threading.RLock = Factory(threading.RLock)

    def load(self) -> None:
        """Read it, once, and make it if it is not there. StoreError. In any thread."""
        with self._using:
            if self._data is None:
                self._load()

    def _load(self) -> None:
        try:
            self._take_lock()
            self._data = self._read()
        except StoreError:
            self.close()
            raise
        except (OSError, ValueError) as error:  # a path that cannot be one
            self.close()
            raise StoreError(f"{self.path}: {getattr(error, 'strerror', None) or error}") from None

    def close(self) -> None:
        """Let others use it, once it is written."""
        with self._using:
            lock, self._lock = self._lock, None
            self._data = None
            if lock is not None:
                lock.close()

    def account(self, resolver: str) -> Account | None:
        """None if there is none that can be used."""
        account = block(self._loaded, resolver, "Account")
        key, uri = _decoded(account.get("PrivateKey")), text(account, "Registration", "uri")
        if not key or not uri:
            return None
        return Account(text(account, "Email"), uri, dict(block(account, "Registration", "body")), key)

    def certificates(self, resolver: str) -> list[Stored]:
        """Those that have both a certificate and a key."""
        found = []
        for each in blocks(self._loaded, resolver, "Certificates"):
            certificate, key = _decoded(each.get("certificate")), _decoded(each.get("key"))
            sans = at(each, "domain", "sans")
            names = (text(each, "domain", "main"), *(sans if isinstance(sans, list) else ()))
            if certificate and key and names[0]:
                pair = KeyPair(certificate.decode("latin-1"), key.decode("latin-1"))
                found.append(Stored(tuple(name for name in names if isinstance(name, str)), pair))
        return found

    def keep(self, resolver: str, account: Account | None, certificates: Sequence[Stored]) -> None:
        """Write it, with what this resolver has now. StoreError."""
        mine: dict[str, Any] = {"Account": None, "Certificates": None}
        if account is not None:
            mine["Account"] = {
                "Email": account.email,
                "Registration": {"body": account.body, "uri": account.uri},
                "PrivateKey": _encoded(account.key),
            }
        mine["Certificates"] = [
            {
                "domain": {"main": each.names[0], **({"sans": list(each.names[1:])} if each.names[1:] else {})},
                "certificate": _encoded(each.pair.certificate.encode()),
                "key": _encoded(each.pair.key.encode()),
                "Store": "default",
            }
            for each in certificates
        ] or None
        try:
            with self._using:
                self._loaded[resolver] = mine
                self._write(json.dumps(self._loaded, indent=2).encode())
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written: {error.strerror or error}") from None

    @property
    def _loaded(self) -> dict[str, Any]:
        if self._data is None:
            raise StoreError(f"{self.path}: has not been read")
        return self._data

    def _take_lock(self) -> None:
        lock = self.path.with_name(f".{self.path.name}.lock").open("ab")
        self._lock = lock
        os.fchmod(lock.fileno(), MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(f"{self.path}: is in use by another process; give each its own file") from None

    def _read(self) -> dict[str, Any]:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE))
            return {}
        found = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(found):
            os.close(descriptor)
            raise StoreError(f"{self.path}: is no file; name one")
        with open(descriptor, "rb") as file:
            mode = found & 0o777
            if mode & 0o077:
                raise StoreError(f"{self.path}: permissions {mode:o} are too open, please use 600; it holds private keys")
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise StoreError(f"{self.path}: has more than {MAX_BYTES} bytes")
        if not data.strip():
            return {}
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            raise StoreError(f"{self.path}: is no JSON; it is left as it is: repair it, or name another file") from None
        if not isinstance(document, dict):
            raise StoreError(f"{self.path}: is no JSON object; it is left as it is: repair it, or name another file")
        return document

    def _write(self, data: bytes) -> None:
        descriptor, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        try:
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            try:
                os.replace(name, self.path)
            except OSError as error:
                if error.errno != errno.EBUSY:  # a single file that is mounted, as containers have it, stays in its place
                    raise
                self._write_over(data)
                os.unlink(name)
        except BaseException:
            os.unlink(name)
            raise

    def _write_over(self, data: bytes) -> None:
        """Only when a copy of the same size has been written elsewhere: there is room."""
        with open(self.path, "r+b") as file:
            file.write(data)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())


def store_at(path: str) -> Store:
    """The same one for the same file: resolvers may share it."""
    real = os.path.realpath(path)
    store = _STORES.get(real)
    if store is None:
        store = _STORES[real] = Store(Path(real))
    return store


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(value: Any) -> bytes:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        return b""
