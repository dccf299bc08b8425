"""`pointsman check`: ten broken files, ten helpful answers."""

from pathlib import Path

import pytest

from pointsman import plugins
from pointsman.catalogue import DISTRIBUTIONS
from pointsman.cli import main

SERVICE = """
  services:
    s: {loadBalancer: {servers: [{url: "http://127.0.0.1:9001"}]}}
"""
BROKEN = {
    "a YAML that is cut off while being written": (
        'http:\n  routers:\n    r: {rule: "Host(`a',
        ["{file}:3:", "quot"],
    ),
    "a key that is misspelled": (
        "http:\n  routers:\n    r: {rulle: x, service: s}\n" + SERVICE,
        ["http.routers.r: unknown key 'rulle'", "did you mean 'rule'?"],
    ),
    "a rule with an unknown matcher": (
        "http:\n  routers:\n    r: {rule: 'Hots(`a`)', service: s}\n" + SERVICE,
        ["http.routers.r@file.rule", "unknown matcher 'Hots' at column 1", "did you mean 'Host'?"],
    ),
    "a service that does not exist": (
        "http:\n  routers:\n    r: {rule: 'Host(`a`)', service: shop}\n",
        ["http.routers.r@file.service", 'the service "shop@file" does not exist'],
    ),
    "a middleware whose package is not installed": (
        "http:\n  routers:\n    r: {rule: 'Host(`a`)', service: s, middlewares: [m]}\n"
        "  middlewares:\n    m: {someThing: {a: 1}}\n" + SERVICE,
        ["http.middlewares.m@file.someThing", "no installed plugin provides 'someThing'", "pointsman plugins"],
    ),
    "a middleware that a known package brings": (
        "http:\n  routers:\n    r: {rule: 'Host(`a`)', service: s, middlewares: [m]}\n"
        "  middlewares:\n    m: {teaPot: {size: 3}}\n" + SERVICE,
        ["http.middlewares.m@file.teaPot", "pip install pointsman-teapot"],
    ),
    "a server URL without a scheme": (
        "http:\n  routers:\n    r: {rule: 'Host(`a`)', service: s}\n"
        "  services:\n    s: {loadBalancer: {servers: [{url: '127.0.0.1:80'}]}}\n",
        ["http.services.s@file.loadBalancer.servers[0].url", "http://, https://"],
    ),
    "a number that is none": (
        "http:\n  services:\n    s: {loadBalancer: {servers: [{url: 'http://a', weight: 1.5}]}}\n",
        ["http.services.s.loadBalancer.servers[0].weight", "1.5"],
    ),
    "middlewares that reach themselves": (
        "http:\n  routers:\n    r: {rule: 'Host(`a`)', service: s, middlewares: [m]}\n"
        "  middlewares:\n    m: {chain: {middlewares: [m]}}\n" + SERVICE,
        ["http.middlewares.m@file", "recursion detected in middleware:m@file->middleware:m@file"],
    ),
    "one key twice": (
        "http:\n  routers:\n    r: {rule: 'Host(`a`)', service: s}\n    r: {rule: 'Host(`b`)', service: s}\n" + SERVICE,
        ["{file}:4:", "'r'", "twice"],
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_gets_an_answer_that_says_where_and_what(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DISTRIBUTIONS["middlewares"], "teapot", "pointsman-teapot")
    text, expected = BROKEN[what]
    file = tmp_path / "routes.yml"
    file.write_text(text)
    assert main(["check", str(file)]) == 1
    printed = capsys.readouterr().err
    for words in expected:
        assert words.replace("{file}", str(file)) in printed
    assert "Traceback" not in printed


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "routes.yml"
    file.write_text(
        "http:\n  routers:\n    a: {rule: 'Hots(`a`)', service: s}\n    b: {rule: 'Host(`b`)', service: none}\n"
        "    c: {rule: 'Host(`c`)', service: s, middlewares: [gone, lost]}\n    d: {rule: 'Host(`d`)', service: s}\n"
        + SERVICE
    )
    assert main(["check", str(file)]) == 1
    printed = capsys.readouterr().err
    for words in ("'Hots'", '"none@file"', '"gone@file"', '"lost@file"', "1 of 4 routers can be served"):
        assert words in printed


def test_a_good_file_is_called_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "routes.yml"
    file.write_text("http:\n  routers:\n    r: {rule: 'Host(`a`)', service: s, entryPoints: [web]}\n" + SERVICE)
    assert main(["check", str(file)]) == 0
    assert "no problems; 1 of 1 routers can be served" in capsys.readouterr().err


def test_a_static_file_is_checked_with_what_its_providers_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "routes.yml").write_text("http:\n  routers:\n    r: {rule: 'Host(`a`)', service: gone}\n")
    static = tmp_path / "pointsman.yml"
    static.write_text(
        f'entryPoints: {{web: {{address: ":8000"}}}}\nproviders: {{file: {{filename: "{tmp_path}/routes.yml"}}}}\n'
    )
    assert main(["check", f"--configFile={static}"]) == 1
    assert 'the service "gone@file" does not exist' in capsys.readouterr().err


def test_an_unknown_provider_names_the_package_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [point for point in plugins._installed() if point.name != "kubernetes"]
    monkeypatch.setattr(plugins, "_installed", lambda: there)
    static = tmp_path / "pointsman.yml"
    static.write_text('entryPoints: {web: {address: ":8000"}}\nproviders: {kubernetesGateway: {labelSelector: x}}\n')
    assert main(["check", str(static)]) == 1
    assert "pip install pointsman-kubernetes" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_said_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "/nowhere/routes.yml"]) == 1
    assert "/nowhere/routes.yml: there is no such file" in capsys.readouterr().err


def test_what_is_printed_masks_secrets_and_shows_defaults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "routes.yml"
    file.write_text(
        "http:\n  routers:\n    r: {rule: 'Host(`a`)', service: s}\n"
        "  serversTransports:\n    t: {certificates: [{certFile: c, keyFile: very-secret}]}\n" + SERVICE
    )
    main(["check", "--print", str(file)])
    printed = capsys.readouterr().out
    assert "very-secret" not in printed
    assert "passHostHeader: true" in printed
    assert "r@file" in printed


def test_headers_that_let_somebody_in_are_masked_as_the_api_masks_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "routes.yml"
    file.write_text(
        "http:\n"
        "  middlewares: {m: {headers: {customRequestHeaders: {X-Api-Key: in-request, X-Shop: '7'}}}}\n"
        "  services:\n"
        "    s: {loadBalancer: {servers: [{url: 'http://a'}], healthCheck: {path: /, headers: {Authorization: in-check}}}}\n"
    )
    main(["check", "--print", str(file)])
    printed = capsys.readouterr().out
    assert "in-request" not in printed
    assert "in-check" not in printed
    assert "X-Api-Key: REDACTED" in printed
    assert "X-Shop: '7'" in printed


REFERENCES = """
http:
  routers:
    r: {rule: Host(`a`), service: web@docker, middlewares: [m@consul]}
    u: {rule: Host(`c`), service: s, tls: {options: strict@consul}}
    s: {rule: Host(`b`), service: gone@%s}
  services: {s: {loadBalancer: {servers: [{url: "http://127.0.0.1:9001"}]}}}
tcp:
  routers:
    t: {rule: HostSNI(`*`), service: db@docker, middlewares: [m@consul]}
"""


def test_what_another_provider_may_say_is_no_error_in_a_file_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "routes.yml"
    file.write_text(REFERENCES % "docker")
    assert main(["check", str(file)]) == 0
    printed = capsys.readouterr().err
    for name in ("web@docker", "gone@docker", "m@consul", "strict@consul", "db@docker"):
        assert f'"{name}" cannot be looked for, since nothing is known here of what' in printed
    file.write_text(REFERENCES % "file")
    assert main(["check", str(file)]) == 1
    assert 'error: http.routers.s@file.service: the service "gone@file" does not exist' in capsys.readouterr().err


def test_what_a_provider_says_that_is_not_asked_may_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "routes.yml").write_text(REFERENCES % "nobody")
    static = tmp_path / "pointsman.yml"
    static.write_text(
        'entryPoints: {web: {address: ":8000"}}\nproviders:\n  consul: {}\n  docker: {endpoint: "unix:///nowhere"}\n'
        f'  file: {{filename: "{tmp_path}/routes.yml"}}\n'
    )
    assert main(["check", str(static)]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert errors == ['error: http.routers.s@file.service: the service "gone@nobody" does not exist']
