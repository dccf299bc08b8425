"""A real sshd on 127.0.0.1 that lets in one key, and a client that knows both."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pointsman.testing import free_port

SSHD = Path("/usr/sbin/sshd")
PRIVILEGES = Path("/run/sshd")
"""It insists on this folder, empty."""

needs_sshd = pytest.mark.skipif(
    not SSHD.exists() or not shutil.which("ssh"), reason="no sshd: apt-get install openssh-server openssh-client"
)


@contextmanager
def sshd(folder: Path, **environment: str) -> Iterator[int]:
    """Its port; `folder/bin/ssh` is a client that trusts it. Sessions get the environment."""
    (folder / "bin").mkdir(parents=True)
    PRIVILEGES.mkdir(mode=0o755, exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    port = free_port()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
    client = [f"IdentityFile {folder}/user", f"UserKnownHostsFile {folder}/known", "IdentitiesOnly yes"]
    (folder / "ssh_config").write_text("\n".join([*client, ""]))
    wrapper = folder / "bin" / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
    wrapper.chmod(0o755)
    server = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder}/host",
        f"AuthorizedKeysFile {folder}/user.pub",
        "StrictModes no",
        "PasswordAuthentication no",
        "PidFile none",
        *(f"SetEnv {name}={value}" for name, value in environment.items()),
    ]
    (folder / "sshd_config").write_text("\n".join([*server, ""]))
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stdout=log, stderr=log)
    try:
        _wait(process, folder / "log")
        yield port
    finally:
        process.terminate()
        process.wait(5)


def _wait(process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        if "Server listening on 127.0.0.1" in log.read_text():
            return
        time.sleep(0.05)
    raise TimeoutError(f"sshd does not listen\n{log.read_text()[-3000:]}")
