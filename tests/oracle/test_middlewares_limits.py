"""Who is let in, how often, and how many at a time (middlewares.md §2.4, §2.5, §3.14, §3.15, §3.17)."""

import asyncio
import re

import pytest_asyncio

from pointsman.testing import connect

from .harness import ORACLE, Told, arena_of, balancer, both_agree, case, get

pytestmark = ORACLE

ALLOW = {
    "here": {"sourceRange": ["127.0.0.1/32", "10.0.0.0/8"]},
    "elsewhere": {"sourceRange": ["10.0.0.0/8"]},
    "host-bits": {"sourceRange": ["127.200.200.200/8"]},
    "mapped": {"sourceRange": ["::ffff:127.0.0.1"]},
    "status": {"sourceRange": ["10.0.0.0/8"], "rejectStatusCode": 404},
    "status-204": {"sourceRange": ["10.0.0.0/8"], "rejectStatusCode": 204},
    "status-418": {"sourceRange": ["10.0.0.0/8"], "rejectStatusCode": 418},
    "status-599": {"sourceRange": ["10.0.0.0/8"], "rejectStatusCode": 599},
    "nobody": {"sourceRange": []},
    "bad": {"sourceRange": ["10.0.0.300"]},
    "subnet-0": {"sourceRange": ["10.0.0.0/8"], "ipStrategy": {"depth": 1, "ipv6Subnet": 0}},
    "defaults": {"sourceRange": ["127.0.0.1"], "ipStrategy": {}},
    "depth": {"sourceRange": ["1.1.1.1", "2001:db8::/32"], "ipStrategy": {"depth": 1}},
    "depth-2": {"sourceRange": ["1.1.1.1"], "ipStrategy": {"depth": 2}},
    "excluded": {"sourceRange": ["1.1.1.1"], "ipStrategy": {"excludedIPs": ["10.0.0.0/8", "::1"]}},
    "both": {"sourceRange": ["10.0.0.1"], "ipStrategy": {"depth": 1, "excludedIPs": ["10.0.0.0/8"]}},
    "subnet": {"sourceRange": ["2001:db8::", "1.1.1.1"], "ipStrategy": {"depth": 1, "ipv6Subnet": 64}},
    "subnet-of-peer": {"sourceRange": ["127.0.0.1"], "ipStrategy": {"ipv6Subnet": 64}},
}
HOUR = {"average": 1, "period": "1h"}
RATE = {
    "second": {"average": 1},
    "six": {"average": 6, "period": "1m", "burst": 2},
    "burst": {"average": 10, "burst": 5},
    "none": {"average": 0, "burst": 2},
    "negative-burst": {**HOUR, "burst": -3},
    "negative": {"average": 1, "period": "-1s"},
    "header": {**HOUR, "sourceCriterion": {"requestHeaderName": "X-Who"}},
    "host": {**HOUR, "sourceCriterion": {"requestHost": True}},
    "depth": {**HOUR, "sourceCriterion": {"ipStrategy": {"depth": 1}}},
    "subnet": {**HOUR, "sourceCriterion": {"ipStrategy": {"depth": 1, "ipv6Subnet": 64}}},
    "excluded": {**HOUR, "sourceCriterion": {"ipStrategy": {"excludedIPs": ["10.0.0.0/8"]}}},
    "two": {**HOUR, "sourceCriterion": {"ipStrategy": {"depth": 1}, "requestHost": True}},
    "other-two": {**HOUR, "sourceCriterion": {"requestHeaderName": "X", "requestHost": True}},
}
MIDDLEWARES = {
    **{f"allow-{name}": {"ipAllowList": config} for name, config in ALLOW.items()},
    "white": {"ipWhiteList": {"sourceRange": ["127.0.0.1"]}},
    "white-elsewhere": {"ipWhiteList": {"sourceRange": ["10.0.0.1"]}},
    **{f"rate-{name}": {"rateLimit": config} for name, config in RATE.items()},
    "flight-0": {"inFlightReq": {"amount": 0}},
    "flight-1": {"inFlightReq": {"amount": 1}},
    "flight-negative": {"inFlightReq": {"amount": -1}},
    "flight-two": {"inFlightReq": {"amount": 1, "sourceCriterion": {"ipStrategy": {"depth": 1}, "requestHost": True}}},
}
CHAINS = {
    "depth": ["9.9.9.9, 1.1.1.1", "1.1.1.1, 9.9.9.9", "1.1.1.1:80", "[2001:db8::1]:80", "2001:DB8::1", "2001:db8::1%eth0",
              "::ffff:1.1.1.1", "1.1.1.1,", ",", "junk", "1.1.1.1 ", "\t1.1.1.1", "1.1.1.1:", "01.1.1.1", "[1.1.1.1]",
              "1.1.1.1:x", "[2001:db8::1]"],
    "depth-2": ["1.1.1.1, 9.9.9.9", "1.1.1.1", "1.1.1.1,", "7.7.7.7, 1.1.1.1, 8.8.8.8"],
    "excluded": ["1.1.1.1, 10.2.3.4", "10.1.1.1", "1.1.1.1, ::1, 10.1.1.1", "1.1.1.1, , 10.1.1.1", "1.1.1.1, junk, 10.1.1.1",
                 "1.1.1.1, ::ffff:10.1.1.1", "9.9.9.9, 10.1.1.1", "1.1.1.1, 10.1.1.1:80"],
    "both": ["1.1.1.1, 10.0.0.1", "10.0.0.1, 1.1.1.1"],
    "subnet": ["2001:db8::5", "2001:db8:1::5", "1.1.1.1", "::ffff:1.1.1.1", "[2001:db8::5]:80"],
}  # fmt: skip


def named(name, *lines):
    return get("/", f"{name}.test", *lines)


def asked(name, *requests, entry_point="trusting"):
    """These requests, each with its own lines, one after the other; of a refusal, about how long it lasts."""

    async def story(arena, running):
        arena.upstream.answers(case("", b"").scripts[0])
        aspects = {}
        async with connect(running.port(entry_point)) as client:
            for number, lines in enumerate(requests):
                host = "".join(line[6:] for line in lines if line.startswith("Host: ")) or f"{name}.test"
                answer = await client.ask(get("/", host, *(line for line in lines if not line.startswith("Host: "))))
                aspects[f"{number}.status"] = answer.status
                if answer.status == 429:
                    names = sorted(key for key, _ in answer.headers if key.lower() != b"date")
                    after = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?([\d.]+)(m?s)", answer.get("x-retry-in"))
                    hours, minutes, rest, unit = after.groups()
                    seconds = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest) / (1000 if unit == "ms" else 1)
                    aspects[f"{number}.refusal"] = (names, answer.get("retry-after"), round(seconds, 1), answer.body)
        return aspects

    return Told(f"limiting/{name}", story)


async def one_at_a_time(arena, running):
    """While one is under way a second one is refused, and a third one let in when that is over."""
    gate = asyncio.Event()
    ok = case("", b"").scripts[0]
    arena.upstream.answers([gate, *ok], ok)
    arena.upstream.requests.clear()
    async with connect(running.port("web")) as first, connect(running.port("web")) as second:
        await first.send(named("flight-1"))
        await arena.upstream.received(1)
        refusal = await second.ask(named("flight-1"))
        gate.set()
        over = await first.message()
        third = await second.ask(named("flight-1"))
    return {
        "first": over.status,
        "second": (refusal.status, refusal.body),
        "second:headers": sorted(name for name, _ in refusal.headers if name.lower() != b"date"),
        "third": third.status,
    }


WHO = ["X-Who: a"], ["X-Who: b"]
CASES = [
    *(case(f"limiting/allow-{name}", named(f"allow-{name}")) for name in ALLOW if name not in CHAINS),
    case("limiting/white", named("white")),
    case("limiting/white-elsewhere", named("white-elsewhere")),
    *(
        case(f"limiting/allow-{name}/{chain}", named(f"allow-{name}", f"X-Forwarded-For: {chain}"), entry_point="trusting")
        for name, chains in CHAINS.items()
        for chain in chains
    ),
    *(case(f"limiting/allow-{name}/absent", named(f"allow-{name}"), entry_point="trusting") for name in CHAINS),
    case("limiting/allow-depth/untrusted", named("allow-depth", "X-Forwarded-For: 1.1.1.1")),
    case(
        "limiting/allow-depth-2/two-lines",
        named("allow-depth-2", "X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 9.9.9.9"),
        entry_point="trusting",
    ),
    asked("rate-second", [], []),
    asked("rate-six", [], [], []),
    asked("rate-burst", *([] for _ in range(8))),
    asked("rate-none", [], [], []),
    asked("rate-negative-burst", [], []),
    asked("rate-header", *(who for who in WHO for _ in range(2)), [], [], ["X-Who: A"]),
    asked("rate-host", [], [], ["Host: other.rate-host.test"], ["Host: other.rate-host.test"]),
    asked("rate-host-port", ["Host: rate-host-port.test"], ["Host: rate-host-port.test:8080"]),
    asked("rate-host-capitals", ["Host: rate-host-capitals.test"], ["Host: Rate-Host-Capitals.test"]),
    asked(
        "rate-depth", *([f"X-Forwarded-For: {each}"] for each in ("1.1.1.1", "1.1.1.1", "2.2.2.2", "1.1.1.1, 2.2.2.2")), []
    ),
    asked("rate-depth-port", *([f"X-Forwarded-For: {each}"] for each in ("3.3.3.3:1", "3.3.3.3:2"))),
    asked("rate-subnet", *([f"X-Forwarded-For: 2001:db8:{each}"] for each in ("1::1", "1::2", "2::1"))),
    asked(
        "rate-excluded", *([f"X-Forwarded-For: 1.1.1.1, 10.0.0.{each}"] for each in (1, 2)), ["X-Forwarded-For: 10.0.0.1"]
    ),
    case("limiting/rate-negative", named("rate-negative")),
    case("limiting/rate-two", named("rate-two")),
    case("limiting/rate-other-two", named("rate-other-two")),
    case("limiting/flight-0", named("flight-0")),
    case("limiting/flight-two", named("flight-two")),
    case("limiting/flight-negative", named("flight-negative")),
    Told("limiting/flight-1", one_at_a_time),
]


def dynamic(url, closed):
    routers = {name: {"rule": f"Host(`{name}.test`)", "middlewares": [name], "service": "echo"} for name in MIDDLEWARES}
    routers["rate-host"]["rule"] = "Host(`rate-host.test`) || Host(`other.rate-host.test`)"
    for name in ("rate-host-port", "rate-host-capitals"):
        routers[name] = {"rule": f"Host(`{name}.test`)", "middlewares": ["rate-host"], "service": "echo"}
    routers["rate-depth-port"] = {"rule": "Host(`rate-depth-port.test`)", "middlewares": ["rate-depth"], "service": "echo"}
    return {"http": {"routers": routers, "middlewares": MIDDLEWARES, "services": {"echo": balancer(url)}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    static = {"entryPoints": {"web": {}, "trusting": {"forwardedHeaders": {"insecure": True}}}}
    async with arena_of(dynamic, static) as arena:
        yield arena


@both_agree(CASES)
async def test_both_let_in_the_same(arena, case):
    await arena.compare(case)
