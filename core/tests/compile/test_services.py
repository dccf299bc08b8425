"""Services to handlers: which kinds there are, what closes them and where it says so, what is carried over."""

import math
from typing import Any, ClassVar

import pytest
from attrs import frozen

from pointsman import hookimpl
from pointsman.compile import Compiled, Compiler, Surroundings
from pointsman.compile.services import ServiceEntry, flush_seconds
from pointsman.config.entrypoint_model import EntryPoint
from pointsman.config.static import Static
from pointsman.deadlines import Deadlines
from pointsman.message import Response
from pointsman.plugins import load_registry
from pointsman.testing import a_request
from pointsman.upstream.attentive import AttentiveForwarder
from pointsman.upstream.composite import OneOf, StickyOneOf
from pointsman.upstream.composite_failover import Failover, FailoverByStatus
from pointsman.upstream.composite_mirror import Mirroring
from pointsman.upstream.forward import Forwarder
from pointsman.upstream.impatient import ImpatientForwarder, Limits

CHECKED = {"healthCheck": {"path": "/hz"}}


@frozen
class MarkConfig:
    word: str = "x"


class Mark:
    """A middleware that writes its word into the request."""

    name: ClassVar[str] = "mark"
    Config: ClassVar[type] = MarkConfig

    def __init__(self, config: MarkConfig, context: Any) -> None:
        self.word = config.word.encode()

    def __call__(self, request: Any, call_next: Any) -> Any:
        request.headers.add(b"x-mark", self.word)
        return call_next(request)


class Asking:
    """A middleware that answers by another service."""

    name: ClassVar[str] = "asking"

    @frozen
    class Config:
        service: str

    def __init__(self, config: Any, context: Any) -> None:
        self.handler = context.handler_for(config.service)

    def __call__(self, request: Any, call_next: Any) -> Any:
        return self.handler(request)


class First:
    """A strategy for which cookies and weights mean nothing."""

    name: ClassVar[str] = "first"
    Config: ClassVar[type] = MarkConfig
    sticky: ClassVar[bool] = False
    weighs: ClassVar[bool] = False

    def __init__(self, config: Any, context: Any) -> None: ...

    def over(self, peers: Any) -> Any:
        return lambda request, tried: peers[0]


class Timing(First):
    """A strategy that is told how long servers take."""

    name: ClassVar[str] = "timing"

    def answered(self, peer: Any, seconds: float) -> None: ...


@frozen
class KeyedConfig:
    nginx_upstream_hash_by: str = ""
    of_its_own: int = 3


class Keyed(First):
    """A strategy with an option of `loadBalancer`."""

    name: ClassVar[str] = "keyed"
    Config: ClassVar[type] = KeyedConfig
    built: ClassVar[list[Any]] = []

    def __init__(self, config: Any, context: Any) -> None:
        self.built.append(config)


class Plugins:
    @hookimpl
    def pointsman_middlewares(self) -> list[Any]:
        return [Mark, Asking]

    @hookimpl
    def pointsman_balancers(self) -> list[Any]:
        return [First, Timing, Keyed]


@pytest.fixture
def compiler() -> Compiler:
    static = Static(entry_points={"web": EntryPoint(":80")})
    registry = load_registry(Plugins(), entry_point_plugins=False)
    return Compiler(Surroundings(static, registry, Deadlines(), {"ping@internal": lambda request: Response(200)}))


def balancer(*urls: str, **more: Any) -> dict[str, Any]:
    return {"loadBalancer": {"servers": [{"url": url} for url in urls or ("http://127.0.0.1:1",)], **more}}


def tree(services: dict[str, Any], middlewares: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    return {
        "http.services": {f"{name}@file": raw for name, raw in services.items()},
        "http.middlewares": {f"{name}@file": raw for name, raw in (middlewares or {}).items()},
    }


def problems(compiled: Compiled, name: str = "s") -> list[str]:
    return [str(problem) for problem in compiled.statuses["http.services"][f"{name}@file"].problems]


def entry(compiled: Compiled, name: str = "s") -> ServiceEntry:
    return compiled.services[f"{name}@file"]


def test_a_strategy_has_the_options_of_the_service_that_are_called_as_its_own(compiler: Compiler):
    Keyed.built.clear()
    compiled = compiler.compile_now(tree({"s": balancer(strategy="keyed", nginxUpstreamHashBy="$host")}))

    assert Keyed.built == [KeyedConfig("$host", 3)]
    assert problems(compiled) == []


def test_a_key_for_a_strategy_without_one_is_told(compiler: Compiler):
    compiled = compiler.compile_now(tree({"s": balancer(nginxUpstreamHashBy="$host")}))

    path = "http.services.s@file.loadBalancer.nginxUpstreamHashBy"
    assert problems(compiled) == [
        f"{path}: has no effect with strategy wrr; choose one that keeps servers by a key, or leave it out"
    ]


@pytest.mark.parametrize(
    ("raw", "kind", "written"),
    [
        (balancer(), Forwarder, "loadBalancer"),
        (balancer(sticky={}), Forwarder, "loadBalancer"),
        (balancer(sticky={"cookie": {}}), AttentiveForwarder, "loadBalancer"),
        (balancer(sticky={"cookie": {}}, strategy="first"), Forwarder, "loadBalancer"),
        (balancer(strategy="timing"), AttentiveForwarder, "loadBalancer"),
        ({"weighted": {"services": [{"name": "a"}]}}, OneOf, "weighted"),
        ({"weighted": {"services": [{"name": "a"}], "sticky": {"cookie": {}}}}, StickyOneOf, "weighted"),
        ({"highestRandomWeight": {"services": [{"name": "a"}]}}, OneOf, "highestRandomWeight"),
        ({"mirroring": {"service": "a", "mirrors": [{"name": "c", "percent": 10}]}}, Mirroring, "mirroring"),
        ({"failover": {"service": "c", "fallback": "a"}}, Failover, "failover"),
        ({"failover": {"service": "a", "fallback": "c", "errors": {"status": ["500"]}}}, FailoverByStatus, "failover"),
    ],
)
def test_every_kind_of_service_is_built(compiler: Compiler, raw: dict[str, Any], kind: type, written: str):
    compiled = compiler.compile_now(tree({"s": raw, "a": balancer(), "c": balancer(**CHECKED)}))
    assert problems(compiled) == []
    assert type(entry(compiled).handler) is kind
    assert entry(compiled).kind == written


WEIGHTED = "http.services.s@file.weighted"
MIRRORING = "http.services.s@file.mirroring"
FAILOVER = "http.services.s@file.failover"


@pytest.mark.spec("R-53")
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            {"weighted": {"services": [{"name": "c"}, {"name": "a"}], "healthCheck": {}}},
            [f"{WEIGHTED}.services[1]: healthCheck not enabled in config for this loadBalancer service: 'a'"],
        ),
        (
            {"highestRandomWeight": {"services": [{"name": "w"}], "healthCheck": {}}},
            [
                "http.services.s@file.highestRandomWeight.services[0]: "
                "healthCheck not enabled in config for this weighted service: 'w'"
            ],
        ),
        (
            {"weighted": {"services": [{"name": "ping@internal"}], "healthCheck": {}}},
            [f"{WEIGHTED}.services[0]: healthCheck not enabled in config for this internal service: 'ping@internal'"],
        ),
        (
            {"failover": {"service": "a", "fallback": "c"}},
            [f"{FAILOVER}.service: healthCheck not enabled in config for this loadBalancer service: 'a'"],
        ),
        (
            {"failover": {"service": "c", "fallback": "a", "healthCheck": {}}},
            [f"{FAILOVER}.fallback: healthCheck not enabled in config for this loadBalancer service: 'a'"],
        ),
        (
            {"failover": {"service": "passive", "fallback": "a"}},
            [f"{FAILOVER}.service: healthCheck not enabled in config for this loadBalancer service: 'passive'"],
        ),
        (
            {"weighted": {"services": [{"name": "nope"}, {"name": "gone@docker"}]}},
            [
                f'{WEIGHTED}.services[0].name: the service "nope@file" does not exist',
                f'{WEIGHTED}.services[1].name: the service "gone@docker" does not exist',
            ],
        ),
        (
            {"mirroring": {"service": "nope", "mirrors": [{"name": "gone", "percent": 101}, {"name": "a", "percent": -1}]}},
            [
                f'{MIRRORING}.service: the service "nope@file" does not exist',
                f'{MIRRORING}.mirrors[0].name: the service "gone@file" does not exist',
                f"{MIRRORING}.mirrors[0].percent: 101 is not in 0..100",
                f"{MIRRORING}.mirrors[1].percent: -1 is not in 0..100",
            ],
        ),
        (
            {"failover": {"service": "a", "fallback": "nope", "errors": {"status": ["500", "5xx"]}}},
            [
                f'{FAILOVER}.fallback: the service "nope@file" does not exist',
                f"{FAILOVER}.errors.status: '5xx' is no status code or range of them; "
                "write 404 or 500-599, one per list item",
            ],
        ),
        (
            {"failover": {"service": "a", "fallback": "c", "errors": {"status": []}}},
            [f"{FAILOVER}.service: healthCheck not enabled in config for this loadBalancer service: 'a'"],
        ),
        (
            {"weighted": {"services": [{"name": "fronted"}]}},
            [f'{WEIGHTED}.services[0].name: middleware "nope@file" does not exist'],
        ),
    ],
)
def test_what_closes_a_service_says_where_it_stands(compiler: Compiler, raw: dict[str, Any], expected: list[str]):
    others = {
        "a": balancer(),
        "c": balancer(**CHECKED),
        "w": {"weighted": {"services": [{"name": "c"}]}},
        "passive": balancer(passiveHealthCheck={"maxFailedAttempts": 2}),
        "fronted": {**balancer(), "middlewares": ["nope"]},
    }
    compiled = compiler.compile_now(tree({"s": raw, **others}))
    found = problems(compiled)
    assert len(found) == len(expected)
    for text, beginning in zip(found, expected, strict=True):
        assert text.startswith(beginning)
    assert compiled.statuses["http.services"]["s@file"].word == "disabled"
    assert compiled.statuses["http.services"]["a@file"].word == "enabled"


@pytest.mark.spec("R-52", "R-59")
def test_a_service_with_health_check_is_up_while_a_child_is(compiler: Compiler):
    services = {
        "one": balancer(**CHECKED),
        "two": balancer("http://127.0.0.1:2", **CHECKED),
        "w": {"weighted": {"services": [{"name": "one"}, {"name": "two"}], "healthCheck": {}}},
        "h": {"highestRandomWeight": {"services": [{"name": "one"}], "healthCheck": {}}},
        "m": {"mirroring": {"service": "one", "mirrors": [{"name": "two", "percent": 1}], "healthCheck": {}}},
        "f": {"failover": {"service": "one", "fallback": "two", "healthCheck": {}}},
        "all": {"weighted": {"services": [{"name": name} for name in "whmf"], "healthCheck": {}}},
    }
    compiled = compiler.compile_now(tree(services))

    def up(name: str) -> bool | None:
        health = entry(compiled, name).health
        return None if health is None else health.up

    assert [up(name) for name in services] == [True] * 7
    entry(compiled, "one").peers[0].up = False
    assert {name: up(name) for name in services} == {
        "one": False,
        "two": True,
        "w": True,
        "h": False,
        "m": False,
        "f": True,
        "all": True,
    }
    entry(compiled, "two").peers[0].up = False
    assert [up(name) for name in services] == [False] * 7


def test_a_mirroring_service_that_cannot_tell_its_health_is_served_with_a_warning(compiler: Compiler):
    services = {"a": balancer(), "s": {"mirroring": {"service": "a", "healthCheck": {}}}}
    compiled = compiler.compile_now(tree(services))
    assert compiled.statuses["http.services"]["s@file"].word == "warning"
    assert "healthCheck not enabled" in problems(compiled)[0]


async def test_a_child_answers_from_behind_its_own_middlewares(compiler: Compiler):
    services = {
        "s": {"weighted": {"services": [{"name": "t"}]}, "middlewares": ["m"]},
        "t": {"weighted": {"services": [{"name": "u", "status": 418}]}, "middlewares": ["n"]},
    }
    middlewares = {"m": {"mark": {"word": "m"}}, "n": {"mark": {"word": "n"}}}
    compiled = compiler.compile_now(tree(services, middlewares))
    request = a_request()
    assert (await entry(compiled).handler(request)).status == 418
    assert request.headers.get_all(b"x-mark") == [b"n"]


async def test_a_child_may_give_requests_headers_of_its_own(compiler: Compiler):
    services = {
        "s": {"weighted": {"services": [{"name": "t", "headers": {"X-Revision": "a", "X-Mark": "z"}}]}},
        "t": {"weighted": {"services": [{"name": "u", "status": 418}]}, "middlewares": ["m"]},
    }
    compiled = compiler.compile_now(tree(services, {"m": {"mark": {"word": "m"}}}))
    request = a_request(headers={"X-Revision": "forged"})
    assert (await entry(compiled).handler(request)).status == 418
    assert request.headers.get_all(b"x-revision") == [b"a"]
    assert request.headers.get_all(b"x-mark") == [b"z", b"m"]


@pytest.mark.parametrize(
    ("headers", "said"),
    [({"Host": "a.org"}, "'host' cannot be set"), ({"X-A": "1\r\nX-B: 2"}, "CR, LF"), ({"": "1"}, "name")],
)
def test_what_a_child_may_not_set_closes_the_service(compiler: Compiler, headers: dict[str, str], said: str):
    services = {"s": {"weighted": {"services": [{"name": "t", "headers": headers}]}}, "t": balancer()}
    (problem,) = problems(compiler.compile_now(tree(services)))
    assert "services[0].headers" in problem
    assert said in problem


async def test_a_child_may_answer_a_grpc_status(compiler: Compiler):
    services = {"s": {"weighted": {"services": [{"name": "u", "grpcStatus": 14}]}}}
    response = await entry(compiler.compile_now(tree(services))).handler(a_request())
    assert response.status == 200
    assert dict(response.headers) == {
        b"content-type": b"application/grpc",
        b"grpc-status": b"14",
        b"grpc-message": b"Service Unavailable",
    }


def test_fenced_servers_and_those_without_a_weight_get_nothing_new(compiler: Compiler):
    servers = [
        {"url": "http://127.0.0.1:1", "fenced": True},
        {"url": "http://127.0.0.1:2", "weight": 0},
        {"url": "http://127.0.0.1:3"},
    ]
    raw = {"loadBalancer": {"servers": servers, "sticky": {"cookie": {"name": "n"}}}}
    compiled = compiler.compile_now(tree({"s": raw}))
    handler: Any = entry(compiled).handler
    fenced, weightless, usual = entry(compiled).peers
    assert {handler.pick(a_request(), ()) for _ in range(6)} == {usual}
    for peer, found in ((fenced, fenced), (weightless, None), (usual, usual)):
        assert handler.sticky.find(a_request(headers={"Cookie": f"n={peer.url}"})) == (found, False)


def test_what_did_not_change_below_a_composite_is_carried_over(compiler: Compiler):
    middlewares = {"m": {"mark": {"word": "m"}}}
    services = {
        "a": balancer(),
        "c": {**balancer(**CHECKED), "middlewares": ["m"]},
        "s": {"weighted": {"services": [{"name": "a"}, {"name": "c"}]}},
        "top": {"mirroring": {"service": "s", "mirrors": [{"name": "a", "percent": 50}]}},
        "alone": {"weighted": {"services": [{"name": "a"}]}},
    }
    first = tree(services, middlewares)
    old = compiler.compile_now(first)

    same = compiler.compile_now({section: dict(elements) for section, elements in first.items()}, old)
    assert all(same.services[name] is old.services[name] for name in old.services)

    other_server = {section: dict(elements) for section, elements in first.items()}
    other_server["http.services"]["c@file"] = {**balancer("http://127.0.0.1:9"), "middlewares": ["m"]}
    new = compiler.compile_now(other_server, old)
    assert {name for name in old.services if new.services[name] is old.services[name]} == {"a@file", "alone@file"}

    other_middleware = {section: dict(elements) for section, elements in first.items()}
    other_middleware["http.middlewares"]["m@file"] = {"mark": {"word": "n"}}
    new = compiler.compile_now(other_middleware, old)
    assert {name for name in old.services if new.services[name] is old.services[name]} == {"a@file", "alone@file", "c@file"}


def test_a_composite_whose_child_breaks_is_closed_until_it_is_mended(compiler: Compiler):
    services = {"a": balancer(), "s": {"weighted": {"services": [{"name": "a"}]}}}
    first = tree(services)
    old = compiler.compile_now(first)
    broken = tree({**services, "a": balancer("nonsense")})
    broken["http.services"]["s@file"] = first["http.services"]["s@file"]
    closed = compiler.compile_now(broken, old)
    assert "does not begin with http://" in problems(closed)[0]
    mended = compiler.compile_now(first, closed)
    assert problems(mended) == []


async def test_a_middleware_gets_a_service_behind_its_middlewares_and_is_kept_while_those_are(compiler: Compiler):
    services = {
        "s": {**balancer(), "middlewares": ["ask"]},
        "t": {"weighted": {"services": [{"name": "u", "status": 418}]}, "middlewares": ["m"]},
    }
    middlewares = {"ask": {"asking": {"service": "t"}}, "m": {"mark": {"word": "m"}}}
    first = tree(services, middlewares)
    old = compiler.compile_now(first)
    place = ("service", "s@file", "0", "ask@file")
    request = a_request()
    assert (await old.uses[place].instance(request, None)).status == 418
    assert request.headers.get_all(b"x-mark") == [b"m"]

    assert compiler.compile_now(first, old).uses[place] is old.uses[place]
    other = {section: dict(elements) for section, elements in first.items()}
    other["http.middlewares"]["m@file"] = {"mark": {"word": "n"}}
    assert compiler.compile_now(other, old).uses[place] is not old.uses[place]


def test_a_middleware_that_asks_for_the_service_it_stands_before_is_refused(compiler: Compiler):
    services = {"s": {**balancer(), "middlewares": ["ask"]}}
    compiled = compiler.compile_now(tree(services, {"ask": {"asking": {"service": "s"}}}))
    assert "recursion detected in middleware:ask@file->middleware:ask@file" in problems(compiled)[0]


def test_a_service_has_one_instance_of_its_middleware_whoever_uses_it(compiler: Compiler):
    services = {
        "t": {**balancer(), "middlewares": ["m"]},
        "s": {"weighted": {"services": [{"name": "t"}, {"name": "t"}]}},
        "f": {"mirroring": {"service": "t", "mirrors": [{"name": "s", "percent": 1}]}},
    }
    compiled = compiler.compile_now(tree(services, {"m": {"mark": {"word": "m"}}}))
    use = compiled.uses["service", "t@file", "0", "m@file"]
    assert all(use in entry(compiled, name).needs for name in "sf")


@pytest.mark.parametrize(("interval", "seconds"), [(-1.0, 0.0), (0.0, math.inf), (0.1, 0.1)])
def test_a_flush_interval_is_carried_as_it_is_meant(interval: float, seconds: float) -> None:
    assert flush_seconds(interval) == seconds


# limits, draining, retries


def test_a_service_has_its_own_limits_and_its_own_class_of_handler(compiler: Compiler) -> None:
    timeouts = {"connect": "1s", "firstByte": "2s", "request": "3s", "idle": "-1s"}
    hasty = balancer(timeouts=timeouts, drainTimeout="5s")
    made = compiler.compile_now(tree({"plain": balancer(), "hasty": hasty})).services
    handler = made["hasty@file"].handler
    assert type(made["plain@file"].handler) is Forwarder
    assert isinstance(handler, ImpatientForwarder)
    assert handler.limits == Limits(1.0, 2.0, 3.0, 0.0)
    assert handler.head_seconds == 2.0
    assert (made["plain@file"].drain_seconds, made["hasty@file"].drain_seconds) == (60.0, 5.0)


def test_all_peers_of_a_service_share_its_retry_budget(compiler: Compiler) -> None:
    urls = ("http://127.0.0.1:1", "http://127.0.0.1:2")
    made = compiler.compile_now(tree({"one": balancer(*urls, retryBudget={}), "two": balancer(*urls)})).services
    one, two = made["one@file"].peers
    assert one.retries is two.retries is not None
    assert made["two@file"].peers[0].retries is None


@pytest.mark.parametrize("key", ["percent", "minRetriesPerSecond"])
def test_a_budget_of_less_than_nothing_is_refused(compiler: Compiler, key: str) -> None:
    made = compiler.compile_now(tree({"s": balancer(retryBudget={key: -1})}))
    assert [str(problem) for problem in made.problems] == [
        f"http.services.s@file.loadBalancer.retryBudget.{key}: -1 is less than nothing; give 0 or more"
    ]
