"""UDP trees to one route per entry point (routing.md §8.8)."""

from typing import Any

from pointsman.compile import Compiled, Compiler, Surroundings
from pointsman.config.entrypoint_model import EntryPoint
from pointsman.config.static import Static
from pointsman.deadlines import Deadlines
from pointsman.plugins import load_registry


def compiler() -> Compiler:
    points = {"web": EntryPoint(":80"), "udp1": EntryPoint(":81/udp"), "udp2": EntryPoint(":82/udp")}
    registry = load_registry(entry_point_plugins=False)
    return Compiler(Surroundings(Static(entry_points=points), registry, Deadlines()))


def balancer(*addresses: str) -> dict[str, Any]:
    return {"loadBalancer": {"servers": [{"address": address} for address in addresses]}}


def tree(routers: Any, services: Any) -> dict[str, Any]:
    sections = {"udp.routers": routers, "udp.services": services}
    return {section: {f"{name}@file": raw for name, raw in raws.items()} for section, raws in sections.items()}


def served(compiled: Compiled) -> dict[str, str]:
    return {point: route.name for point, route in compiled.snapshot.udp.items()}


A = {"a": balancer("127.0.0.1:1")}


def test_a_router_without_entry_points_is_on_all_of_udp() -> None:
    assert served(compiler().compile_now(tree({"r": {"service": "a"}}, A))) == {"udp1": "r@file", "udp2": "r@file"}


def test_of_several_routers_the_last_by_name_serves_and_all_are_warned() -> None:
    routers = {name: {"service": "a", "entryPoints": ["udp1"]} for name in ("a", "c", "b")}
    compiled = compiler().compile_now(tree({**routers, "d": {"service": "nope", "entryPoints": ["udp1"]}}, A))

    assert served(compiled) == {"udp1": "c@file"}
    words = {name: status.word for name, status in compiled.statuses["udp.routers"].items()}
    assert words == {"a@file": "warning", "b@file": "warning", "c@file": "warning", "d@file": "disabled"}


def test_what_cannot_be_meant_is_closed_and_says_why() -> None:
    routers = {
        "odd": {"service": "two"},
        "tcp": {"service": "a", "entryPoints": ["web"]},
        "none": {"entryPoints": ["udp1"]},
        "loop": {"service": "loop"},
    }
    loop = {"weighted": {"services": [{"name": "loop"}]}}
    compiled = compiler().compile_now(tree(routers, {**A, "two": {**A["a"], **loop}, "loop": loop}))
    said = " ".join(map(str, compiled.problems))

    assert served(compiled) == {}
    for reason in ("multi-types", "no valid entryPoint", "router has no service", "recursion detected"):
        assert reason in said


def test_weights_and_what_is_carried_over() -> None:
    building = compiler()
    shares = {"weighted": {"services": [{"name": "a", "weight": 3}, {"name": "b"}, {"name": "c", "weight": 0}]}}
    services = {**A, "b": balancer("127.0.0.1:2", "127.0.0.1"), "c": balancer("127.0.0.1:3"), "w": shares}
    before = tree({"r": {"service": "w"}}, services)
    first = building.compile_now(before)
    second = building.compile_now({**before, "udp.routers": dict(before["udp.routers"])}, first)
    route = second.snapshot.udp["udp1"]
    picked = [route.service.choose().next().url for _ in range(12)]

    assert route is first.snapshot.udp["udp1"]
    assert [picked.count(f"127.0.0.1:{port}") for port in (1, 2, 3)] == [9, 3, 0]
    assert route.addresses == {"127.0.0.1:1", "127.0.0.1:2"}
    assert first.statuses["udp.services"]["b@file"].word == "warning"
