"""A server that is the gateway itself (providers.md §1.7)."""

from pointsman.testing import connect, gateway


async def test_a_request_that_comes_back_to_its_router_is_refused():
    async with gateway({}) as running:
        port = running.port("web")
        routers = {"around": {"rule": "PathPrefix(`/`)", "service": "around", "loopGuard": True}}
        services = {"around": {"loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{port}"}]}}}
        await running.update({"http": {"routers": routers, "services": services}})
        async with connect(port) as client:
            answer = await client.get("/", "a.test")
            assert (answer.status, answer.body) == (400, b"")
