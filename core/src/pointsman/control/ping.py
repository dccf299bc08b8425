"""Asking a running gateway whether it is well: its own ping, by way of its entry point (operations.md §1.6, §1.10)."""

import asyncio
import ssl
from typing import Final

from pointsman.message import Address

TIMEOUT_SECONDS: Final = 5.0
MAX_HEAD: Final = 16 * 1024


class NotWell(Exception):
    """Says why."""


def url_of(address: Address, tls: bool) -> str:
    return f"{'https' if tls else 'http'}://{address}/ping"


def reachable(host: str, port: int) -> Address:
    """Where this machine reaches what listens there: all interfaces include the loopback, `::` that of IPv4 too."""
    return Address(host if host not in ("", "0.0.0.0", "::") else "127.0.0.1", port)


async def ask_ping(address: Address, tls: bool = False) -> None:
    """`HEAD /ping`; NotWell for anything but 200 within `TIMEOUT_SECONDS`. A certificate is not verified: it is our own."""
    url = url_of(address, tls)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            status = await _status(address, _unverified() if tls else None)
    except TimeoutError:
        raise NotWell(f"{url} did not answer within {TIMEOUT_SECONDS:g} s") from None
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise NotWell(f"cannot ask {url}: {error}") from error
    if status != b"200":
        raise NotWell(f"{url} answered {status.decode('latin-1')}")


async def _status(address: Address, context: ssl.SSLContext | None) -> bytes:
    reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context, limit=MAX_HEAD)
    try:
        writer.write(f"HEAD /ping HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode("ascii"))
        line = await reader.readuntil(b"\r\n")
        return line.split(b" ", 2)[1] if b" " in line else b"nothing of HTTP"
    finally:
        writer.transport.abort()


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
