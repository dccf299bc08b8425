"""TCP trees to tables: what is served, what is closed and why, what is carried over (routing.md §3.6, §8.4-§8.7)."""

from typing import Any, ClassVar

import pytest
from attrs import frozen

from pointsman import hookimpl
from pointsman.compile import Compiled, Compiler, Surroundings
from pointsman.config.entrypoint_model import EntryPoint
from pointsman.config.static import Static
from pointsman.deadlines import Deadlines
from pointsman.message import Address, Facts, Link
from pointsman.plugins import load_registry

HERE = Address("127.0.0.1", 443)


@frozen
class GateConfig:
    opens: bool = True


class Gate:
    """A middleware that lets in everybody or nobody."""

    name: ClassVar[str] = "gate"
    Config: ClassVar[type] = GateConfig
    deprecated: ClassVar[str] = "use a door"

    def __init__(self, config: GateConfig, context: Any) -> None:
        self.opens = config.opens
        self.inside = 0

    def admit(self, link: Link) -> Any:
        if not self.opens:
            return None
        self.inside += 1
        return self.leave

    def leave(self) -> None:
        self.inside -= 1


class Gates:
    @hookimpl
    def pointsman_tcp_middlewares(self) -> list[Any]:
        return [Gate]


def compiler(**points: EntryPoint) -> Compiler:
    static = Static(entry_points=points or {"tcp1": EntryPoint(":81"), "udp1": EntryPoint(":82/udp")})
    return Compiler(Surroundings(static, load_registry(Gates(), entry_point_plugins=False), Deadlines()))


def balancer(*addresses: str, **options: Any) -> dict[str, Any]:
    return {"loadBalancer": {"servers": [{"address": address} for address in addresses], **options}}


def tree(routers: Any = (), services: Any = (), middlewares: Any = (), transports: Any = ()) -> dict[str, Any]:
    sections = {"routers": routers, "services": services, "middlewares": middlewares, "serversTransports": transports}
    return {
        f"tcp.{section}": {f"{name}@file": raw for name, raw in dict(raws).items()} for section, raws in sections.items()
    }


def found(compiled: Compiled, part: str = "plain", name: bytes = b"", point: str = "tcp1", client: str = "192.0.2.1") -> Any:
    door = compiled.snapshot.doors.get(point)
    route = None if door is None else getattr(door, part).match(Facts(Address(client, 1), HERE, name))
    return route


def words(compiled: Compiled, section: str = "tcp.routers") -> dict[str, str]:
    return {name.partition("@")[0]: status.word for name, status in compiled.statuses[section].items()}


A = {"a": balancer("127.0.0.1:1")}
ALL = {"rule": "HostSNI(`*`)", "service": "a"}


def test_routers_stand_on_the_part_that_their_connections_come_to() -> None:
    compiled = compiler().compile_now(
        tree(
            {
                "clear": ALL,
                "named": {"rule": "HostSNI(`a.test`)", "service": "a", "tls": {"passthrough": True}},
                "rest": {**ALL, "tls": {"passthrough": True}},
            },
            A,
        )
    )

    assert words(compiled) == {"clear": "enabled", "named": "enabled", "rest": "enabled"}
    assert found(compiled).name == "clear@file"
    assert found(compiled, "secure", b"a.test").name == "named@file"
    assert found(compiled, "secure", b"b.test") is None
    assert found(compiled, "secure_catch_all", b"b.test").name == "rest@file"
    assert found(compiled, "secure", b"a.test").passthrough


@pytest.mark.spec("R-98")
@pytest.mark.parametrize(
    ("router", "reason"),
    [
        ({"rule": "HostSNI(`foo.test`)"}, "has HostSNI matcher, but no TLS on router"),
        ({"rule": "ALPN(`acme-tls/1`)", "tls": {}}, "'acme-tls/1' is not allowed"),
        ({"rule": "HostSNI(`a b`)", "tls": {}}, "is not a valid hostname"),
        ({"rule": ""}, "error while parsing rule"),
        ({"rule": "HostSNI(`*`)", "priority": 9223372036854775800}, "exceeds the max user-defined priority"),
        ({"rule": "HostSNI(`*`)", "service": "nope"}, 'the service "nope@file" does not exist'),
        ({"rule": "HostSNI(`*`)", "service": ""}, "router has no service"),
        ({"rule": "HostSNI(`*`)", "middlewares": ["nope"]}, 'middleware "nope@file" does not exist'),
        ({"rule": "HostSNI(`*`)", "entryPoints": ["nope"]}, "no valid entryPoint for this router"),
        (
            {"rule": "HostSNI(`*`)", "entryPoints": ["udp1"]},
            'entryPoint "udp1" is not for TCP; of those for TCP there are tcp1',
        ),
    ],
)
def test_a_router_that_cannot_be_meant_is_closed_and_says_why(router: Any, reason: str) -> None:
    compiled = compiler().compile_now(tree({"r": {"service": "a", **router}}, A))

    assert words(compiled) == {"r": "disabled"}
    assert reason in " ".join(map(str, compiled.problems))
    assert found(compiled) is None
    assert found(compiled, "secure", b"foo.test") is None


def test_only_the_first_name_of_a_rule_decides_whether_tls_is_missing() -> None:
    compiled = compiler().compile_now(tree({"r": {**ALL, "rule": "HostSNI(`*`) || HostSNI(`foo`)"}}, A))

    assert words(compiled) == {"r": "enabled"}


def test_rules_may_be_written_as_in_v2() -> None:
    router = {"rule": "HostSNI(`a.test`, `b.test`)", "ruleSyntax": "v2", "service": "a", "tls": {"passthrough": True}}
    compiled = compiler().compile_now(tree({"r": router}, A))

    assert words(compiled) == {"r": "warning"}
    assert found(compiled, "secure", b"b.test").name == "r@file"


def test_one_unknown_entry_point_of_several_is_a_warning() -> None:
    compiled = compiler().compile_now(tree({"r": {**ALL, "entryPoints": ["nope", "tcp1"]}}, A))

    assert words(compiled) == {"r": "warning"}
    assert found(compiled).name == "r@file"


def test_a_name_whose_tls_options_are_broken_is_closed_and_not_left_to_others() -> None:
    routers = {
        "broken": {"rule": "HostSNI(`a.test`)", "service": "a", "tls": {"options": "nope"}},
        "rest": {**ALL, "tls": {"passthrough": True}},
    }
    compiled = compiler().compile_now(tree(routers, A))

    route = found(compiled, "secure", b"a.test")
    assert words(compiled) == {"broken": "disabled", "rest": "enabled"}
    assert (route.name, route.terms, route.passthrough) == ("broken@file", None, False)


@pytest.mark.parametrize(
    ("service", "reason"),
    [
        ({}, "does not have any type defined"),
        ({**A["a"], "weighted": {"services": []}}, "multi-types service not supported"),
        (balancer("127.0.0.1:1", serversTransport="nope"), "servers transport not found nope@file"),
        (balancer("127.0.0.1:1", proxyProtocol={"version": 3}), "unknown version 3"),
        ({"weighted": {"services": [{"name": "s"}]}}, "recursion detected in service:s@file->service:s@file"),
        ({"weighted": {"services": [{"name": "nope"}]}}, 'the service "nope@file" does not exist'),
        ({"weighted": {"services": [{"name": "a"}], "healthCheck": {}}}, "healthCheck not enabled in config"),
    ],
)
def test_a_service_that_cannot_be_meant_closes_its_routers(service: Any, reason: str) -> None:
    compiled = compiler().compile_now(tree({"r": {**ALL, "service": "s"}}, {**A, "s": service}))

    assert words(compiled) == {"r": "disabled"}
    assert words(compiled, "tcp.services")["s"] == "disabled"
    assert reason in " ".join(map(str, compiled.problems))


def test_a_server_without_a_port_is_left_out_with_a_warning() -> None:
    compiled = compiler().compile_now(tree({"r": ALL}, {"a": balancer("127.0.0.1", "127.0.0.1:9")}))

    assert words(compiled, "tcp.services") == {"a": "warning"}
    assert [peer.url for peer in found(compiled).service.choose().peers] == ["127.0.0.1:9"]


def test_a_transport_says_how_servers_are_reached_and_old_places_count_without_one() -> None:
    old_places = {"terminationDelay": 250, "proxyProtocol": {}}
    services = {
        "a": balancer("127.0.0.1:1"),
        "old": balancer("127.0.0.1:1", **old_places),
        "named": balancer("127.0.0.1:1", serversTransport="t", **old_places),
    }
    transport = {"dialTimeout": "1s", "terminationDelay": "-1s", "proxyProtocol": {"version": 1}, "dialKeepAlive": 0}
    compiled = compiler().compile_now(
        tree({name: {**ALL, "service": name} for name in services}, services, transports={"t": transport})
    )
    settings = {name.partition("@")[0]: entry.service.settings for name, entry in compiled.tcp.services.items()}  # type: ignore[attr-defined]

    assert (settings["a"].dial_timeout, settings["a"].termination_delay, settings["a"].proxy_version) == (30, 0.1, 0)
    assert (settings["old"].termination_delay, settings["old"].proxy_version) == (0.25, 2)
    named = settings["named"]
    assert (named.dial_timeout, named.termination_delay, named.proxy_version, named.keep_alive) == (1, -1, 1, 15)
    assert words(compiled, "tcp.services") == {"a": "enabled", "old": "warning", "named": "warning"}


def test_weighted_services_share_three_to_one_and_nothing_goes_to_weight_zero() -> None:
    shares = [{"name": "a", "weight": 3}, {"name": "b"}, {"name": "c", "weight": 0}]
    services = {name: balancer(f"127.0.0.1:{port}") for port, name in enumerate("abc", 1)}
    compiled = compiler().compile_now(
        tree(
            {"r": {**ALL, "service": "w"}},
            {**services, "inner": {"weighted": {"services": shares}}, "w": {"weighted": {"services": [{"name": "inner"}]}}},
        )
    )
    chosen = [found(compiled).service.choose().name for _ in range(12)]

    assert [chosen.count(f"{name}@file") for name in "abc"] == [9, 3, 0]


def test_a_service_used_twice_is_one() -> None:
    services = {**A, "w": {"weighted": {"services": [{"name": "a"}]}}}
    compiled = compiler().compile_now(tree({"r": ALL, "s": {**ALL, "service": "w", "rule": "ClientIP(`::1`)"}}, services))

    assert found(compiled).service.choose() is found(compiled, client="::1").service.choose()


def test_middlewares_are_asked_in_order_and_what_they_gave_is_given_back() -> None:
    middlewares = {"open": {"gate": {"opens": True}}, "shut": {"gate": {"opens": False}}}
    routers = {
        "both": {**ALL, "rule": "ClientIP(`192.0.2.1`)", "middlewares": ["open", "shut"]},
        "one": {**ALL, "rule": "ClientIP(`192.0.2.2`)", "middlewares": ["open"]},
        "broken": {**ALL, "rule": "ClientIP(`192.0.2.3`)", "middlewares": ["open", "odd"]},
    }
    compiled = compiler().compile_now(tree(routers, A, {**middlewares, "odd": {"nosuchthing": {"x": 1}}}))
    link = Link(Address("192.0.2.1", 1), HERE)
    both, one = found(compiled), found(compiled, client="192.0.2.2")

    assert both.admit(link) is None
    assert both.middlewares[0].inside == 0
    release = one.admit(link)
    assert one.middlewares[0].inside == 1
    release()
    assert one.middlewares[0].inside == 0
    assert one.middlewares[0] is not both.middlewares[0]
    assert words(compiled)["broken"] == "disabled"
    assert found(compiled, client="192.0.2.3") is None
    assert words(compiled, "tcp.middlewares") == {"open": "warning", "shut": "warning", "odd": "disabled"}


def test_a_middleware_that_raises_lets_nobody_in_and_loses_nothing() -> None:
    middlewares = {"open": {"gate": {"opens": True}}}
    compiled = compiler().compile_now(tree({"r": {**ALL, "middlewares": ["open", "open"]}}, A, middlewares))
    route = found(compiled)
    route.middlewares[1].admit = lambda link: 1 / 0

    assert route.admit(Link(HERE, HERE)) is None
    assert route.middlewares[0].inside == 0


def test_what_did_not_change_is_carried_over() -> None:
    building = compiler()
    routers = {
        "stays": {**ALL, "rule": "ClientIP(`192.0.2.1`)", "middlewares": ["gate"]},
        "moves": {**ALL, "rule": "ClientIP(`192.0.2.2`)", "service": "b"},
    }
    before = tree(routers, {**A, "b": balancer("127.0.0.1:2")}, {"gate": {"gate": {"opens": True}}})
    after = {section: dict(elements) for section, elements in before.items()}
    after["tcp.services"]["b@file"] = balancer("127.0.0.1:3")
    first = building.compile_now(before)
    second = building.compile_now(after, first)

    assert found(first) is found(second)
    assert found(first, client="192.0.2.2") is not found(second, client="192.0.2.2")
    assert first.tcp.services["a@file"] is second.tcp.services["a@file"]


def test_a_changed_transport_changes_who_uses_it() -> None:
    building = compiler()
    services = {"s": balancer("127.0.0.1:1", serversTransport="t"), "w": {"weighted": {"services": [{"name": "s"}]}}}
    routers = {"r": {**ALL, "service": "w"}}
    first = building.compile_now(tree(routers, services, transports={"t": {"dialTimeout": "1s"}}))
    changed = {section: dict(elements) for section, elements in tree(routers, services).items()}
    changed |= {"tcp.serversTransports": {"t@file": {"dialTimeout": "2s"}}}
    second = building.compile_now(changed, first)

    assert found(second).service.choose().settings.dial_timeout == 2
