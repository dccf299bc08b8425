"""A chain is its members, in order, and nothing else."""

import pytest

from pointsman.errors import ConfigError
from pointsman.testing import FakeContext, a_chain, a_request, answering, build
from pointsman_chain import Chain


def mark(word):
    def middleware(request, call_next):
        request.state.setdefault("seen", []).append(word)
        return call_next(request)

    return middleware


CONTEXT = FakeContext(middlewares={"a": mark("a"), "b": mark("b")})


async def test_members_stand_in_the_chains_place_in_their_order():
    request = a_request()
    chain = build(Chain, {"middlewares": ["b", "a", "b"]}, CONTEXT)
    await a_chain([mark("before"), chain, mark("after")], answering())(request)

    assert request.state["seen"] == ["before", "b", "a", "b", "after"]


async def test_a_chain_may_be_a_member_of_a_chain():
    inner = build(Chain, {"middlewares": ["a", "b"]}, CONTEXT)
    outer = build(Chain, {"middlewares": ["inner"]}, FakeContext(middlewares={"inner": inner}))
    request = a_request()
    await outer(request, answering())

    assert request.state["seen"] == ["a", "b"]


def test_an_empty_chain_leaves_the_next_handler_as_it_is():
    handler = answering()

    assert build(Chain, {"middlewares": []}, CONTEXT).bind(handler) is handler


def test_a_missing_member_is_a_configuration_error():
    with pytest.raises(ConfigError, match='middleware "nope" does not exist'):
        build(Chain, {"middlewares": ["a", "nope"]}, CONTEXT)
