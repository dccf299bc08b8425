"""Keys of stores to documents."""

from typing import Any

import pytest

from pointsman.config.dynamic import structure_document
from pointsman.config.labels import from_keys
from pointsman.control.context import Context
from pointsman.errors import ConfigError

GOOD: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "nothing": ({}, {}),
    "others": ({"tick": "1", "http2/routers/r/rule": "x", "": "y", "/": ""}, {}),
    "a router": (
        {"http/routers/r/rule": "Host(`a`)", "/HTTP/Routers/r/Service/": "s"},
        {"http": {"routers": {"r": {"rule": "Host(`a`)", "service": "s"}}}},
    ),
    "a list by number": (
        {f"http/routers/r/entrypoints/{index}": f"e{index}" for index in (0, 1, 10, 2)},
        {"http": {"routers": {"r": {"entryPoints": ["e0", "e1", "e2", "e10"]}}}},
    ),
    "a list in one": ({"http/routers/r/entrypoints": "a, b"}, {"http": {"routers": {"r": {"entryPoints": ["a", "b"]}}}}),
    "servers": (
        {"http/services/s/loadbalancer/servers/0/url": "http://a", "http/services/s/loadbalancer/servers/0/weight": "2"},
        {"http": {"services": {"s": {"loadBalancer": {"servers": [{"url": "http://a", "weight": 2}]}}}}},
    ),
    "folders": (
        {"http/": "", "http/routers/": "", "http/routers/gone/": "", "http/routers/r/rule": "x", "tcp/": "", "udp": ""},
        {"http": {"routers": {"r": {"rule": "x"}}}},
    ),
    "nodes that hold nothing": (
        {"http": "", "http/routers": "", "http/services": "", "http/routers/r": "", "http/routers/r/rule": "x"},
        {"http": {"routers": {"r": {"rule": "x"}}}},
    ),
    "certificates": (
        {"tls/certificates/0/certfile": "c", "tls/certificates/0/stores/0": "default", "tls/options/o/minversion": "V"},
        {"tls": {"certificates": [{"certFile": "c", "stores": ["default"]}], "options": {"o": {"minVersion": "V"}}}},
    ),
    "weighted": (
        {"http/services/w/weighted/services/0/name": "s", "http/services/w/weighted/services/0/weight": "3"}
        | {"http/services/w/weighted/healthcheck": "true"},
        {"http": {"services": {"w": {"weighted": {"services": [{"name": "s", "weight": 3}], "healthCheck": {}}}}}},
    ),
    "tls": ({"tcp/routers/t/tls": "true"}, {"tcp": {"routers": {"t": {"tls": {}}}}}),
    "no tls": ({"tcp/routers/t/tls": "no", "tcp/routers/t/tls/passthrough": "true"}, {"tcp": {"routers": {"t": {}}}}),
    "a kind nobody knows": (
        {"http/middlewares/m/plugin/p/list/0": "a", "http/middlewares/m/plugin/p/list/1/x": "b"},
        {"http": {"middlewares": {"m": {"plugin": {"p": {"list": ["a", {"x": "b"}]}}}}}},
    ),
}  # fmt: skip


@pytest.mark.spec("P-68", "P-70")
@pytest.mark.parametrize("case", GOOD)
def test_keys_say_a_document(case):
    keys, expected = GOOD[case]
    document, _ = from_keys(keys, {})
    assert document == expected
    assert structure_document(document, {})[1] == []


BAD = {
    "http/routers/r/nope": ("x", "field not found, node: nope"),
    "http/routers": ("x", "routers cannot be a standalone element"),
    "http/routers/r/priority": ("many", "expected a whole number"),
    "http/services/s/loadbalancer/servers/x/url": ("a", "expected a list"),
    "http/services/s/loadbalancer/server/port": ("80", "field not found, node: server"),
    "http/routers/r/" + "x/" * 100: ("1", "longer than"),
}


@pytest.mark.spec("P-69")
@pytest.mark.parametrize("key", BAD, ids=[key[:60] for key in BAD])
def test_keys_of_no_use_refuse_all(key):
    value, expected = BAD[key]
    with pytest.raises(ConfigError, match=expected) as refusal:
        from_keys({key: value, "http/services/good/middlewares": "x"}, {})
    (problem,) = refusal.value.problems
    assert key.startswith(problem.path)


@pytest.mark.parametrize(
    ("keys", "expected", "message"),
    [
        ({"entrypoints": "a", "entrypoints/0": "b"}, {"entryPoints": ["b"]}, "by number"),
        ({"tls": "1"}, {"tls": {}}, "taken as true"),
        ({"tls/domains": "x"}, {"tls": {}}, "write domains/0/<option>"),
        ({"tls/domains/0/main": "a", "tls/domains/1": ""}, {"tls": {"domains": [{"main": "a"}]}}, "left out"),
        ({"observability": ""}, {}, "is empty"),
        ({"rule": "x", "Rule": "y"}, {"rule": "x"}, "given twice"),
    ],
)
def test_what_traefik_takes_in_silence_is_warned_of_once(keys, expected, message, caplog):
    context = Context("redis", {})
    pairs = {f"http/routers/r/{key}": value for key, value in keys.items()}
    assert context.from_keys(pairs) == {"http": {"routers": {"r": expected}}}
    context.from_keys(pairs | {"http/routers/other/rule": "x"})
    (record,) = caplog.records
    assert record.name == "pointsman.providers.redis"
    assert message in record.message


def test_a_number_may_hold_several_elements_with_commas():
    document, _ = from_keys({"http/routers/r/entrypoints/0": "a, b", "http/routers/r/entrypoints/1": "c"}, {})
    assert document["http"]["routers"]["r"] == {"entryPoints": ["a", "b", "c"]}
