"""State of one worker and of several behaves alike, as long as there is room."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pointsman.shared import AcrossCommons, LocalCommons, LocalState, MemoryFile, place_key
from pointsman.shared.across import AcrossState
from pointsman.shared.file import COUNT_SETS, ENTRY_SETS, WAYS

KEY = b"k" * 32
OTHER = b"o" * 32


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(name="file", scope="module")
def memory_file():
    file = MemoryFile.create(3)
    yield file
    file.close()


@pytest.fixture(params=["local", "across"], name="state")
def any_state(request, file):
    key = place_key(request.node.name.encode(), (), None)
    return LocalCommons().state(key) if request.param == "local" else AcrossCommons(file, 1).state(key)


def read(state, key):
    seen = []

    def look(pair):
        seen.append(pair)
        return pair

    state.update(key, look, 60)
    return seen[-1]


def test_an_update_sees_what_the_last_one_left_and_none_forgets(state):
    state.update(b"a", lambda pair: (1.0, 2.0), 60)
    state.update(b"a", lambda pair: (pair[0] + 1, pair[1] * 2), 60)

    assert read(state, b"a") == (2.0, 4.0)
    assert read(state, b"b") is None
    state.update(b"a", lambda pair: None, 60)
    assert read(state, b"a") is None


def test_a_change_that_fails_changes_nothing_and_locks_nothing(state):
    state.update(b"a", lambda pair: (1.0, 2.0), 60)
    with pytest.raises(ZeroDivisionError):
        state.update(b"a", lambda pair: (1 / 0, 0.0), 60)

    assert read(state, b"a") == (1.0, 2.0)


def test_so_many_enter_and_one_more_when_one_leaves(state):
    assert [state.enter(b"a", 2) for _ in range(3)] == [True, True, False]
    assert state.enter(b"b", 1)
    state.leave(b"a")
    assert state.enter(b"a", 2)
    assert not state.enter(b"c", 0)


def test_leaving_what_was_not_entered_does_no_harm(state):
    state.leave(b"a")
    assert state.enter(b"a", 1)
    assert not state.enter(b"a", 1)


def test_keys_of_any_length_are_told_apart(state):
    keys = [b"", b"\0" * 16, b"x" * 70_000, b"x" * 70_001, bytes(range(256))]
    for number, key in enumerate(keys):
        state.update(key, lambda pair, number=number: (float(number), 0.0), 60)
        assert state.enter(key, 1)
    assert [read(state, key)[0] for key in keys] == [0, 1, 2, 3, 4]
    assert not any(state.enter(key, 1) for key in keys)
    for key in keys:
        state.leave(key)
        assert state.enter(key, 1)


def test_the_secret_is_the_places_own():
    local, file = LocalCommons(), MemoryFile.create(2)
    one, other = AcrossCommons(file, 0), AcrossCommons(file, 1)

    assert local.state(KEY).secret == one.state(KEY).secret == other.state(KEY).secret
    assert len(local.state(KEY).secret) == 32
    assert local.state(OTHER).secret != local.state(KEY).secret
    file.close()


def test_a_place_is_its_position_and_its_configuration():
    keys = {
        place_key(secret, place, raw)
        for secret in (b"s", b"t")
        for place in (("router", "a@file", "0"), ("router", "a@file", "1"))
        for raw in ({"rateLimit": {"average": 1}}, {"rateLimit": {"average": 2}})
    }
    assert len(keys) == 8
    assert place_key(b"s", ["a"], {"x": [1]}) == place_key(b"s", ("a",), {"x": [1]})


def test_places_do_not_see_each_other(file):
    for commons in (LocalCommons(), AcrossCommons(file, 0)):
        one, other = commons.state(KEY), commons.state(OTHER)
        one.update(b"a", lambda pair: (1.0, 1.0), 60)
        assert one.enter(b"a", 1)
        assert read(other, b"a") is None
        assert other.enter(b"a", 1)
        one.leave(b"a")
        other.leave(b"a")


def test_a_new_instance_of_the_same_place_goes_on_where_the_old_one_is():
    commons = LocalCommons()
    old = commons.state(KEY)
    old.enter(b"a", 1)

    assert not commons.state(KEY).enter(b"a", 1)
    old.leave(b"a")
    assert commons.state(KEY).enter(b"a", 1)


@pytest.mark.parametrize("make", ["local", "across"])
def test_what_is_not_updated_is_forgotten_in_time(make, file):
    clock = Clock()
    state = LocalState(b"s", clock) if make == "local" else AcrossState(file, 0, b"t" * 32, clock)
    state.update(b"a", lambda pair: (1.0, 1.0), 2)
    clock.now += 1.9
    assert read(state, b"a") == (1.0, 1.0)
    clock.now += 60.1
    assert read(state, b"a") is None


def test_one_workers_memory_is_bounded_and_the_oldest_go_first():
    clock = Clock()
    state = LocalState(b"s", clock, limit=3)
    for key in (b"a", b"b", b"c", b"a", b"d"):
        clock.now += 1
        state.update(key, lambda pair: (1.0, 1.0), 60)

    assert list(state._entries) == [b"c", b"a", b"d"]
    for key in (b"a", b"b", b"c"):
        assert state.enter(key, 1)
    assert not state.enter(b"d", 1), "there is no room to count one more"
    assert state.refused == 1
    state.leave(b"a")
    assert state.enter(b"d", 1)


def test_one_workers_memory_gives_back_what_has_expired():
    clock = Clock()
    state = LocalState(b"s", clock)
    for number in range(100):
        state.update(b"%d" % number, lambda pair: (1.0, 1.0), 5)
        clock.now += 1
    assert len(state._entries) <= 6


# the memory file


def same_set(file, clock, count, table, keys=(KEY,)):
    """Keys of these places, one after the other, that all belong to one set."""
    states = [AcrossState(file, 0, key, clock) for key in keys]
    found, number, wanted = [], 0, None
    while len(found) < count:
        state = states[len(found) % len(states)]
        at = table.at(state._digest(b"%d" % number))
        wanted = at if wanted is None else wanted
        if at == wanted:
            found.append((state, b"%d" % number))
        number += 1
    return found


def test_there_is_room_for_more_than_65536_sources():
    assert ENTRY_SETS * WAYS >= 4 * 65_536
    assert COUNT_SETS * WAYS >= 2 * 65_536


def test_a_full_set_loses_what_is_nearest_its_end():
    clock, file = Clock(), MemoryFile.create(1)
    crowd = same_set(file, clock, WAYS + 2, file.entries)
    for state, key in crowd:
        clock.now += 1
        state.update(key, lambda pair: (1.0, 1.0), 60)

    assert [read(state, key) is None for state, key in crowd[2:]] == [False] * WAYS
    file.close()


def test_a_crowd_of_one_place_does_not_push_out_another():
    clock, file = Clock(), MemoryFile.create(1)
    both = same_set(file, clock, 2 * WAYS, file.entries, (OTHER, KEY))
    quiet, crowd = both[0], [each for number, each in enumerate(both) if number % 2]
    quiet[0].update(quiet[1], lambda pair: (7.0, 7.0), 60)
    for state, key in [*crowd, *crowd]:
        clock.now += 0.1
        state.update(key, lambda pair: (1.0, 1.0), 60)

    assert read(*quiet) == (7.0, 7.0)
    file.close()


def test_counts_in_a_full_set_are_never_pushed_out():
    clock, file = Clock(), MemoryFile.create(1)
    crowd = same_set(file, clock, WAYS + 1, file.counts)

    assert [state.enter(key, 1) for state, key in crowd] == [True] * WAYS + [False]
    assert crowd[0][0].refused == 1
    crowd[0][0].leave(crowd[0][1])
    assert crowd[-1][0].enter(crowd[-1][1], 1)
    file.close()


def test_a_dead_workers_counts_are_free_also_where_the_set_was_full():
    clock, file = Clock(), MemoryFile.create(2)
    crowd = same_set(file, clock, WAYS + 1, file.counts)
    other = AcrossState(file, 1, KEY, clock)
    for state, key in crowd[:-1]:
        assert state.enter(key, 1)
    assert not other.enter(crowd[0][1], 1)
    file.release(0)

    assert all(other.enter(key, 1) for _, key in crowd[1:])
    file.close()


def test_a_file_is_as_large_as_it_says_and_takes_no_memory_before_it_is_used():
    import os

    file = MemoryFile.create(64)
    state = os.fstat(file.descriptor)
    assert state.st_size == file.counts.end
    assert state.st_blocks * 512 <= 64 * 1024
    file.close()


def model_update(model, key, pair, expiry):
    model[key] = (expiry, pair)


class AsAModel(RuleBasedStateMachine):
    """Whatever three workers do to one place is what they would do to dictionaries."""

    keys = st.sampled_from([b"", b"a", b"b", b"c" * 100])

    @initialize()
    def begin(self):
        self.file, self.clock = MemoryFile.create(3), Clock()
        self.workers = [AcrossState(self.file, worker, KEY, self.clock) for worker in range(3)]
        self.local = LocalState(b"s", self.clock)
        self.entries: dict[bytes, tuple[float, tuple[float, float]]] = {}
        self.held: list[tuple[int, bytes]] = []

    def teardown(self):
        self.file.close()

    @rule(worker=st.integers(0, 2), key=keys, amount=st.floats(allow_nan=False), seconds=st.sampled_from([1.0, 5.0, 9.0]))
    def update(self, worker, key, amount, seconds):
        expected = self.entries.get(key)
        before = expected[1] if expected is not None and expected[0] > self.clock.now else None
        for state in (self.workers[worker], self.local):
            seen = []

            def change(pair, seen=seen):
                seen.append(pair)
                return None if amount < 0 else (amount, (pair or (0.0, 0.0))[1] + 1)

            state.update(key, change, seconds)
            assert seen == [before]
        if amount < 0:
            self.entries.pop(key, None)
        else:
            self.entries[key] = (self.clock.now + seconds, (amount, (before or (0.0, 0.0))[1] + 1))

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0]))
    def wait(self, seconds):
        self.clock.now += seconds

    @rule(worker=st.integers(0, 2), key=keys, limit=st.integers(0, 4))
    def enter(self, worker, key, limit):
        free = sum(held == key for _, held in self.held) < limit
        assert self.workers[worker].enter(key, limit) is free
        if free:
            self.held.append((worker, key))

    @rule(data=st.data())
    def leave(self, data):
        if self.held:
            worker, key = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
            self.workers[worker].leave(key)

    @rule(worker=st.integers(0, 2))
    def die(self, worker):
        self.file.release(worker)
        self.held = [(holder, key) for holder, key in self.held if holder != worker]

    @invariant()
    def nobody_holds_a_key_for_nothing(self):
        if self.held == [] and hasattr(self, "workers"):
            assert all(self.workers[0].enter(key, 1) for key in (b"", b"a", b"b"))
            for key in (b"", b"a", b"b"):
                self.workers[0].leave(key)


TestAsAModel = AsAModel.TestCase


@given(st.lists(st.binary(max_size=80), unique=True, max_size=50))
def test_every_key_is_its_own(keys):
    file = MemoryFile.create(1)
    state = AcrossCommons(file, 0).state(KEY)
    for number, key in enumerate(keys):
        state.update(key, lambda pair, number=number: (float(number), 0.0), 60)
    assert [read(state, key) for key in keys] == [(float(number), 0.0) for number in range(len(keys))]
    file.close()


def test_the_clock_is_the_machines():
    """Entries of all workers are compared by it."""
    assert abs(time.monotonic() - time.clock_gettime(time.CLOCK_MONOTONIC)) < 1
