"""Where records of zones are kept: who is known, what they need, and what goes wrong."""

import asyncio
import os
import signal
import stat
from importlib.metadata import files

import pytest

from pointsman.testing import answer, eventually, upstream
from pointsman_acme.dns_providers import Program, WebHook, provider_named
from pointsman_acme.dns_services import SERVICES, Service

VARIABLES = {
    variable: f"value of {variable}" for _, options in SERVICES.values() for each in options.values() for variable in each
}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_services_are_made_of_the_environment(name):
    provider = provider_named(name, VARIABLES)
    assert isinstance(provider, Service)
    assert provider.options
    assert "value of" not in repr(provider)
    assert f"{provider.kind}.py" in {path.name for path in files("dns-lexicon") or () if path.parent.name == "providers"}


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="hetzner needs HETZNER_API_TOKEN or HETZNER_API_KEY"):
        provider_named("hetzner", {})
    with pytest.raises(ValueError, match="needs EXEC_PATH"):
        provider_named("exec", {})
    with pytest.raises(
        ValueError, match=r"unknown DNS provider 'hetzer'; there are .*hetzner.*exec runs a program of your own"
    ):
        provider_named("hetzer", {})


def test_a_value_may_be_in_a_file(tmp_path):
    (tmp_path / "token").write_text("secret\n")
    provider = provider_named("desec", {"DESEC_TOKEN_FILE": str(tmp_path / "token")})
    assert provider.options == {"auth_token": "secret"}
    with pytest.raises(ValueError, match=r"DESEC_TOKEN_FILE: .* cannot be read"):
        provider_named("desec", {"DESEC_TOKEN_FILE": str(tmp_path / "gone")})


async def test_a_program_that_fails_says_why(tmp_path):
    program = tmp_path / "records"
    program.write_text("#!/bin/sh\necho no such zone >&2\nexit 3\n")
    program.chmod(stat.S_IRWXU)
    with pytest.raises(OSError, match=r"present: ended with 3 \(no such zone\)"):
        await Program(str(program)).present("_acme-challenge.a.test.", "value", "")
    with pytest.raises(OSError, match="is no program that can be run"):
        await Program(str(tmp_path / "gone")).present("_acme-challenge.a.test.", "value", "")


async def test_a_web_hook_is_told_and_may_refuse():
    async with upstream(answer(200), answer(403)) as server:
        hook = WebHook(server.url, "u", "p")
        await hook.present("_acme-challenge.a.test.", "value", "")
        asked = server.requests[0]
        assert asked.body == b'{"fqdn": "_acme-challenge.a.test.", "value": "value"}'
        assert asked.get("authorization") == "Basic dTpw"
        with pytest.raises(OSError, match="answered 403 to cleanup"):
            await hook.cleanup("_acme-challenge.a.test.", "value", "")
    with pytest.raises(OSError, match="cannot be asked"):
        await hook.present("_acme-challenge.a.test.", "value", "")


async def test_what_a_program_leaves_running_is_not_waited_for(tmp_path):
    path = tmp_path / "program"
    path.write_text("#!/bin/sh\nsleep 60 &\necho $! > " + str(tmp_path / "pid") + "\necho no such zone >&2\nexit 3\n")
    path.chmod(0o700)
    try:
        async with asyncio.timeout(10):
            with pytest.raises(OSError, match=r"ended with 3 \(no such zone\)"):
                await provider_named("exec", {"EXEC_PATH": str(path)}).present("r.", "v", "")
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


async def test_a_program_that_hangs_ends_with_all_that_it_has_started(tmp_path):
    path = tmp_path / "program"
    path.write_text("#!/bin/sh\nsleep 60 &\necho $! > " + str(tmp_path / "pid") + "\nwait\n")
    path.chmod(0o700)
    task = asyncio.create_task(provider_named("exec", {"EXEC_PATH": str(path)}).present("r.", "v", ""))
    await eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=10)
    assert done
    pid = int((tmp_path / "pid").read_text())
    await eventually(lambda: not alive(pid))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
