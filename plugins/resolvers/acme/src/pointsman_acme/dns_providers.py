"""Where records of zones are kept: programs, web hooks, name servers, and services (§7.1).

Credentials come from the environment, by the names that users of the dialect know; `NAME_FILE` is a file that holds one.
"""

import asyncio
import base64
import os
import shutil
import signal
from collections.abc import Mapping
from typing import ClassVar, Final, Protocol

import dns.exception
import dns.query
import dns.rcode
import dns.resolver
import dns.tsig
import dns.tsigkeyring
import dns.update
from aiohttp import ClientError, ClientSession, ClientTimeout
from attrs import frozen

from pointsman_acme.asking import in_thread
from pointsman_acme.dns_services import SERVICES, TTL, service_named

SECONDS: Final = 120.0
MAX_WORDS: Final = 4096


class DnsProvider(Protocol):
    """Keeps records. OSError or ValueError, in words, for what cannot be done."""

    wants_zone: ClassVar[bool]

    async def present(self, record: str, value: str, zone: str) -> None: ...
    async def cleanup(self, record: str, value: str, zone: str) -> None: ...


def provider_named(name: str, environ: Mapping[str, str]) -> DnsProvider:
    """ValueError if there is none, or it has not been told who we are."""
    if name == "exec":
        return Program(_needed("EXEC_PATH", environ))
    if name == "httpreq":
        user, password = _read("HTTPREQ_USERNAME", environ), _read("HTTPREQ_PASSWORD", environ)
        if _read("HTTPREQ_MODE", environ).upper() == "RAW":
            raise ValueError("HTTPREQ_MODE=RAW is not supported; leave it out")
        return WebHook(_needed("HTTPREQ_ENDPOINT", environ).rstrip("/"), user, password)
    if name == "rfc2136":
        return NameServer(
            _needed("RFC2136_NAMESERVER", environ),
            _read("RFC2136_TSIG_ALGORITHM", environ),
            _read("RFC2136_TSIG_KEY", environ),
            _read("RFC2136_TSIG_SECRET", environ),
        )
    if name in SERVICES:
        return service_named(name, lambda variable: _read(variable, environ))
    known = ", ".join(sorted(["exec", "httpreq", "rfc2136", *SERVICES]))
    raise ValueError(f"unknown DNS provider '{name}'; there are {known}; exec runs a program of your own")


def _read(variable: str, environ: Mapping[str, str]) -> str:
    path = environ.get(f"{variable}_FILE")
    if path:
        try:
            with open(path, encoding="utf-8") as file:
                return file.read(65_536).strip()
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{variable}_FILE: {path} cannot be read: {getattr(error, 'strerror', None) or error}"
            ) from None
    return environ.get(variable, "")


def _needed(variable: str, environ: Mapping[str, str]) -> str:
    value = _read(variable, environ)
    if not value:
        raise ValueError(f"needs {variable} in the environment")
    return value


@frozen
class Program:
    """`exec`: a program, called `present|cleanup <fqdn.> <value>`."""

    path: str
    wants_zone: ClassVar[bool] = False

    async def present(self, record: str, value: str, zone: str) -> None:
        await self._run("present", record, value)

    async def cleanup(self, record: str, value: str, zone: str) -> None:
        await self._run("cleanup", record, value)

    async def _run(self, *arguments: str) -> None:
        path = shutil.which(self.path)
        if path is None:
            raise OSError(f"EXEC_PATH: {self.path} is no program that can be run")
        said = _Words()
        try:
            null = asyncio.subprocess.DEVNULL
            process = await asyncio.create_subprocess_exec(
                path, *arguments, stdin=null, stdout=null, stderr=said.pipe, start_new_session=True
            )
            try:
                async with asyncio.timeout(SECONDS):
                    code = await process.wait()
            except TimeoutError:
                raise OSError(f"{self.path} {arguments[0]}: did not end within {SECONDS:g} s") from None
            finally:
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)  # with all that it has started
                    await process.wait()
        finally:
            told = said.end()
        if code:
            words = " ".join(told.decode("utf-8", "replace").split())[:200]
            raise OSError(f"{self.path} {arguments[0]}: ended with {code}{f' ({words})' if words else ''}")


class _Words:
    """What a program says on its way, read as it comes. What it leaves running may hold the pipe and is not waited for."""

    def __init__(self) -> None:
        self._told = b""
        self._loop = asyncio.get_running_loop()
        self._end, self.pipe = os.pipe()
        os.set_blocking(self._end, False)
        self._loop.add_reader(self._end, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._end, 65_536)
        except BlockingIOError:
            return
        self._told = (self._told + data)[:MAX_WORDS]
        if not data:
            self._loop.remove_reader(self._end)

    def end(self) -> bytes:
        self._read()
        self._loop.remove_reader(self._end)
        os.close(self._end)
        os.close(self.pipe)
        return self._told


@frozen(repr=False)
class WebHook:
    """`httpreq`: `POST /present` and `/cleanup`."""

    url: str
    user: str
    password: str
    wants_zone: ClassVar[bool] = False

    async def present(self, record: str, value: str, zone: str) -> None:
        await self._post("present", record, value)

    async def cleanup(self, record: str, value: str, zone: str) -> None:
        await self._post("cleanup", record, value)

    async def _post(self, what: str, record: str, value: str) -> None:
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}"} if self.user else {}
        try:
            async with (
                ClientSession(headers=headers, timeout=ClientTimeout(total=SECONDS)) as session,
                session.post(f"{self.url}/{what}", json={"fqdn": record, "value": value}) as response,
            ):
                if response.status >= 300:
                    raise OSError(f"HTTPREQ_ENDPOINT: answered {response.status} to {what}")
        except (ClientError, TimeoutError) as error:
            raise OSError(f"HTTPREQ_ENDPOINT: cannot be asked: {type(error).__name__}") from None


@frozen(repr=False)
class NameServer:
    """`rfc2136`: dynamic updates, signed or not."""

    server: str
    algorithm: str
    key: str
    secret: str
    wants_zone: ClassVar[bool] = True

    async def present(self, record: str, value: str, zone: str) -> None:
        await in_thread(self._update, record, value, zone, True)

    async def cleanup(self, record: str, value: str, zone: str) -> None:
        await in_thread(self._update, record, value, zone, False)

    def _update(self, record: str, value: str, zone: str, add: bool) -> None:
        host, colon, port = self.server.rpartition(":")
        host, number = (host.strip("[]"), int(port)) if colon and port.isdecimal() else (self.server.strip("[]"), 53)
        try:
            address = host if host.replace(".", "").isdecimal() or ":" in host else str(dns.resolver.resolve(host, "A")[0])
            ring = dns.tsigkeyring.from_text({self.key: self.secret}) if self.key and self.secret else None
            algorithm = self.algorithm.rstrip(".") or str(dns.tsig.HMAC_SHA256).rstrip(".")
            update = dns.update.UpdateMessage(f"{zone}.", keyring=ring, keyalgorithm=algorithm)
            if add:
                update.add(record, TTL, "TXT", value)
            else:
                update.delete(record, "TXT", value)
            answer = dns.query.tcp(update, address, timeout=10, port=number)
        except (dns.exception.DNSException, OSError) as error:
            raise OSError(f"RFC2136_NAMESERVER {self.server}: {type(error).__name__}") from None
        if answer.rcode() != dns.rcode.NOERROR:
            raise OSError(f"RFC2136_NAMESERVER {self.server}: answered {dns.rcode.to_text(answer.rcode())}")
