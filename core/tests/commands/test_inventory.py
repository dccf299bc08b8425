"""Commands that tell what is there, and the help."""

import logging
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pointsman.cli import main


def test_plugins_lists_what_each_package_brings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    printed = capsys.readouterr().out
    assert "PathPrefix" in printed
    assert "pointsman-headers" in printed


def test_plugins_has_a_line_for_each_where_no_terminal_is_too_narrow(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("passtlsclientcert")]
    assert "pointsman-passtlsclientcert" in line
    assert "middlewares: passTLSClientCert" in line


@pytest.mark.spec("O-25")
def test_version_prints_five_labelled_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all(": " in line for line in lines)


@pytest.mark.spec("O-25")
def test_an_unknown_command_gets_the_help_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chekc"]) == 1
    printed = capsys.readouterr()
    assert "Usage:" in printed.out
    assert "command not found: chekc" in printed.err


@pytest.mark.parametrize("flag", ["--help", "-h", "-help"])
def test_help_names_commands_and_flags(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert main([flag]) == 0
    printed = capsys.readouterr().out
    for words in ("explain", "--entryPoints.<name>.address", "--providers.file.filename", "--workers"):
        assert words in printed


def test_help_stops_without_a_word_when_nobody_reads_on() -> None:
    begun = subprocess.run(
        [f"{sys.executable} -m pointsman --help | head -1"],
        shell=True,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert begun.stdout.startswith("Pointsman")
    assert begun.stderr == ""


def test_a_bad_flag_ends_the_start_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--entryPoints.web.adress=:80"]) == 1
    assert "did you mean 'address'?" in capsys.readouterr().err


def test_healthcheck_without_ping_says_what_to_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["healthcheck", "--", "--entryPoints.web.address=:8000"]) == 1
    assert "ping: {}" in capsys.readouterr().out


def test_flags_that_a_file_makes_void_are_named_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (tmp_path / "pointsman.yml").write_text(f'entryPoints: {{web: {{address: "127.0.0.1:{port}"}}}}\n')
        monkeypatch.chdir(tmp_path)
        root = logging.getLogger()
        monkeypatch.setattr(root, "handlers", [])
        monkeypatch.setattr(root, "level", root.level)
        assert main(["--log.level=DEBUG"]) == 1
    printed = capsys.readouterr().err
    assert "warning: " in printed
    assert "--log.level" in printed
    assert f"error: entryPoints.web.address: cannot listen on 127.0.0.1:{port}: Address already in use" in printed
