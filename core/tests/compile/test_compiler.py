"""Trees to snapshots: what is served, what is closed and why, what is carried over."""

import copy
import gc
import logging
import weakref
from typing import Any, ClassVar

import pytest
from attrs import frozen

from pointsman import hookimpl
from pointsman.compile import Compiled, Compiler, Surroundings
from pointsman.config.entrypoint_model import EntryPoint, EntryPointHTTP
from pointsman.config.static import Static
from pointsman.deadlines import Deadlines
from pointsman.errors import ConfigError, Problem
from pointsman.plugins import load_registry
from pointsman.testing import a_request


@frozen
class MarkConfig:
    word: str = "x"


class Mark:
    """A middleware that writes its word into the request."""

    name: ClassVar[str] = "mark"
    Config: ClassVar[type] = MarkConfig

    def __init__(self, config: MarkConfig, context: Any) -> None:
        if config.word == "bad":
            raise ValueError("this word is not allowed")
        if config.word == "worse":
            raise ConfigError(Problem("word", "is worse"))
        if config.word == "worst":
            raise ConfigError(Problem("tls.cert", "is worse"))
        self.word = config.word.encode()

    def __call__(self, request: Any, call_next: Any) -> Any:
        request.headers.add(b"x-mark", self.word)
        return call_next(request)


class Bundle:
    """A middleware of middlewares, as pointsman-chain is."""

    name: ClassVar[str] = "bundle"

    @frozen
    class Config:
        of: list[str]

    def __init__(self, config: Any, context: Any) -> None:
        self.bind = context.chain(config.of)


class Marks:
    @hookimpl
    def pointsman_middlewares(self) -> list[Any]:
        return [Mark, Bundle]


def compiler(**points: EntryPoint) -> Compiler:
    static = Static(entry_points=points or {"web": EntryPoint(":80")})
    return Compiler(Surroundings(static, load_registry(Marks(), entry_point_plugins=False), Deadlines()))


def tree(**sections: dict[str, Any]) -> dict[str, dict[str, Any]]:
    kinds = {"routers": "http.routers", "services": "http.services", "middlewares": "http.middlewares"}
    return {
        kinds[kind]: {name if "@" in name else f"{name}@file": raw for name, raw in elements.items()}
        for kind, elements in sections.items()
    }


def balancer(*urls: str, **more: Any) -> dict[str, Any]:
    return {"loadBalancer": {"servers": [{"url": url} for url in urls or ("http://127.0.0.1:1",)], **more}}


def router(rule: str = "PathPrefix(`/`)", service: str = "s", **more: Any) -> dict[str, Any]:
    return {"rule": rule, "service": service, **more}


def winner(compiled: Compiled, url: str = "http://a.test/", point: str = "web") -> str | None:
    found = compiled.snapshot.tables[point].match(a_request(url=url))
    return found.name if found else None


def status(compiled: Compiled, name: str, section: str = "http.routers") -> tuple[str, str]:
    found = compiled.statuses[section][name if "@" in name else f"{name}@file"]
    return found.word, "; ".join(map(str, found.problems))


def test_a_router_with_a_service_is_served() -> None:
    compiled = compiler().compile_now(tree(routers={"r": router()}, services={"s": balancer()}))
    assert winner(compiled) == "r@file"
    assert status(compiled, "r") == ("enabled", "")
    assert compiled.statuses["http.routers"]["r@file"].using == ("web",)


@pytest.mark.spec("R-26", "R-27", "R-29", "R-30", "R-33", "R-34")
@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (router(service="nope"), 'the service "nope@file" does not exist'),
        (router(service="s@docker"), 'the service "s@docker" does not exist'),
        (router(middlewares=["nope"]), 'middleware "nope@file" does not exist'),
        (router(service=""), "router has no service and no child routers"),
        (router(priority=9223372036854775800), "exceeds the max user-defined priority"),
        (router("Hots(`a`)"), "did you mean 'Host'"),
        (router(""), "error while parsing rule"),
        (router(service="prometheus@internal"), "prometheus is not enabled"),
        (router(service="what@internal"), "unknown internal service"),
        (router(entryPoints=["nope"]), "no valid entryPoint for this router"),
    ],
)
def test_a_router_with_a_problem_is_closed_and_says_why(raw: dict[str, Any], message: str) -> None:
    compiled = compiler().compile_now(
        tree(routers={"r": raw, "other": router("Path(`/other`)")}, services={"s": balancer()})
    )
    word, text = status(compiled, "r")
    assert word == "disabled"
    assert message in text
    assert winner(compiled) is None
    assert winner(compiled, "http://a.test/other") == "other@file"


async def test_a_guarded_router_refuses_what_comes_back_before_its_middlewares_see_it() -> None:
    guarded = router("Path(`/g`)", middlewares=["m"], loopGuard=True, priority=99)
    parts = {"middlewares": {"m": {"mark": {"word": "m"}}}, "services": {"s": balancer()}}
    compiled = compiler().compile_now(tree(routers={"g": guarded, "r": router(middlewares=["m"])}, **parts))
    marks = {}
    for name, path in (("g", "/g"), ("r", "/")):
        request = a_request(url=f"http://a.test{path}")
        handler = compiled.snapshot.tables["web"].match(request).target.handler
        handler(request)
        marks[name] = request.headers.get(b"x-traefik-router")
        if marks[name]:
            back = a_request(url=f"http://a.test{path}", headers={"X-Traefik-Router": marks[name].decode()})
            assert (await handler(back)).status == 400
            assert b"x-mark" not in back.headers
    assert marks["g"]
    assert marks["r"] is None


@pytest.mark.spec("R-28")
def test_an_unknown_entry_point_beside_a_known_one_is_a_warning() -> None:
    compiled = compiler().compile_now(tree(routers={"r": router(entryPoints=["nope", "web"])}, services={"s": balancer()}))
    assert status(compiled, "r")[0] == "warning"
    assert 'entryPoint "nope" doesn\'t exist' in status(compiled, "r")[1]
    assert winner(compiled) == "r@file"


@pytest.mark.spec("R-31", "R-32")
@pytest.mark.parametrize(
    ("services", "message"),
    [
        ({"s": {**balancer(), "weighted": {"services": [{"name": "t"}]}}}, "multi-types"),
        ({"s": {}}, "does not have any type defined"),
        (
            {"s": {"weighted": {"services": [{"name": "t"}]}}, "t": {"weighted": {"services": [{"name": "s"}]}}},
            "recursion detected in service:s@file->service:t@file->service:s@file",
        ),
        ({"s": balancer(strategy="WRR")}, "strategy"),
        ({"s": balancer(strategy="p2c")}, "pip install pointsman-p2c"),
        ({"s": balancer("127.0.0.1:80")}, "does not begin with http://"),
        ({"s": balancer("http://a b")}, "space"),
        ({"s": balancer(serversTransport="zzz")}, "servers transport not found zzz@file"),
    ],
)
def test_a_service_with_a_problem_closes_its_routers(services: dict[str, Any], message: str) -> None:
    compiled = compiler().compile_now(tree(routers={"r": router()}, services=services))
    assert message in status(compiled, "r")[1]
    assert message in status(compiled, "s", "http.services")[1]
    assert winner(compiled) is None


@pytest.mark.parametrize(
    ("middlewares", "message"),
    [
        ({"m": {"rateLimit": {"average": 1}}}, "no installed plugin provides it; pip install pointsman-ratelimit"),
        ({"m": {"mark": {"word": "a"}, "bundle": {"of": ["n"]}}}, "multi-types middleware not supported"),
        ({"m": {}}, "invalid middleware type or middleware does not exist"),
        ({"m": {"mark": {"word": "bad"}}}, "this word is not allowed"),
        ({"m": {"mark": {"wrod": "a"}}}, "did you mean 'word'"),
        ({"m": {"bundle": {"of": ["m"]}}}, "recursion detected in middleware:m@file->middleware:m@file"),
        ({"m": {"bundle": {"of": ["gone"]}}}, 'middleware "gone@file" does not exist'),
    ],
)
def test_a_middleware_with_a_problem_closes_its_routers(middlewares: dict[str, Any], message: str) -> None:
    compiled = compiler().compile_now(
        tree(routers={"r": router(middlewares=["m"])}, services={"s": balancer()}, middlewares=middlewares)
    )
    assert message in status(compiled, "r")[1]
    assert message in status(compiled, "m", "http.middlewares")[1]
    assert winner(compiled) is None


@pytest.mark.parametrize(("word", "option"), [("worse", "word"), ("worst", "tls.cert")])
def test_a_problem_in_an_option_is_told_with_the_whole_path_of_the_middleware_that_has_it(word: str, option: str) -> None:
    middlewares = {"m": {"mark": {"word": word}}, "all": {"bundle": {"of": ["m"]}}}
    compiled = compiler().compile_now(
        tree(routers={"r": router(middlewares=["all"])}, services={"s": balancer()}, middlewares=middlewares)
    )
    problem = Problem(f"http.middlewares.m@file.mark.{option}", "is worse")
    assert compiled.statuses["http.routers"]["r@file"].problems == [problem]


def test_a_middleware_of_a_service_that_is_missing_closes_its_routers() -> None:
    compiled = compiler().compile_now(tree(routers={"r": router()}, services={"s": {**balancer(), "middlewares": ["gone"]}}))
    assert 'middleware "gone@file" does not exist' in status(compiled, "r")[1]
    assert status(compiled, "s", "http.services")[0] == "disabled"


def test_an_entry_point_with_middlewares_gives_its_routers_a_name_of_their_own() -> None:
    points = {"a": EntryPoint(":1"), "b": EntryPoint(":2", http=EntryPointHTTP(middlewares=["m@file"]))}
    compiled = compiler(**points).compile_now(
        tree(routers={"r": router()}, services={"s": balancer()}, middlewares={"m": {"mark": {"word": "x"}}})
    )
    assert winner(compiled, point="a") == "r@file"
    assert winner(compiled, point="b") == "b-r@file"


@pytest.mark.parametrize("broken", ["a", "z"])
def test_what_an_entry_point_lacks_closes_its_routers_there_alone(broken: str) -> None:
    points = {broken: EntryPoint(":81", http=EntryPointHTTP(middlewares=["nope@file"])), "web": EntryPoint(":80")}
    compiled = compiler(**points).compile_now(tree(routers={"r": router()}, services={"s": balancer()}))

    assert (winner(compiled), winner(compiled, point=broken)) == ("r@file", None)
    word, message = status(compiled, "r@file")
    assert (word, compiled.statuses["http.routers"]["r@file"].using) == ("warning", ("web",))
    assert f'middleware "nope@file" does not exist (on {broken})' in message


def test_a_child_reached_by_several_entry_points_is_built_once() -> None:
    points = {"a": EntryPoint(":81", http=EntryPointHTTP(middlewares=["m@file"])), "web": EntryPoint(":80")}
    routers = {"top": {"rule": "PathPrefix(`/`)"}, "below": router(parentRefs=["top"], middlewares=["m"])}
    compiled = compiler(**points).compile_now(
        tree(routers=routers, services={"s": balancer()}, middlewares={"m": {"mark": {"word": "m"}}})
    )

    children = {id(child) for row in compiled.rows.values() for child in row.children}
    assert compiled.problems == []
    assert (winner(compiled), winner(compiled, point="a")) == ("top@file", "a-top@file")
    assert children == {id(compiled.rows["below@file"])}


def test_a_router_for_tls_is_not_reached_in_plain() -> None:
    compiled = compiler().compile_now(tree(routers={"r": router(tls={})}, services={"s": balancer()}))
    assert winner(compiled) is None


def test_what_did_not_change_is_carried_over() -> None:
    one = compiler()
    first = tree(
        routers={"r": router(middlewares=["m"]), "q": router("Path(`/q`)")},
        services={"s": balancer()},
        middlewares={"m": {"mark": {"word": "x"}}},
    )
    before = one.compile_now(first)
    second = {section: dict(elements) for section, elements in first.items()}
    second["http.routers"]["q@file"] = router("Path(`/other`)")
    after = one.compile_now(second, before)
    assert after.rows["r@file"] is before.rows["r@file"]
    assert after.services["s@file"] is before.services["s@file"]
    assert after.uses == before.uses
    assert after.rows["q@file"] is not before.rows["q@file"]
    assert after.rows["q@file"].entry.rule.text == "Path(`/other`)"


def test_a_changed_service_rebuilds_the_routers_that_use_it_but_not_their_middlewares() -> None:
    one = compiler()
    first = tree(
        routers={"r": router(middlewares=["m"])}, services={"s": balancer()}, middlewares={"m": {"mark": {"word": "x"}}}
    )
    before = one.compile_now(first)
    second = {**first, "http.services": {"s@file": balancer("http://127.0.0.1:2")}}
    after = one.compile_now(second, before)
    assert after.rows["r@file"] is not before.rows["r@file"]
    assert after.uses == before.uses


def test_a_changed_middleware_is_a_new_instance_in_every_place() -> None:
    one = compiler()
    first = tree(
        routers={"r": router(middlewares=["m"]), "q": router("Path(`/q`)", middlewares=["m"])},
        services={"s": balancer()},
        middlewares={"m": {"mark": {"word": "a"}}},
    )
    before = one.compile_now(first)
    assert len({id(use.instance) for place, use in before.uses.items() if place[0] == "router"}) == 2
    after = one.compile_now({**first, "http.middlewares": {"m@file": {"mark": {"word": "b"}}}}, before)
    words = {use.instance.word for place, use in after.uses.items() if place[0] == "router"}
    assert words == {b"b"}


def test_a_middleware_inside_another_that_changes_rebuilds_the_outer_one() -> None:
    one = compiler()
    first = tree(
        routers={"r": router(middlewares=["all"])},
        services={"s": balancer()},
        middlewares={"all": {"bundle": {"of": ["m"]}}, "m": {"mark": {"word": "a"}}},
    )
    before = one.compile_now(first)
    changed = {"all@file": first["http.middlewares"]["all@file"], "m@file": {"mark": {"word": "b"}}}
    after = one.compile_now({**first, "http.middlewares": changed}, before)
    assert after.rows["r@file"] is not before.rows["r@file"]


@pytest.mark.spec("R-81")
def test_a_child_router_with_entry_points_or_tls_is_closed() -> None:
    compiled = compiler().compile_now(
        tree(
            routers={
                "parent": {"rule": "PathPrefix(`/`)"},
                "one": router("Path(`/one`)", parentRefs=["parent"], entryPoints=["web"]),
                "two": router("Path(`/two`)", parentRefs=["parent"], tls={}),
                "three": router("Path(`/three`)", parentRefs=["parent"]),
            },
            services={"s": balancer()},
        )
    )
    assert "non-root router cannot have" in status(compiled, "one")[1]
    assert "non-root router cannot have" in status(compiled, "two")[1]
    assert winner(compiled, "http://a.test/three") == "parent@file"


def test_where_a_child_router_comes_from_is_no_setting_of_its_own() -> None:
    origin = {"metadata": {"ingress": {"kind": "IngressRoute", "name": "shop"}}}
    routers = {
        "parent": {"rule": "PathPrefix(`/`)"},
        "one": router("Path(`/one`)", parentRefs=["parent"], observability={"accessLogs": False, **origin}),
        "two": router("Path(`/two`)", parentRefs=["parent"], observability=origin),
    }
    compiled = compiler().compile_now(tree(routers=routers, services={"s": balancer()}))

    assert "non-root router cannot have observability" in status(compiled, "one")[1]
    assert status(compiled, "two") == ("enabled", "")


def test_a_parent_without_a_child_that_can_be_served_is_closed() -> None:
    compiled = compiler().compile_now(
        tree(
            routers={
                "parent": {"rule": "PathPrefix(`/`)"},
                "child": router("Path(`/one`)", service="gone", parentRefs=["parent"]),
            }
        )
    )
    assert "no child routers could be added to muxer" in status(compiled, "parent")[1]
    assert winner(compiled) is None


def test_ten_thousand_routers_are_compiled_in_small_steps() -> None:
    routers = {f"r{number}": router(f"Host(`h{number}.test`)") for number in range(10_000)}
    steps = sum(1 for _ in compiler().compile(tree(routers=routers, services={"s": balancer()})))
    assert steps > 200


class Keeper(Mark):
    """A middleware that keeps its context, as plugins may."""

    name: ClassVar[str] = "keeper"

    def __init__(self, config: MarkConfig, context: Any) -> None:
        super().__init__(config, context)
        self.context = context


def test_an_old_compilation_is_not_kept_alive_by_a_plugin_that_keeps_its_context() -> None:
    class Keepers:
        @hookimpl
        def pointsman_middlewares(self) -> list[Any]:
            return [Keeper]

    static = Static(entry_points={"web": EntryPoint(":80")})
    one = Compiler(Surroundings(static, load_registry(Keepers(), entry_point_plugins=False), Deadlines()))
    compiled: Compiled | None = None
    instances: list[weakref.ref[Any]] = []
    for number in range(5):
        sections = tree(
            routers={"r": router(middlewares=["m"])},
            services={"s": balancer()},
            middlewares={"m": {"keeper": {"word": f"w{number}"}}},
        )
        compiled = one.compile_now(sections, compiled)
        instances.append(weakref.ref(compiled.uses["router", "r@file", "0", "m@file"].instance))
    assert [instance() is None for instance in instances] == [True, True, True, True, False]


BROKEN: dict[str, dict[str, Any]] = {
    "service": {"http.services": {"w@file": {"weighted": {"services": [{"name": "gone@etcd"}]}}}},
    "transport": {
        "http.services": {"s@file": balancer(serversTransport="t")},
        "http.serversTransports": {"t@file": {"rootCAs": "no file"}},
    },
    "TCP service": {"tcp.services": {"w@file": {"weighted": {"services": [{"name": "gone@etcd"}]}}}},
    "UDP service": {"udp.services": {"w@file": {"weighted": {"services": [{"name": "gone@etcd"}]}}}},
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_compilation_with_something_broken_goes_without_the_cycle_collector(what: str) -> None:
    one = compiler()
    compiled = one.compile_now({})
    gc.collect()
    gc.disable()  # a worker freezes what a compilation leaves, so that no collector ever sees a cycle
    try:
        for _ in range(3):
            compiled = one.compile_now(copy.deepcopy(BROKEN[what]), compiled)
            words = {found.word for section in BROKEN[what] for found in compiled.statuses.get(section, {}).values()}
            assert words != {"enabled"}
        assert [each for each in gc.get_objects() if isinstance(each, Compiled)] == [compiled]
    finally:
        gc.enable()


class Sharer(Mark):
    """A middleware that has something in common with its likes in other workers."""

    name: ClassVar[str] = "sharer"

    def __init__(self, config: MarkConfig, context: Any) -> None:
        super().__init__(config, context)
        self.shared = context.shared
        self.context = context


class Sharers:
    @hookimpl
    def pointsman_middlewares(self) -> list[Any]:
        return [Sharer]


def test_what_is_shared_belongs_to_a_place_and_a_configuration() -> None:
    static = Static(entry_points={"web": EntryPoint(":80")})
    one = Compiler(Surroundings(static, load_registry(Sharers(), entry_point_plugins=False), Deadlines()))

    def compiled(word: str = "w", old: Compiled | None = None) -> Compiled:
        routers = {name: router(f"Path(`/{name}`)", middlewares=["m"]) for name in ("a", "b")}
        middlewares = {"m": {"sharer": {"word": word}}}
        return one.compile_now(tree(routers=routers, services={"s": balancer()}, middlewares=middlewares), old)

    def shared(compiled: Compiled, name: str) -> Any:
        return compiled.uses["router", f"{name}@file", "0", "m@file"].instance.shared

    before = compiled()
    assert shared(before, "a").enter(b"x", 1)
    assert shared(before, "b").enter(b"x", 1), "another router counts for itself"
    anew = compiled()
    assert not shared(anew, "a").enter(b"x", 1), "an instance that is built anew goes on where the old one is"
    assert shared(compiled("v", before), "a").enter(b"x", 1), "another configuration begins anew"
    with pytest.raises(RuntimeError, match="only while the instance is built"):
        _ = before.uses["router", "a@file", "0", "m@file"].instance.context.shared


class Asking(Mark):
    """A middleware that asks a server of its own."""

    name: ClassVar[str] = "asking"

    def __init__(self, config: MarkConfig, context: Any) -> None:
        self.handler = context.server(config.word, timeout_seconds=3)


def asking() -> Compiler:
    class Askers:
        @hookimpl
        def pointsman_middlewares(self) -> list[Any]:
            return [Asking]

    static = Static(entry_points={"web": EntryPoint(":80")})
    return Compiler(Surroundings(static, load_registry(Askers(), entry_point_plugins=False), Deadlines()))


def asked(**middlewares: str) -> dict[str, dict[str, Any]]:
    routers = {name: router(f"Host(`{name}.test`)", middlewares=[name]) for name in middlewares}
    raw = {name: {"asking": {"word": url}} for name, url in middlewares.items()}
    return tree(routers=routers, services={"s": balancer()}, middlewares=raw)


def test_who_asks_for_the_same_server_shares_it_and_it_stays_as_long_as_somebody_does() -> None:
    one = asking()
    first = asked(a="http://auth.test/x", b="http://auth.test/y", c="https://auth.test")
    compiled = one.compile_now(first)
    assert len(compiled.servers) == len(compiled.reached) == 2
    again = one.compile_now(
        {**first, "http.services": tree(services={"s": balancer("http://127.0.0.1:2")})["http.services"]}, compiled
    )
    assert again.servers == compiled.servers
    fewer = one.compile_now(asked(a="http://auth.test/z"), again)
    (kept,) = fewer.servers.values()
    assert kept in compiled.servers.values()


@pytest.mark.parametrize("url", ["", "auth.test", "ftp://auth.test", "http://", "http://a b.test"])
def test_a_server_with_a_bad_url_closes_whoever_asks(url: str) -> None:
    compiled = asking().compile_now(asked(a=url))
    assert status(compiled, "a")[0] == "disabled"
    assert compiled.servers == {}


def test_a_password_in_the_url_of_a_server_goes_no_further_than_the_configuration() -> None:
    """Access logs, metrics, health checks and the API all name servers by their URLs."""
    urls = balancer("http://bob:hush@127.0.0.1:1")
    compiled = compiler().compile_now(tree(routers={"r": router()}, services={"s": urls}))
    (peer,) = compiled.services["s@file"].peers

    assert (peer.url, peer.authority) == ("http://bob:REDACTED@127.0.0.1:1", b"127.0.0.1:1")


class Grumbling(Mark):
    """A middleware that warns of its options, and later of other things."""

    name: ClassVar[str] = "grumbling"

    def __init__(self, config: MarkConfig, context: Any) -> None:
        self.logger = context.logger
        self.logger.info("%s is fine", config.word)
        for number in range(int(config.word)):
            self.logger.warning("grumbling.word: %d is too many", number)
            self.logger.warning("grumbling.word: %d is too many", number)


def grumbling() -> Compiler:
    class Grumblers:
        @hookimpl
        def pointsman_middlewares(self) -> list[Any]:
            return [Grumbling]

    static = Static(entry_points={"web": EntryPoint(":80")})
    return Compiler(Surroundings(static, load_registry(Grumblers(), entry_point_plugins=False), Deadlines()))


@pytest.mark.parametrize("level", [logging.INFO, logging.ERROR])
def test_what_a_plugin_warns_of_while_it_is_built_is_a_problem_and_no_line_of_the_log(caplog: Any, level: int) -> None:
    caplog.set_level(level)
    routers = {name: router(f"Host(`{name}.test`)", middlewares=["m"]) for name in "ab"}
    asked = tree(routers=routers, services={"s": balancer()}, middlewares={"m": {"grumbling": {"word": "1"}}})
    compiled = grumbling().compile_now(asked)
    told = ("warning", "http.middlewares.m@file: grumbling.word: 0 is too many")
    assert status(compiled, "m", "http.middlewares") == told
    assert [status(compiled, name) for name in "ab"] == [("enabled", "")] * 2
    assert [problem.warning for problem in compiled.problems] == [True]
    assert {record.message for record in caplog.records} == ({"1 is fine"} if level == logging.INFO else set())

    changed = {**asked, "http.services": tree(services={"s": balancer("http://127.0.0.1:2")})["http.services"]}
    again = grumbling().compile_now(changed, compiled)
    assert status(again, "m", "http.middlewares") == told, "as long as it lasts"

    caplog.clear()
    instance = again.uses["router", "a@file", "0", "m@file"].instance
    instance.logger.warning("it is %s", "late")
    instance.logger.error("it is %s", "later")
    assert [record.message for record in caplog.records][-1] == "it is later"
    assert ("it is late" in caplog.messages) == (level == logging.INFO)


def test_a_plugin_that_warns_without_end_is_cut_short() -> None:
    asked = tree(services={"s": balancer()}, middlewares={"m": {"grumbling": {"word": "500"}}})
    _, found = status(grumbling().compile_now(asked), "m", "http.middlewares")
    assert found.count("too many") == 20
    assert found.endswith("http.middlewares.m@file: and more like that")
