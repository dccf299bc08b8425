"""What a worker says is data of somebody who meets the world: whatever it is, it harms nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.config.entrypoint_model import EntryPoint
from pointsman.config.static import Static
from pointsman.control.knowledge import Knowledge, _judgements, _server_judgements
from pointsman.control.merge import at_once, merge
from pointsman.control.traffic import _loads, _states
from pointsman.control.workers import Unanswered
from pointsman.plugins import load_registry

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


class Worker:
    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    async def ask(self, question, arguments):
        self.asked.append(question)
        if question not in self.answers:
            raise Unanswered("this worker is dumb")
        return self.answers[question]


def knowledge(*workers):
    static = Static(entry_points={"web": EntryPoint("127.0.0.1:80")})
    known = Knowledge(static, load_registry(entry_point_plugins=False))
    known.workers = workers
    known.tree, _ = merge({"file": {"http": {"routers": {"r": {"rule": "Host(`a`)", "service": "s"}}}}})
    return known


SAID = [{"http.routers": {"r@file": ["disabled", ["no service"]]}}]


async def test_statuses_are_asked_for_once_per_configuration():
    worker = Worker(statuses=SAID)
    known = knowledge(worker)

    for _ in range(3):
        row = (await known.index()).find("http.routers", "r@file")
    assert (row.status, row.errors, worker.asked) == ("disabled", ("no service",), ["statuses"])

    known.tree = dict(known.tree)
    await known.index()
    assert worker.asked == ["statuses", "statuses"]


async def test_another_worker_is_asked_if_one_does_not_answer():
    assert (await knowledge(Worker(), Worker(statuses=SAID)).index()).find("http.routers", "r@file").status == "disabled"
    with pytest.raises(Unanswered, match="dumb"):
        await knowledge(Worker()).index()


async def test_what_workers_judge_is_added_up():
    said = [{"s@file": {"http://a": [True, False]}}]
    condition = await knowledge(Worker(servers=said), Worker(servers=said), Worker()).condition()

    assert condition.judged == {"s@file": {"http://a": (2, 0)}}
    assert condition.workers == 3


@given(st.lists(JSON, max_size=4))
def test_nothing_that_a_worker_may_say_is_an_error(said):
    at_once(_judgements(said))
    _server_judgements([said])
    _loads([said])
    _states([said])
