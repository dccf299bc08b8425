"""Which server gets which request: exact where the choice is, by frequency where it is not (routing.md §5).

The servers are one upstream under several paths, which `preservePath` puts before every target. Both gateways begin a round
somewhere: Traefik shuffles its servers first. So rounds are compared as counts over whole cycles, and the sequence within
a cycle by the weight of who is next, from wherever it begins. What is random is held against its distribution, for each
gateway by itself (chi-square, one chance in a thousand to fail, three tries).
"""

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest_asyncio

from pointsman.testing import answer, connect, eventually

from .harness import ORACLE, Told, arena_of, both_agree

pytestmark = ORACLE

TRIES = 3
CHI_SQUARE = {1: 10.83, 2: 13.82}
"""What is exceeded once in a thousand times, by degrees of freedom."""
WEIGHTS = {
    "three-one": (3, 1),
    "five-one": (5, 1),
    "with-zero": (3, 1, 0),
    "negative": (2, 1, -1),
    "equal": (1, 1, 1),
    "five-three-two": (5, 3, 2),
    "alone": (7,),
    "none": (0, 0),
}
STEADY = ("three-one", "five-one", "with-zero", "negative", "equal", "alone")
"""Whose order does not depend on how ties are broken."""
PERCENTS = (0, 1, 3, 10, 25, 33, 50, 66, 99, 100)


class Client:
    """Many requests over one connection, or each over one of its own from another address."""

    def __init__(self, running):
        self.port = running.port()

    async def statuses(self, host, count, **headers):
        async with connect(self.port) as client:
            return [(await client.get(f"/{number}", f"{host}.test", **headers)).status for number in range(count)]

    async def names(self, host, count, **headers):
        """Who answers, or the status if nobody does."""
        async with connect(self.port) as client:
            found = [await client.get(f"/{number}", f"{host}.test", **headers) for number in range(count)]
        return [name_of(message) for message in found]

    async def name_from(self, address, host):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))
        try:
            writer.write(f"GET / HTTP/1.1\r\nHost: {host}.test\r\nConnection: close\r\n\r\n".encode())
            return (await reader.read()).rpartition(b"\r\n\r\n")[2].decode()
        finally:
            writer.close()


def name_of(message):
    return message.body.decode() if message.status == 200 else message.status


def tells_its_name(request):
    """A server under a path of its own answers with that; probes and errors as they are asked for."""
    name, _, rest = request.target.decode()[1:].partition("/")
    if rest.startswith("hz"):
        return answer(503 if name == "ill" else 200)
    if name.isdigit():
        return answer(int(name))
    return answer(200, {"Content-Type": "text/plain"}, name.encode())


def names(count: int) -> Sequence[str]:
    return "abcdefgh"[:count]


def smallest_rotation(sequence):
    return min(tuple(sequence[number:] + sequence[:number]) for number in range(len(sequence)))


def told(name):
    """A case that is a function."""

    def made(story):
        async def prepared(arena, running):
            arena.upstream.answers(tells_its_name)
            return await story(Client(running), arena)

        CASES.append(Told(name, prepared))
        return story

    return made


CASES: list[Told] = []


def add_rounds(name: str, weights: Sequence[int], kind: str) -> None:
    @told(f"balancing/{kind}-{name}")
    async def story(client, arena):
        weight = dict(zip(names(len(weights)), weights, strict=True))
        cycle = sum(max(0, each) for each in weights) or 1
        got = await client.names(f"{kind}-{name}", 3 * cycle)
        cycles = [got[start : start + cycle] for start in range(0, len(got), cycle)]
        aspects = {"counts": [sorted(Counter(map(str, each)).items()) for each in cycles]}
        if name in STEADY:
            aspects["order"] = [smallest_rotation([weight[each] for each in one]) for one in cycles]
        return aspects


for name, weights in WEIGHTS.items():
    add_rounds(name, weights, "wrr")
    add_rounds(name, weights, "weighted")


@told("balancing/same-url-twice")
async def twice(client, arena):
    return {"counts": Counter(await client.names("twice", 12))}


@told("balancing/nested")
async def nested(client, arena):
    """3:1, and below that each its own rounds."""
    return {"counts": Counter(await client.names("nested", 48))}


def add_hrw(host: str) -> None:
    @told(f"balancing/{host}")
    async def story(client, arena):
        """Each client's server is the very same: it is computed from the address and the URL, or the child's name."""
        found = [await client.name_from(f"127.0.{third}.{last}", host) for third in (0, 7) for last in range(1, 41)]
        again = [await client.name_from(f"127.0.0.{last}", host) for last in range(1, 4)]
        return {"servers": found, "again": again == found[:3]}


for host in ("hrw", "hrw-weights", "hrw-services", "hrw-services-weights"):
    add_hrw(host)


def add_frequency(host: str, expected: dict[str, float], count: int = 600) -> None:
    @told(f"balancing/{host}-frequency")
    async def story(client, arena):
        """Only whether it fits: the numbers themselves differ every time."""
        for _ in range(TRIES):
            counts = Counter(await client.names(host, count))
            odd = sum((counts[name] - share * count) ** 2 / (share * count) for name, share in expected.items())
            if set(counts) == set(expected) and odd < CHI_SQUARE[len(expected) - 1]:
                return {"servers": set(counts)}
        raise AssertionError(f"{host}: {counts} is not what was expected, by {odd:.1f}")


add_frequency("p2c", {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
add_frequency("p2c-weights", {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})  # which do not count, not even 0


@told("balancing/p2c-prefers-the-idle")
async def p2c_idle(client, arena):
    """Two servers, one with a request that it does not answer yet: the other gets all the rest."""
    go = asyncio.Event()

    def held(request):
        steps = tells_its_name(request)
        return [go, *steps] if request.target.endswith(b"/held") else steps

    arena.upstream.answers(held)
    async with connect(client.port) as busy:
        before = len(arena.upstream.requests)
        await busy.send(b"GET /held HTTP/1.1\r\nHost: p2c-two.test\r\n\r\n")
        await arena.upstream.received(before + 1)
        others = set(await client.names("p2c-two", 20))
        go.set()
        holder = name_of(await busy.message())
    return {"others": len(others), "the holder is among them": holder in others}


@told("balancing/leasttime-prefers-the-quick")
async def leasttime_quick(client, arena):
    """Once its time is known, the slow one is left alone."""

    def slow(request):
        steps = tells_its_name(request)
        return [0.03, *steps] if request.target.startswith(b"/a/") else steps

    arena.upstream.answers(slow)
    got = await client.names("leasttime", 24)
    return {"slow": got.count("a"), "quick": len(set(got) - {"a"})}


def add_mirroring(percent: int) -> None:
    @told(f"balancing/mirror-{percent}")
    async def story(client, arena):
        """Which requests are mirrored, by number: exact, from the first on."""
        arena.upstream.requests.clear()
        count = 60
        answered = Counter(await client.names(f"mirror-{percent}", count))
        due = -(-count * percent // 100)

        def mirrored():
            targets = [request.target.decode() for request in arena.upstream.requests]
            return sorted(int(target[8:]) for target in targets if target.startswith("/mirror/"))

        await eventually(lambda: len(mirrored()) >= due, f"{due} copies")
        return {"mirrored": mirrored(), "answered": answered}


for percent in PERCENTS:
    add_mirroring(percent)


@told("balancing/two-mirrors")
async def two_mirrors(client, arena):
    """Each counts for itself, the same service may be there twice."""
    arena.upstream.requests.clear()
    await client.names("two-mirrors", 12)

    def copies():
        return sorted(
            request.target.decode() for request in arena.upstream.requests if request.target.startswith((b"/m", b"/n"))
        )

    await eventually(lambda: len(copies()) >= 12 + 6 + 4, "the copies")
    return {"copies": copies()}


@told("balancing/failover-by-status")
async def failover_by_status(client, arena):
    return {"statuses": await client.statuses("failover-status", 3), "names": await client.names("failover-listed", 3)}


@told("balancing/failover-of-failover")
async def failover_of_failover(client, arena):
    return {"names": await client.names("failover-twice", 3)}


def add_health(host: str, count: int) -> None:
    @told(f"balancing/{host}")
    async def story(client, arena):
        """The server `ill` fails every probe; what is seen of it once that is known."""

        async def down():
            return set(await client.statuses("ill", 4)) == {503}

        await eventually(down, "the server is down")
        return {"answers": sorted(Counter(map(str, await client.names(host, count))).items())}


for host, count in (
    ("ill", 3),
    ("half-ill", 6),
    ("half-ill-p2c", 6),
    ("half-ill-leasttime", 6),
    ("half-ill-hrw", 6),
    ("watching", 6),
    ("blind", 6),
    ("watching-hrw", 6),
    ("watching-nested", 6),
    ("mirror-of-ill", 2),
    ("failover-ill", 3),
    ("failover-both-ill", 3),
    ("failover-watched", 3),
    ("failover-in-weighted", 6),
):
    add_health(host, count)


@told("balancing/sticky-to-the-ill")
async def sticky_to_the_ill(client, arena):
    """Whose server went down gets another, and a new cookie."""

    async def down():
        return set(await client.statuses("ill", 4)) == {503}

    await eventually(down, "the server is down")
    async with connect(client.port) as connection:
        cookie = f"kept={arena.upstream.url}/ill/x"
        message = await connection.get("/", "sticky-ill.test", cookie=cookie)
    return {"name": name_of(message), "cookie": message.get("set-cookie")}


@told("balancing/sticky-p2c")
async def sticky_p2c(client, arena):
    return {"names": await client.names("sticky-p2c", 8, cookie=f"kept={arena.upstream.url}/c")}


@told("balancing/sticky-weightless")
async def sticky_weightless(client, arena):
    """A cookie for a server that has no weight counts for nothing."""
    return {"names": set(await client.names("sticky-weightless", 4, cookie=f"kept={arena.upstream.url}/b"))}


@told("balancing/sticky-services")
async def sticky_services(client, arena):
    return {"names": await client.names("sticky-services", 4, cookie="kept=two")}


def dynamic(url, closed):
    def over(*servers, **settings):
        """A probed server's path has one part more, for a probe's path replaces the last."""
        listed = []
        part = "/x" if "healthCheck" in settings else ""
        for server in servers:
            name, weight = server if isinstance(server, tuple) else (server, None)
            entry = {"url": name if "://" in name else f"{url}/{name}{part}", "preservePath": True}
            listed.append(entry | ({} if weight is None else {"weight": weight}))
        return {"loadBalancer": {"servers": listed, **settings}}

    def children(*pairs):
        return [{"name": name, "weight": weight} for name, weight in pairs]

    probed = {"healthCheck": {"path": "hz", "interval": "200ms", "timeout": "2s"}}
    kept = {"sticky": {"cookie": {"name": "kept"}}}
    services = {name: over(name) for name in names(5)}
    services |= {"one": over("one"), "two": over("two"), "m": over("m"), "n": over("n"), "mirror": over("mirror")}
    for name, weights in WEIGHTS.items():
        pairs = list(zip(names(len(weights)), weights, strict=True))
        services[f"wrr-{name}"] = over(*pairs)
        services[f"weighted-{name}"] = {"weighted": {"services": children(*pairs)}}
    for percent in PERCENTS:
        mirrors = [{"name": "mirror", "percent": percent}]
        services[f"mirror-{percent}"] = {"mirroring": {"service": "a", "mirrors": mirrors}}
    listed = {"errors": {"status": ["500-503"]}}
    services |= {
        "twice": over("a", "a", "b"),
        "ab": over("a", "b"),
        "nested": {"weighted": {"services": children(("wrr-three-one", 3), ("ab", 1))}},
        "hrw": over("a", "b", "c", strategy="hrw"),
        "hrw-weights": over(("a", 3), ("b", 1), ("c", 0), strategy="hrw"),
        "hrw-services": {"highestRandomWeight": {"services": children(("a", 1), ("b", 1), ("c", 1))}},
        "hrw-services-weights": {"highestRandomWeight": {"services": children(("one", 2), ("two", 1), ("a", 0))}},
        "p2c": over("a", "b", "c", strategy="p2c"),
        "p2c-weights": over(("a", 9), ("b", 1), ("c", 0), strategy="p2c"),
        "p2c-two": over("a", "b", strategy="p2c"),
        "leasttime": over("a", "b", "c", strategy="leasttime"),
        "two-mirrors": {
            "mirroring": {
                "service": "a",
                "mirrors": [{"name": "m", "percent": 100}, {"name": "n", "percent": 50}, {"name": "n", "percent": 33}],
            }
        },
        "503": over("503"),
        "404": over("404"),
        "dead": over(closed),
        "failover-status": {"failover": {"service": "404", "fallback": "a", **listed}},
        "failover-listed": {"failover": {"service": "503", "fallback": "a", **listed}},
        "inner": {"failover": {"service": "dead", "fallback": "503", **listed}},
        "failover-twice": {"failover": {"service": "inner", "fallback": "b", **listed}},
        "ill": over("ill", **probed),
        "well": over("well", **probed),
        "half-ill": over("ill", "well", "a", **probed),
        "half-ill-p2c": over("ill", "well", strategy="p2c", **probed),
        "half-ill-leasttime": over("ill", "well", strategy="leasttime", **probed),
        "half-ill-hrw": over("ill", "well", strategy="hrw", **probed),
        "watching": {"weighted": {"services": children(("ill", 1), ("well", 1)), "healthCheck": {}}},
        "blind": {"weighted": {"services": children(("ill", 1), ("well", 1))}},
        "watching-hrw": {"highestRandomWeight": {"services": children(("ill", 9), ("well", 1)), "healthCheck": {}}},
        "all-ill": {"weighted": {"services": children(("ill", 1)), "healthCheck": {}}},
        "watching-nested": {"weighted": {"services": children(("all-ill", 1), ("well", 1)), "healthCheck": {}}},
        "mirror-of-ill": {"mirroring": {"service": "ill", "mirrors": [{"name": "m", "percent": 100}], "healthCheck": {}}},
        "failover-ill": {"failover": {"service": "ill", "fallback": "a"}},
        "failover-both-ill": {"failover": {"service": "ill", "fallback": "ill", "healthCheck": {}}},
        "failover-watched": {"failover": {"service": "mirror-of-ill", "fallback": "well", "healthCheck": {}}},
        "failover-in-weighted": {
            "weighted": {"services": children(("failover-both-ill", 1), ("well", 1)), "healthCheck": {}}
        },
        "sticky-ill": over("ill", "well", **probed, **kept),
        "sticky-p2c": over("a", "b", "c", strategy="p2c", **kept),
        "sticky-weightless": over(("a", 1), ("b", 0), **kept),
        "sticky-services": {"weighted": {"services": children(("one", 1), ("two", 1)), **kept}},
    }
    routers = {name: {"rule": f"Host(`{name}.test`)", "service": name} for name in services}
    return {"http": {"routers": routers, "services": services}}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def arena():
    async with arena_of(dynamic) as both:
        yield both


@both_agree(CASES)
async def test_both_choose_alike(arena, case):
    await arena.compare(case)
