"""One probe of one TCP server (routing.md §8.7): connect, say something if asked to, and hear what is expected."""

import asyncio
from contextlib import suppress

from pointsman.control.checks import TcpCheck
from pointsman.control.probe import Failed
from pointsman.net.client_tls import HANDSHAKE_SECONDS
from pointsman.upstream.tcp import tcp_peer


async def probe_tcp(check: TcpCheck, address: str) -> None:
    """Return if the server is healthy; Failed if it is not."""
    try:
        async with asyncio.timeout(check.timeout):
            await _ask(check, address)
    except TimeoutError:
        raise Failed(f"no answer within {check.timeout:g} s") from None
    except asyncio.IncompleteReadError as error:
        raise Failed(f"it closed the connection after {len(error.partial)} bytes of its answer") from None
    except OSError as error:  # includes failures of TLS
        raise Failed(" ".join(str(error).split()) or type(error).__name__) from error


async def _ask(check: TcpCheck, address: str) -> None:
    peer = tcp_peer(address)
    tls = check.transport.tls if address in check.secured else None
    reader, writer = await asyncio.open_connection(
        peer.host,
        check.config.port or peer.port,
        ssl=tls.context() if tls is not None else None,
        server_hostname=tls.name_for(peer.host) if tls is not None else None,
        ssl_handshake_timeout=HANDSHAKE_SECONDS if tls is not None else None,
    )
    try:
        if check.config.send:
            writer.write(check.config.send.encode())
            await writer.drain()
        expected = check.config.expect.encode()
        if expected and await reader.readexactly(len(expected)) != expected:
            raise Failed("its answer is not what is expected")
    finally:
        with suppress(OSError):
            writer.transport.abort()
