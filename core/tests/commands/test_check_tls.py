"""`pointsman check`: the mistakes that are made with TLS, TCP and UDP, and what is said of them."""

from pathlib import Path

import pytest
import trustme

from pointsman.cli import main

AUTHORITY = trustme.CA()
STATIC = """
providers: {file: {filename: FOLDER/routes.yml}}
entryPoints:
  web: {address: ":8000", http: {redirections: {entryPoint: {to: websecure}}}}
  websecure: {address: ":8443"}
  dns: {address: ":5353/udp"}
"""
SERVICES = """
  services: {s: {loadBalancer: {servers: [{url: "http://127.0.0.1:9001"}]}}}
"""
ROUTER = "http:\n  routers: {r: {rule: 'Host(`a.test`)', service: s, entryPoints: [websecure], tls: {}}}" + SERVICES
TCP = """
tcp:
  routers: {r: {ROUTER, service: s}}
  services: {s: {loadBalancer: {servers: [{address: '127.0.0.1:5432'}]}}}
"""
UDP = TCP.replace("tcp:", "udp:")
PAIR = "tls: {certificates: [{certFile: FOLDER/CERTIFICATE, keyFile: FOLDER/KEY}]}"
OPTIONS = (
    "http:\n  routers: {r: {rule: 'Host(`a.test`)', service: s, tls: {options: strict}}}" + SERVICES + "tls:\n  options: "
)
MISTAKES = {
    "a key that is not there": (
        ROUTER + "tls: {certificates: [{certFile: FOLDER/a.crt, keyFile: keys/a.key}]}",
        "tls.certificates.0@file.keyFile: the file keys/a.key cannot be read: No such file or directory; "
        "relative paths begin at FOLDER",
    ),
    "a key of another certificate": (
        ROUTER + PAIR.replace("CERTIFICATE", "a.crt").replace("KEY", "b.key"),
        "tls.certificates.0@file: the key is not that of the certificate (for a.test); a pair belongs together",
    ),
    "a certificate and its key exchanged": (
        ROUTER + PAIR.replace("CERTIFICATE", "a.key").replace("KEY", "a.crt"),
        "tls.certificates.0@file: where the certificate should be there is a key; are certFile and keyFile exchanged?",
    ),
    "a certificate instead of the key": (
        ROUTER + PAIR.replace("CERTIFICATE", "a.crt").replace("KEY", "a.crt"),
        "tls.certificates.0@file: where the key should be there is a certificate; name the file that holds its key",
    ),
    "a certificate without a key": (
        ROUTER + "tls: {certificates: [{certFile: FOLDER/a.crt}]}",
        "tls.certificates.0@file.keyFile: it is empty; give PEM text or the path of a file",
    ),
    "a cipher suite that is misspelled": (
        OPTIONS + "{strict: {cipherSuites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265]}}",
        "tls.options.strict@file.cipherSuites: unknown cipher suite 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265'; "
        "did you mean 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'?",
    ),
    "TLS options that are misspelled": (
        OPTIONS + "{strickt: {minVersion: VersionTLS13}}",
        "http.routers.r@file.tls.options: unknown TLS options: strict@file; did you mean 'strickt@file'?",
    ),
    "TLS options that are not there": (
        OPTIONS + "{other: {}, more: {}}",
        "http.routers.r@file.tls.options: unknown TLS options: strict@file; there are other@file, more@file",
    ),
    "a version as others write it": (
        OPTIONS + "{strict: {minVersion: TLSv1.2}}",
        "tls.options.strict@file.minVersion: unknown TLS version 'TLSv1.2'; "
        "known are VersionTLS10, VersionTLS11, VersionTLS12, VersionTLS13",
    ),
    "client certificates without an authority": (
        OPTIONS + "{strict: {clientAuth: {clientAuthType: RequireAndVerifyClientCert}}}",
        "tls.options.strict@file.clientAuth.caFiles: is missing; RequireAndVerifyClientCert needs to know whom to trust",
    ),
    "a server name without TLS": (
        TCP.replace("ROUTER", "rule: 'HostSNI(`a.test`)'"),
        'tcp.routers.r@file.rule: invalid rule: "HostSNI(`a.test`)", has HostSNI matcher, but no TLS on router; '
        "add tls, or match HostSNI(`*`)",
    ),
    "an entry point that is misspelled": (
        ROUTER.replace("[websecure]", "[websecur]"),
        "http.routers.r@file.entryPoints: entryPoint \"websecur\" doesn't exist; did you mean 'websecure'?",
    ),
    "an entry point for UDP below an HTTP router": (
        ROUTER.replace("[websecure]", "[dns]"),
        'http.routers.r@file.entryPoints: entryPoint "dns" is not for TCP; of those for TCP there are web, websecure',
    ),
    "an entry point for TCP below a UDP router": (
        UDP.replace("ROUTER", "entryPoints: [web]"),
        'udp.routers.r@file.entryPoints: entryPoint "web" is not for UDP; of those for UDP there are dns',
    ),
    "a server without a port": (
        UDP.replace("ROUTER", "entryPoints: [dns]").replace(":5432", ""),
        "udp.services.s@file.loadBalancer.servers[0].address: left out: the address '127.0.0.1' is not host:port",
    ),
    "a router without TLS where TLS is meant": (
        ROUTER.replace(", tls: {}", ""),
        "http.routers.r@file: has no tls, so on websecure it takes plaintext requests only; "
        "add `tls: {}` to it, or `http: {tls: {}}` to the entry point",
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a static configuration, and certificates for a.test and b.test."""
    for name in "ab":
        leaf = AUTHORITY.issue_cert(f"{name}.test")
        (tmp_path / f"{name}.crt").write_bytes(leaf.cert_chain_pems[0].bytes())
        (tmp_path / f"{name}.key").write_bytes(leaf.private_key_pem.bytes())
    (tmp_path / "pointsman.yml").write_text(STATIC.replace("FOLDER", str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("what", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_the_way_out(
    what: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, expected = MISTAKES[what]
    (folder / "routes.yml").write_text(text.replace("FOLDER", str(folder)))
    main(["check"])
    told = [line.partition(": ")[2] for line in capsys.readouterr().err.splitlines()]
    assert expected.replace("FOLDER", str(folder)) in told, told


def test_routers_of_all_kinds_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "routes.yml").write_text(
        ROUTER + TCP.replace("ROUTER", "rule: 'HostSNI(`*`)'") + UDP.replace("ROUTER", "entryPoints: [dnss]")
    )
    assert main(["check"]) == 1
    assert "3 of 4 routers can be served" in capsys.readouterr().err  # one of them redirects


def test_a_dynamic_file_alone_may_name_entry_points_of_both_protocols(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for router in ("entryPoints: [names]", ""):
        (folder / "routes.yml").write_text(
            TCP.replace("ROUTER", "rule: 'HostSNI(`*`)', entryPoints: [db]")
            + UDP.replace("ROUTER, ", f"{router}, " if router else "")
        )
        assert main(["check", "routes.yml"]) == 0
        assert "no problems; 2 of 2 routers can be served" in capsys.readouterr().err


def test_a_udp_router_needs_an_entry_point_for_udp(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    static = folder / "pointsman.yml"
    static.write_text("".join(line for line in static.read_text().splitlines(keepends=True) if "dns" not in line))
    (folder / "routes.yml").write_text(UDP.replace("ROUTER, ", ""))
    assert main(["check"]) == 1
    assert "udp.routers.r@file.entryPoints: there is no entry point for UDP" in capsys.readouterr().err


def test_what_an_entry_point_asks_for_is_told_of_the_entry_point(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    static = folder / "pointsman.yml"
    static.write_text(static.read_text().replace('":8443"', '":8443", http: {tls: {options: nope}}'))
    (folder / "routes.yml").write_text(ROUTER.replace(", tls: {}", ""))
    assert main(["check"]) == 1
    assert "entryPoints.websecure.http.tls.options: unknown TLS options: nope@file" in capsys.readouterr().err
