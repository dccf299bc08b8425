"""Real servers that several kinds of tests need."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import trustme
from attrs import frozen

from pointsman.testing import free_port

BINARIES: Final = Path("/usr/lib/postgresql/15/bin")
USER: Final = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
OPTIONS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "ssl": "on",
    "ssl_cert_file": "server.crt",
    "ssl_key_file": "server.key",
}


@frozen
class Postgres:
    """A running PostgreSQL, which lets in the user `pointsman` without a password."""

    port: int
    authority: trustme.CA
    """Of its certificate, which is for pass.test."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """It refuses to run as root."""
    if not (BINARIES / "postgres").exists():
        pytest.skip("PostgreSQL 15 is not installed: apt-get install postgresql-15")
    folder = Path(tempfile.mkdtemp(prefix="pointsman-postgres-"))
    authority, port = trustme.CA(), free_port()
    leaf = authority.issue_cert("pass.test")
    if USER:
        shutil.chown(folder, "postgres", "postgres")
    initdb = [BINARIES / "initdb", "-D", folder / "data", "-A", "trust", "-U", "pointsman", "--no-sync"]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/", **USER)
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    for name, content in (("server.crt", chain), ("server.key", leaf.private_key_pem.bytes())):
        path = folder / "data" / name
        path.write_bytes(content)
        path.chmod(0o600)
        if USER:
            shutil.chown(path, "postgres", "postgres")
    options = [part for name, value in {**OPTIONS, "port": port}.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [BINARIES / "postgres", "-D", folder / "data", *options], stdout=log, stderr=log, cwd="/", **USER
        )
    try:
        yield Postgres(port, authority)
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(folder)
