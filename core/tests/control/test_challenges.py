"""Proofs that names are ours, in all workers: there while they are wanted, and not longer (operations.md §7.6)."""

import asyncio

import pytest

from pointsman.api import KeyPair
from pointsman.control.resolvers import Challenges
from pointsman.control.workers import Unanswered
from pointsman.testing import eventually


class Worker:
    """Remembers what it shows; it is slow, or does not answer at all, or is being replaced."""

    def __init__(self, deaf: bool = False, gone: bool = False) -> None:
        self.shown: dict[str, list[str]] = {}
        self._deaf, self._gone = deaf, gone

    async def ask(self, question, arguments):
        if self._deaf:
            raise Unanswered("worker 1 does not answer")
        if self._gone:
            raise Unanswered("worker 1 does not run", gone=True)
        await asyncio.sleep(0.01)
        self.shown.pop(arguments["host"], None)
        if arguments["pair"] is not None:
            self.shown[arguments["host"]] = list(arguments["pair"])
        return []


async def test_what_takes_a_proof_away_leaves_a_later_one_of_the_same_name_there():
    worker, challenges = Worker(), Challenges()
    challenges.workers = [worker]
    first = await challenges.tell_tls("A.test", KeyPair("1", "k"))
    first()
    await challenges.tell_tls("a.test", KeyPair("2", "k"))
    await asyncio.sleep(0.05)
    assert worker.shown == {"a.test": ["2", "k"]}
    first()
    await asyncio.sleep(0.05)
    assert worker.shown == {"a.test": ["2", "k"]}


async def test_a_worker_that_cannot_be_told_leaves_no_proof_with_the_others():
    worker, challenges = Worker(), Challenges()
    challenges.workers = [worker, Worker(deaf=True)]
    with pytest.raises(OSError, match="worker 1 does not answer"):
        await challenges.tell_tls("a.test", KeyPair("1", "k"))
    await eventually(lambda: not worker.shown)


async def test_a_worker_that_is_being_replaced_is_told_when_it_is_back():
    worker, challenges = Worker(), Challenges()
    challenges.workers = [Worker(gone=True), worker]
    withdraw = await challenges.tell_tls("A.test", KeyPair("1", "k"))
    assert worker.shown == challenges.shown == {"a.test": ["1", "k"]}
    withdraw()
    assert challenges.shown == {}
    await eventually(lambda: not worker.shown)


async def test_whoever_stops_waiting_for_workers_leaves_no_proof_with_them():
    worker, challenges = Worker(), Challenges()
    challenges.workers = [worker, Worker()]
    telling = asyncio.create_task(challenges.tell_tls("a.test", KeyPair("1", "k")))
    await eventually(lambda: worker.shown)
    telling.cancel()
    await asyncio.wait([telling])
    await eventually(lambda: not worker.shown)
