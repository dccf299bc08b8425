"""PostgreSQL behind TCP routers: TLS ended here, passed through, or not looked at (routing.md §8.5)."""

from contextlib import AsyncExitStack

import psycopg
import pytest
import pytest_asyncio

from pointsman.testing import eventually, gateway

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.real("postgres"), pytest.mark.timeout(120)]


def pair(leaf):
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    return {"certFile": chain.decode(), "keyFile": leaf.private_key_pem.bytes().decode()}


def document(postgres):
    routers = {
        "term": {"entryPoints": ["db"], "rule": "HostSNI(`term.test`)", "service": "db", "tls": {}},
        "pass": {"entryPoints": ["db"], "rule": "HostSNI(`pass.test`)", "service": "db", "tls": {"passthrough": True}},
        "plain": {"entryPoints": ["plain"], "rule": "HostSNI(`*`)", "service": "db"},
    }
    services = {"db": {"loadBalancer": {"servers": [{"address": f"127.0.0.1:{postgres.port}"}]}}}
    return {
        "tcp": {"routers": routers, "services": services},
        "tls": {"certificates": [pair(postgres.authority.issue_cert("term.test"))]},
    }


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def front(postgres):
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(gateway(document(postgres), {"entryPoints": {"db": {}, "plain": {}}}))
        await eventually(lambda: asked(running, "plain", "pass.test", "disable"))
        yield running


@pytest.fixture(scope="module")
def root(postgres, tmp_path_factory):
    path = tmp_path_factory.mktemp("ca") / "root.pem"
    postgres.authority.cert_pem.write_to_path(str(path))
    return path


async def asked(front, entry_point, host, mode, **options):
    """A query; whether the server itself was asked over TLS."""
    try:
        connection = await psycopg.AsyncConnection.connect(
            host=host,
            hostaddr="127.0.0.1",
            port=front.port(entry_point),
            user="pointsman",
            dbname="postgres",
            sslmode=mode,
            gssencmode="disable",
            connect_timeout=10,
            **options,
        )
    except psycopg.OperationalError as error:
        raise ConnectionError(str(error)) from error
    async with connection:
        cursor = await connection.execute("select 40 + 2, ssl from pg_stat_ssl where pid = pg_backend_pid()")
        return await cursor.fetchone()


@pytest.mark.spec("R-103")
async def test_tls_ends_here_or_at_the_server_as_the_router_says(front, root):
    assert await asked(front, "db", "term.test", "verify-full", sslrootcert=root) == (42, False)
    assert await asked(front, "db", "pass.test", "verify-full", sslrootcert=root) == (42, True)
    with pytest.raises(ConnectionError, match=r"closed the connection unexpectedly|SSL SYSCALL error|SSL error"):
        await asked(front, "db", "unknown.test", "require")


async def test_nothing_is_looked_at_where_all_routers_are_plain(front, root):
    assert await asked(front, "plain", "pass.test", "verify-full", sslrootcert=root) == (42, True)
    assert await asked(front, "plain", "pass.test", "disable") == (42, False)


async def test_much_comes_through(front, root):
    for host in ("term.test", "pass.test"):
        connection = await psycopg.AsyncConnection.connect(
            host=host, hostaddr="127.0.0.1", port=front.port("db"), user="pointsman", dbname="postgres", sslmode="require"
        )
        async with connection:
            cursor = await connection.execute("select repeat('x', 1000) from generate_series(1, 10000)")
            assert sum([len(row[0]) async for row in cursor]) == 10_000_000
