"""`pointsman explain`: who takes a request, and why each other router does not."""

from pathlib import Path

import pytest

from pointsman.cli import main

HEAD = "http:\n  services:\n    s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:9001'}]}}\n  routers:\n"


def explained(tmp_path: Path, routers: list[str], *arguments: str) -> int:
    file = tmp_path / "routes.yml"
    lines = [f"    r{number:02}: {{rule: '{rule}', service: s}}\n" for number, rule in enumerate(routers)]
    file.write_text(HEAD + "".join(lines))
    return main(["explain", *arguments, f"--configFile={file}"])


def test_of_fifty_overlapping_rules_each_is_told_why_it_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = [f"Host(`h{number}.test`)" for number in range(10)]
    rules += [f"Host(`shop.test`) && PathPrefix(`/{letter}`)" for letter in "abcdefghij"]
    rules += [f"Host(`*.test`) && Header(`X-Part`, `{number}`)" for number in range(10)]
    rules += [f"PathPrefix(`/cart`) && Method(`{method}`)" for method in ("POST", "PUT", "DELETE", "PATCH", "HEAD")]
    rules += [f"!Host(`shop.test`) && Path(`/cart/{number}`)" for number in range(5)]
    rules += [f"Query(`q`, `{number}`) || Host(`q{number}.test`)" for number in range(8)]
    rules += ["Host(`shop.test`)", "Host(`shop.test`) && PathPrefix(`/cart/`)"]
    assert len(rules) == 50
    assert explained(tmp_path, rules, "GET", "http://shop.test/cart/1") == 0
    printed = capsys.readouterr().out
    assert "r49@file takes the request" in printed
    for number in range(49):
        line = next(line for line in printed.splitlines() if line.strip().startswith(f"r{number:02}@file:"))
        assert any(words in line for words in ("the request", "priority", "matched, but is negated")), line
    assert "is 'shop.test'" in printed
    assert "r48@file: matches too, but priority" in printed
    assert "service: s@file (http://127.0.0.1:9001)" in printed


def test_a_request_that_nobody_takes_is_a_404(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    explained(tmp_path, ["Host(`a.test`)"], "GET", "http://b.test/")
    printed = capsys.readouterr().out
    assert "no router takes the request" in printed
    assert "404" in printed


def test_headers_and_the_client_address_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = ["Header(`X-A`, `1`) && ClientIP(`10.0.0.0/8`)"]
    explained(tmp_path, rules, "GET", "http://a.test/", "--header", "X-A: 1", "--client", "10.1.2.3")
    assert "r00@file takes the request" in capsys.readouterr().out


def test_the_canonical_path_is_shown_where_it_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    explained(tmp_path, ["Path(`/b`)"], "GET", "http://a.test/a/../%62")
    printed = capsys.readouterr().out
    assert "canonical path: /b" in printed
    assert "r00@file takes the request" in printed


def test_a_closed_router_is_named_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    explained(tmp_path, ["Hots(`a`)"], "GET", "http://a.test/")
    assert "r00@file: closed: " in capsys.readouterr().out


@pytest.mark.parametrize("header", ["broken", "a b: c"])
def test_a_request_that_is_none_is_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str], header: str) -> None:
    assert explained(tmp_path, ["Path(`/`)"], "GET", "http://a.test/", "--header", header) == 1
    assert "refused with 400" in capsys.readouterr().out


def test_over_tls_other_routers_stand_there_and_the_options_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "routes.yml"
    routers = {
        "one": "rule: 'Host(`a.test`)', tls: {options: strict}",
        "two": "rule: 'Host(`a.test`) && Path(`/two`)', tls: {}",
        "strict": "rule: 'Host(`s.test`)', tls: {options: strict}",
        "bad": "rule: 'Host(`bad.test`)', tls: {options: nope}",
    }
    lines = "".join(f"    {name}: {{service: s, {router}}}\n" for name, router in routers.items())
    file.write_text(HEAD + lines + "tls: {options: {strict: {minVersion: VersionTLS13}}}\n")

    def said(url: str) -> str:
        main(["explain", "GET", url, f"--configFile={file}"])
        return capsys.readouterr().out

    assert "TLS options: strict@file; certificate: the default one" in said("https://s.test/")
    assert "no router takes the request" in said("http://s.test/")
    assert "TLS options: broken or unknown, so the connection is closed" in said("https://bad.test/")
    disputed = said("https://a.test/")
    assert "TLS options: default" in disputed
    assert "http-conflicted-one@file takes the request" in disputed
    assert "service: s@file" in disputed


STATIC = """
providers: {file: {filename: FILE}}
entryPoints:
  web: {address: ":8000", http: {redirections: {entryPoint: {to: websecure}}}}
  websecure: {address: ":8443", http: {tls: {}}}
  db: {address: ":5433"}
"""


def static_for(tmp_path: Path, dynamic: str) -> str:
    (tmp_path / "routes.yml").write_text(dynamic)
    static = tmp_path / "static.yml"
    static.write_text(STATIC.replace("FILE", str(tmp_path / "routes.yml")))
    return f"--configFile={static}"


@pytest.mark.parametrize(
    ("url", "point", "winner"),
    [
        ("http://a.test:8000/", "web", "web-to-websecure@internal"),
        ("https://a.test:8443/", "websecure", "websecure-r@file"),
        ("https://a.test/", "websecure", "websecure-r@file"),
        ("a.test/", "db", "r@file"),
    ],
)
def test_a_request_arrives_where_its_url_leads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str, point: str, winner: str
) -> None:
    main(["explain", "GET", url, static_for(tmp_path, HEAD + "    r: {rule: 'Host(`a.test`)', service: s}\n")])
    printed = capsys.readouterr().out
    assert f" on entry point {point}" in printed.splitlines()[0]
    assert f"{winner} takes the request" in printed


def test_without_a_port_that_listens_it_arrives_where_there_are_routers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    router = "    r: {rule: 'Host(`a.test`)', service: s, entryPoints: [web]}\n"
    main(["explain", "GET", "http://a.test/", static_for(tmp_path, HEAD + router)])
    assert " on entry point web" in capsys.readouterr().out.splitlines()[0]


CONNECTIONS = """
http:
  routers: {web: {rule: 'Host(`web.test`)', service: s, entryPoints: [db], tls: {options: strict}}}
  services: {s: {loadBalancer: {servers: [{url: 'http://127.0.0.1:9001'}]}}}
tls: {options: {strict: {minVersion: VersionTLS13}}}
tcp:
  routers:
    ends: {rule: 'HostSNI(`a.test`)', service: db, entryPoints: [db], tls: {}, middlewares: [few]}
    passes: {rule: 'HostSNI(`*.b.test`)', service: db, entryPoints: [db], tls: {passthrough: true}}
    broken: {rule: 'HostSNI(`c.test`)', service: db, entryPoints: [db], tls: {options: nope}}
    inside: {rule: 'HostSNI(`*`) && ClientIP(`10.0.0.0/8`)', service: db, entryPoints: [db]}
  middlewares: {few: {inFlightConn: {amount: 3}}}
  services: {db: {loadBalancer: {servers: [{address: '127.0.0.1:5432'}]}}}
"""


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            ["TLS", "a.test:5433"],
            [
                "TLS a.test:5433 on entry point db",
                "ends@file takes the connection: HostSNI(`a.test`) (priority 17)",
                "  passes@file: HostSNI(`*.b.test`) at column 1: the client asks for 'a.test'",
                "middlewares: few@file",
                "TLS: ends here, with the options default",
                "service: db@file (127.0.0.1:5432)",
            ],
        ),
        (["TLS", "x.b.test:5433"], ["middlewares: none", "TLS: passed through to the server"]),
        (["TLS", "c.test:5433"], ["TLS: its options are broken or unknown, so the connection is closed"]),
        (
            ["TLS", "web.test:5433"],
            [
                "no TCP router takes the connection; it is HTTPS, with the TLS options strict@file",
                "go on with: explain GET https://web.test:5433/",
            ],
        ),
        (
            ["TCP", "a.test:5433"],
            [
                "no TCP router takes the connection; it is HTTP: explain GET http://a.test:5433/",
                "  inside@file: ClientIP(`10.0.0.0/8`) at column 17: the client's address is '127.0.0.1'",
            ],
        ),
        (["TCP", "a.test:5433", "--client", "10.1.2.3"], ["service: db@file (127.0.0.1:5432)"]),
    ],
)
def test_connections_are_explained_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], lines: list[str]
) -> None:
    assert main(["explain", *arguments, static_for(tmp_path, CONNECTIONS)]) == 0
    printed = capsys.readouterr().out.splitlines()
    for line in lines:
        assert line in printed
    closed = "  broken@file: closed: tcp.routers.broken@file.tls.options: unknown TLS options: nope@file"
    assert any(line.startswith(closed) for line in printed)


def test_a_port_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "TCP", "a.test:99999", static_for(tmp_path, CONNECTIONS)]) == 1
    assert "a.test:99999: Port out of range" in capsys.readouterr().err
