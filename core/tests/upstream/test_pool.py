"""Who gets which connection."""

import pytest

from pointsman.upstream.pool import Pool


@pytest.fixture
def pool() -> Pool[str]:
    return Pool("shop", 2)


def test_the_newest_idle_connection_is_taken_first(pool: Pool[str]) -> None:
    assert pool.take() is None
    for name in ("a", "b"):
        pool.opened()
        assert pool.give(name)
    assert repr(pool) == "<Pool shop 0 busy, 2 idle>"
    assert [pool.take(), pool.take(), pool.take()] == ["b", "a", None]
    assert repr(pool) == "<Pool shop 2 busy, 0 idle>"


def test_more_than_the_limit_are_not_kept(pool: Pool[str]) -> None:
    for _ in range(3):
        pool.opened()
    assert [pool.give("a"), pool.give("b"), pool.give("c")] == [True, True, False]
    assert repr(pool) == "<Pool shop 0 busy, 2 idle>"


def test_a_lost_idle_connection_is_never_given_out(pool: Pool[str]) -> None:
    pool.opened()
    pool.give("a")
    pool.lost("a")
    pool.lost("a")
    assert pool.take() is None
    assert repr(pool) == "<Pool shop 0 busy, 0 idle>"


def test_a_closed_pool_keeps_nothing_and_its_count_stays_right(pool: Pool[str]) -> None:
    pool.opened()
    pool.opened()
    pool.give("a")
    assert pool.close() == ["a"]
    pool.lost("a")
    assert repr(pool) == "<Pool shop 1 busy, 0 idle, closed>"
    assert not pool.give("b")
    assert repr(pool) == "<Pool shop 0 busy, 0 idle, closed>"
