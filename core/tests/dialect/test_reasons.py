"""Why a server could not be asked."""

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest
import trustme

from pointsman.dialect.reasons import one_line, reason
from pointsman.testing import free_port


async def of(url: str) -> str:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(url) as response:
                await response.read()
        except aiohttp.ClientError as error:
            return reason(error)
    raise AssertionError("it was answered")


async def answering(answer: bytes, tls: ssl.SSLContext | None = None) -> tuple[asyncio.Server, int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    return server, server.sockets[0].getsockname()[1]


async def test_nobody_is_there() -> None:
    assert await of(f"http://127.0.0.1:{free_port()}/") == "Connection refused"


async def test_its_name_is_not_known() -> None:
    assert (await of("http://nobody.invalid/")).startswith("its name cannot be resolved: ")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "Server disconnected"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "not completed"),
        (b"!\r\n\r\n", "Bad"),
    ],
    ids=["nothing", "half", "no-http"],
)
async def test_its_answer_is_none(answer: bytes, words: str) -> None:
    server, port = await answering(answer)
    async with server:
        said = await of(f"http://127.0.0.1:{port}/?token=s3cret")
    assert words in said
    assert "s3cret" not in said
    assert "\n" not in said


async def test_tls_is_not_what_it_should_be(tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    trusted, port = await answering(b"", context)
    async with trusted:
        assert (
            await of(f"https://127.0.0.1:{port}/")
            == "its certificate is not trusted: unable to get local issuer certificate"
        )
    plain, port = await answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    async with plain:
        assert (await of(f"https://127.0.0.1:{port}/")).startswith("TLS failed: ")


def test_other_errors_say_what_they_have_to_say() -> None:
    assert reason(RuntimeError("a\nb")) == "a b"
    assert reason(RuntimeError()) == "RuntimeError"
    assert reason(OSError(13, "x")) == "Permission denied"
    assert one_line("a\x00b  \r\nc" + "d" * 999) == "a b c" + "d" * 195
