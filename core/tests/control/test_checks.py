"""Which services a tree wants checked, and how; only what changed is read again (routing.md §5.4)."""

from typing import Any

from pointsman.config.static import StaticServersTransport
from pointsman.control.checks import Changes, Checks
from pointsman.control.merge import Tree, at_once, diff, merge

A, B = "http://a.example", "http://b.example"


def tree(services: dict[str, Any], previous: Tree | None = None, transports: dict[str, Any] | None = None) -> Tree:
    document = {"http": {"services": services, "serversTransports": transports or {}}}
    merged, problems = merge({"file": document}, previous)
    assert not problems
    return merged


def service(*urls: str, **options: Any) -> dict[str, Any]:
    return {"loadBalancer": {"servers": [{"url": url} for url in urls], **options}}


class Reader:
    """Reads one tree after the other."""

    def __init__(self, static: StaticServersTransport | None = None) -> None:
        self.checks = Checks(static or StaticServersTransport())
        self.tree: Tree = tree({})

    def read(self, services: dict[str, Any], transports: dict[str, Any] | None = None) -> Changes:
        new = tree(services, self.tree, transports)
        delta = diff(self.tree, new)
        self.tree = new
        return at_once(self.checks.reading(new, delta))


def test_services_with_a_check_are_found_and_others_are_not_touched():
    changes = Reader().read(
        {
            "checked": service(A, B, A, healthCheck={"path": "/hz"}),
            "plain": service(A),
            "typed": {"weighted": {"services": [{"name": "checked"}], "healthCheck": {}}},
            "cased": {"LoadBalancer": {"Servers": [{"URL": A}], "healthcheck": {"Path": "/hz"}}},
        }
    )
    assert sorted(changes) == ["cased@file", "checked@file"]
    check = changes["checked@file"]
    assert check is not None
    assert check.urls == (A, B), "each server once"
    assert check.config.path == "/hz"
    assert not check.passive


def test_only_what_changed_is_told_again():
    reader = Reader()
    both = {"s": service(A, healthCheck={"path": "/"}), "t": service(A, healthCheck={"path": "/"})}
    reader.read(both)
    assert reader.read(both) == {}
    changes = reader.read({**both, "t": service(A, B, healthCheck={"path": "/"}), "plain": service(A)})
    assert list(changes) == ["t@file"]


def test_a_check_that_is_gone_is_told_once():
    reader = Reader()
    reader.read({"s": service(A, healthCheck={"path": "/"}), "t": service(A, healthCheck={"path": "/"})})
    assert reader.read({"s": service(A)}) == {"s@file": None, "t@file": None}
    assert reader.read({}) == {}


def test_a_check_of_a_service_that_is_not_served_is_none():
    reader = Reader()
    changes = reader.read({"bad": service("127.0.0.1:80", healthCheck={"path": "/"})})
    assert changes == {"bad@file": None}


def test_a_transport_reaches_the_checks_that_use_it_whenever_it_changes():
    reader = Reader()
    services = {"s": service(A, healthCheck={"path": "/"}, serversTransport="t"), "plain": service(A)}
    assert reader.read(services) == {"s@file": None}, "it does not exist yet, so the service is not served"
    transport = {"insecureSkipVerify": True, "serverName": "n", "forwardingTimeouts": {"dialTimeout": "2s"}}
    check = reader.read(services, {"t": transport})["s@file"]
    assert check is not None
    assert not check.transport.tls.verifies
    assert check.transport.tls.server_name == "n"
    assert check.transport.dial_timeout == 2.0
    assert reader.read(services, {"t": transport, "other": {"serverName": "x"}}) == {}
    changed = reader.read(services, {"t": {"minVersion": "1.2"}})
    assert changed == {"s@file": None}, "a broken transport closes its services"


def test_without_a_transport_the_static_one_counts():
    static = StaticServersTransport(insecure_skip_verify=True)
    check = Reader(static).read({"s": service(A, healthCheck={"path": "/"})})["s@file"]
    assert check is not None
    assert not check.transport.tls.verifies


def test_it_is_known_who_also_has_a_passive_check():
    check = Reader().read({"s": service(A, healthCheck={"path": "/"}, passiveHealthCheck={"maxFailedAttempts": 2})})[
        "s@file"
    ]
    assert check is not None
    assert check.passive
