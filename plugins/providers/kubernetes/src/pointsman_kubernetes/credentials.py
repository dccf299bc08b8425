"""As whom the API server is asked: tokens that rotate, certificates, and programs that bring either."""

import asyncio
import base64
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from attrs import field, frozen

from pointsman.dialect.lookups import text
from pointsman.dialect.reasons import one_line

PLUGIN_SECONDS: Final = 60.0
EARLY: Final = timedelta(seconds=10)
"""How long before its end a credential is brought anew."""
_MAX_BYTES: Final = 1024 * 1024


class AccessError(OSError):
    """There is no way to the API server, or nobody to ask as; the message says what to do."""


@frozen
class Identity:
    """What is shown to the server."""

    headers: Mapping[str, str] = field(factory=dict, repr=False)
    pair: tuple[str, str] | None = field(default=None, repr=False)
    """Certificate and key: PEM texts, or paths."""


class Credentials(Protocol):
    """Where identities come from."""

    async def identity(self) -> Identity:
        """AccessError if there is none."""

    def refused(self, identity: Identity) -> None:
        """The server does not take this one: bring another."""


@frozen
class Fixed:
    """Always the same."""

    always: Identity

    async def identity(self) -> Identity:
        return self.always

    def refused(self, identity: Identity) -> None:
        pass


@frozen
class TokenFile:
    """A token that somebody else renews; the file is read each time."""

    path: str
    besides: Identity = field(factory=Identity)

    async def identity(self) -> Identity:
        token = await asyncio.to_thread(self._read)
        return Identity({**self.besides.headers, **bearer(token)}, self.besides.pair)

    def _read(self) -> str:
        try:
            with open(self.path, encoding="utf-8") as file:
                token = file.read(_MAX_BYTES).strip()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "is no text"
            raise AccessError(f"the token in {self.path} cannot be read: {why}") from None
        if not token:
            raise AccessError(f"the token in {self.path} is empty")
        return token

    def refused(self, identity: Identity) -> None:
        pass


class Plugin:
    """A program that prints an ExecCredential (client.authentication.k8s.io), run when the last one ends or is refused."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        version: str,
        cluster: Mapping[str, Any] | None = None,
        besides: Identity | None = None,
    ) -> None:
        """`cluster` is what it is told about the server, if it wants to know."""
        self._command = command
        self._environment = environment
        self._version = version
        self._cluster = cluster
        self._besides = besides or Identity()
        self._lock = asyncio.Lock()
        self._known: Identity | None = None
        self._ends: datetime | None = None

    async def identity(self) -> Identity:
        async with self._lock:
            if self._known is None or (self._ends is not None and datetime.now(UTC) > self._ends - EARLY):
                self._known, self._ends = self._read(await self._printed())
            return self._known

    def refused(self, identity: Identity) -> None:
        if identity is self._known:
            self._known = None

    async def _printed(self) -> bytes:
        spec: dict[str, Any] = {"interactive": False} if self._cluster is None else {
            "interactive": False,
            "cluster": self._cluster,
        }  # fmt: skip
        told = {"apiVersion": self._version, "kind": "ExecCredential", "spec": spec}
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=_MAX_BYTES,
                env={**os.environ, **self._environment, "KUBERNETES_EXEC_INFO": json.dumps(told)},
            )
        except OSError as error:
            raise AccessError(f"the credential plugin {self._command[0]} cannot be run: {error.strerror}") from None
        try:
            async with asyncio.timeout(PLUGIN_SECONDS):
                printed, complaint = await process.communicate()
        except TimeoutError:
            raise AccessError(f"the credential plugin {self._command[0]} takes longer than {PLUGIN_SECONDS:g} s") from None
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if process.returncode:
            said = one_line(complaint.decode(errors="replace").strip().rpartition("\n")[2])
            raise AccessError(
                f"the credential plugin {self._command[0]} ended with {process.returncode}{f' ({said})' if said else ''}"
            )
        return printed

    def _read(self, printed: bytes) -> tuple[Identity, datetime | None]:
        try:
            status = json.loads(printed)["status"]
            ends = datetime.fromisoformat(text(status, "expirationTimestamp")) if status.get("expirationTimestamp") else None
            if ends is not None and ends.tzinfo is None:
                ends = ends.replace(tzinfo=UTC)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
            raise AccessError(f"the credential plugin {self._command[0]} prints no ExecCredential") from None
        token, certificate = text(status, "token"), text(status, "clientCertificateData")
        headers = {**self._besides.headers, **(bearer(token) if token else {})}
        pair = (certificate, text(status, "clientKeyData")) if certificate else self._besides.pair
        return Identity(headers, pair), ends


def bearer(token: str) -> dict[str, str]:
    """AccessError for what no header may hold."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise AccessError("the token has characters that no token has")
    return {"Authorization": f"Bearer {token}"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
