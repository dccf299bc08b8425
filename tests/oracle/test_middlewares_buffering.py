"""buffering and circuitBreaker in the way of real requests, where nothing depends on time (middlewares.md §3.3, §3.5)."""

import pytest_asyncio

from pointsman.testing import PIPE, answer, chunked

from .harness import ANSWER, ORACLE, arena_of, balancer, both_agree, case, get, raw

pytestmark = ORACLE

SOON = {"checkPeriod": "1us"}
MIDDLEWARES = {
    "plain": {"buffering": {"maxRequestBodyBytes": 1000000}},
    "small": {"buffering": {"maxRequestBodyBytes": 10, "maxResponseBodyBytes": 10}},
    "filed": {"buffering": {"memRequestBodyBytes": 10, "memResponseBodyBytes": 10}},
    "again": {"buffering": {"retryExpression": "ResponseCode() >= 500 && Attempts() <= 2"}},
    "again-method": {"buffering": {"retryExpression": 'RequestMethod() == "PUT" && Attempts() < 3'}},
    "again-network": {"buffering": {"retryExpression": "IsNetworkError() && Attempts() < 3"}},
    "again-for-ever": {"buffering": {"retryExpression": "(ResponseCode() == 503 || Attempts() < 1)"}},
    "negative": {"buffering": {"maxRequestBodyBytes": -1}},
    "statuses": {"circuitBreaker": {"expression": "ResponseCodeRatio(500, 600, 0, 600) > 0.25", **SOON}},
    "network": {"circuitBreaker": {"expression": "NetworkErrorRatio() >= 0.5", "responseCode": 429}},
    "first": {"circuitBreaker": {"expression": "ResponseCodeRatio(500, 600, 0, 600) > 0.5"}},
    "on-post": {
        "circuitBreaker": {"expression": "(NetworkErrorRatio()) > (0.5) || ResponseCodeRatio(404, 405, 0, 600) > .5"}
    },
}
REFUSED = {
    "expression-empty": ("circuitBreaker", ""),
    "expression-unknown": ("circuitBreaker", "NetworkErorRatio() > 0.5"),
    "expression-bare": ("circuitBreaker", "NetworkErrorRatio()"),
    "expression-negated": ("circuitBreaker", "!(NetworkErrorRatio() > 0.5)"),
    "expression-minus": ("circuitBreaker", "NetworkErrorRatio() > -0.5"),
    "expression-turned-round": ("circuitBreaker", "0.5 < NetworkErrorRatio()"),
    "expression-whole-quantile": ("circuitBreaker", "LatencyAtQuantileMS(50) > 100"),
    "expression-arity": ("circuitBreaker", "ResponseCodeRatio(500, 600) > 0.5"),
    "expression-fractional-status": ("circuitBreaker", "ResponseCodeRatio(500.0, 600, 0, 600) > 0.5"),
    "expression-words": ("circuitBreaker", "NetworkErrorRatio() > 0.5 and NetworkErrorRatio() < 0.9"),
    "expression-two-comparisons": ("circuitBreaker", "NetworkErrorRatio() > 0.5 > 0.1"),
    "expression-unclosed": ("circuitBreaker", "(NetworkErrorRatio() > 0.5"),
    "expression-string": ("circuitBreaker", 'NetworkErrorRatio() > "0.5"'),
    "again-fraction": ("buffering", "Attempts() < 1.5"),
    "again-unknown": ("buffering", "Foo() > 1"),
    "again-bare": ("buffering", "Attempts()"),
    "again-compared-truth": ("buffering", "IsNetworkError() == 1"),
    "again-unquoted": ("buffering", "RequestMethod() == GET"),
    # what Pointsman takes
    "expression-whole-ratio": ("circuitBreaker", "NetworkErrorRatio() > 0"),
    "expression-fractional-latency": ("circuitBreaker", "LatencyAtQuantileMS(50.0) > 100.0"),
    "expression-threshold": ("circuitBreaker", "RequestThreshold() > 100"),
}
NAMES = {"circuitBreaker": "expression", "buffering": "retryExpression"}
MIDDLEWARES |= {name: {kind: {NAMES[kind]: text}} for name, (kind, text) in REFUSED.items()}
MIDDLEWARES["expression-empty"]["circuitBreaker"]["responseCode"] = 503
DEAD = ("network",)


def to(name, *lines, method="GET", body=b""):
    return get("/", f"{name}.test", *lines, method=method, body=body)


def put(name, body=b"abc"):
    return to(name, method="PUT", body=body)


def in_chunks(name, *chunks, trailers=()):
    lines = raw("POST / HTTP/1.1", f"Host: {name}.test", "Accept-Encoding: identity", "Transfer-Encoding: chunked")
    return lines + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n" + raw(*trailers)


def times(count, request):
    return [request, ANSWER] * count


EXPECTING = raw("POST / HTTP/1.1", "Host: small.test", "Content-Length: 11", "Expect: 100-continue")
CASES = [
    case("buffering/get", to("plain")),
    case("buffering/post", put("plain")),
    case("buffering/post-chunked", in_chunks("plain", b"abc", b"def")),
    case("buffering/post-chunked-empty", in_chunks("plain")),
    case("buffering/post-empty", to("plain", "Content-Length: 0", method="POST")),
    case("buffering/post-trailers", in_chunks("plain", b"abc", trailers=["X-Own: 1"])),
    case("buffering/request-of-the-limit", put("small", b"0" * 10)),
    case("buffering/request-too-large", put("small", b"0" * 11)),
    case("buffering/request-too-large-chunked", in_chunks("small", b"0" * 6, b"0" * 5)),
    case("buffering/request-too-large-expecting", [EXPECTING, ANSWER]),
    case("buffering/answer-of-the-limit", to("small"), answer(200, {}, b"0" * 10)),
    case("buffering/answer-too-large", to("small"), answer(200, {}, b"0" * 11)),
    case("buffering/answer-too-large-chunked", to("small"), chunked([b"0" * 6, b"0" * 5])),
    case(
        "buffering/answer-too-large-to-head", to("small", method="HEAD"), [b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"]
    ),
    case("buffering/answer-chunked", to("plain"), chunked([b"one", b"two"], {"Content-Type": "text/plain"})),
    case("buffering/answer-event-stream", to("plain"), chunked([b"data: 1\n\n"], {"Content-Type": "text/event-stream"})),
    case("buffering/answer-empty", to("plain"), answer(200)),
    case("buffering/answer-204", to("plain"), answer(204)),
    case("buffering/answer-304", to("plain"), answer(304, {"ETag": '"x"'})),
    case("buffering/answer-404", to("plain"), answer(404, {"Content-Type": "text/plain"}, b"nothing")),
    case("buffering/answer-trailers", to("plain", "TE: trailers"), chunked([b"x"], {"Trailer": "X-Sum"}, {"X-Sum": "7"})),
    case("buffering/interim", to("plain"), [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", *answer(200, {}, b"x")]),
    case("buffering/filed", put("filed", b"0123456789" * 300), answer(200, {"Content-Type": "text/plain"}, b"9" * 3000)),
    case("buffering/filed-chunked", in_chunks("filed", b"0123456789" * 300), chunked([b"9" * 3000])),
    case(
        "buffering/upgrade",
        [to("small", "Connection: Upgrade", "Upgrade: echo"), ANSWER, b"0123456789abcdef", 16],
        [b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", PIPE],
        probe=False,
    ),
    case("buffering/again", put("again"), answer(500)),
    case("buffering/again-until-it-works", put("again"), answer(500), answer(200, {}, b"at last")),
    case("buffering/again-not-for-a-404", put("again"), answer(404)),
    case("buffering/again-without-a-body", to("again"), answer(500)),
    case("buffering/again-by-method", put("again-method")),
    case("buffering/again-by-method-not", to("again-method", method="POST", body=b"abc")),
    case("buffering/again-network", put("again-network"), answer(502)),
    case("buffering/again-network-not", put("again-network"), answer(500)),
    case("buffering/again-ten-times", put("again-for-ever"), answer(503)),
    case("buffering/negative", to("negative")),
    case("breaker/statuses", times(8, to("statuses")), answer(200), answer(200), answer(200), answer(200), answer(500)),
    case("breaker/network", times(3, to("network"))),
    case("breaker/first-error", times(2, to("first")), answer(500), answer(200)),
    case(
        "breaker/head",
        [*times(1, to("on-post", method="POST", body=b"x")), *times(1, to("on-post", method="HEAD"))],
        answer(404),
    ),
    *(case(f"expressions/{name}", to(name)) for name in REFUSED),
]


def dynamic(url, closed):
    routers = {
        name: {"rule": f"Host(`{name}.test`)", "middlewares": [name], "service": "dead" if name in DEAD else "echo"}
        for name in MIDDLEWARES
    }
    services = {"echo": balancer(url), "dead": balancer(closed)}
    return {"http": {"routers": routers, "middlewares": MIDDLEWARES, "services": services}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena():
    async with arena_of(dynamic) as arena:
        yield arena


@both_agree(CASES)
async def test_both_do_the_same(arena, case):
    await arena.compare(case)
