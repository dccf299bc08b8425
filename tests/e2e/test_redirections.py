"""Entry points that send their clients to another (operations.md section 2.6)."""

import pytest

from .stage import head, routed, staged

RULES = {"any": "PathPrefix(`/`)", "named": {"rule": "Host(`x.test`)", "priority": 9223372036854774807}}


@pytest.mark.spec("O-41")
async def test_a_redirecting_entry_point_answers_before_every_other_router():
    def to(target, **options):
        return {"http": {"redirections": {"entryPoint": {"to": target, **options}}}}

    points = {
        "web": to("secure"),
        "temporary": {**to(":443", permanent=False), "allowACMEByPass": True},
        "behind": {**to(":443"), "forwardedHeaders": {"insecure": True}},
        "secure": {},
    }
    async with staged(lambda urls: routed(RULES, urls), {"entryPoints": points}, ["a"]) as stage:
        secure = f"x.test:{stage.gateway.port('secure')}"
        for method, entry_point, status, there in (
            ("GET", "web", 301, secure),
            ("POST", "web", 308, secure),
            ("GET", "temporary", 302, "x.test"),
            ("POST", "temporary", 307, "x.test"),
        ):
            answered = await stage.ask(head(f"{method} /p/%2Fq?a=1;b=%20 HTTP/1.1", "Host: x.test:8080"), entry_point)
            assert (answered.status, answered.get("location")) == (status, f"https://{there}/p/%2Fq?a=1;b=%20")
        assert (await stage.get("/.well-known/acme-challenge/token", "x.test", "temporary")).body == b"a"
        assert (await stage.get("/", "x.test", "secure")).body == b"a"
        there = await stage.get("/", "x.test", "behind", **{"X-Forwarded-Proto": "https"})
        assert (there.status, there.body) == (418, b"")
        assert stage["a"].requests[-1].target == b"/"
