"""What is asked for and cannot be done is said, not passed over."""

import pytest

from pointsman.config.entrypoint_model import HTTP3, EntryPoint
from pointsman.config.static import OCSP, Static, StaticServersTransport
from pointsman.config.tls_model import Spiffe
from pointsman.control import unsupported
from pointsman.control.unsupported import unsupported_static


def test_a_configuration_of_what_there_is_has_nothing_to_say() -> None:
    assert unsupported_static(Static(entry_points={"web": EntryPoint(":80")})) == []


def test_sections_and_options_without_an_actor_are_named() -> None:
    points = {"web": EntryPoint(":80"), "dns": EntryPoint(":53/udp")}
    transport = StaticServersTransport(spiffe=Spiffe())
    problems = unsupported_static(Static(entry_points=points, ocsp=OCSP(), servers_transport=transport))
    assert [problem.path for problem in problems] == [
        "ocsp",
        "serversTransport.spiffe",
    ]
    assert all("not supported by this version" in problem.message for problem in problems)


def test_http3_needs_its_library_and_tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    points = {"web": EntryPoint(":443", http3=HTTP3()), "dns": EntryPoint(":53/udp", http3=HTTP3())}
    (problem,) = unsupported_static(Static(entry_points=points))
    assert str(problem).startswith("entryPoints.dns.http3: belongs to an entry point for TCP")
    monkeypatch.setattr(unsupported, "has_quic", lambda: False)
    problem, _ = unsupported_static(Static(entry_points=points))
    assert str(problem).startswith("entryPoints.web.http3: needs a library for QUIC")
    assert "pip install 'pointsman[http3]'" in problem.message
