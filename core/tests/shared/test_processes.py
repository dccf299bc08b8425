"""Several processes at one memory file, some of them killed."""

import signal
import subprocess
import sys
import time

import pytest

from pointsman.shared import AcrossCommons, MemoryFile

KEY = b"k" * 32
COUNT = """
import sys
from pointsman.shared import AcrossCommons, MemoryFile
state = AcrossCommons(MemoryFile(int(sys.argv[1])), int(sys.argv[2])).state(b"k" * 32)
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    state.update(b"sum", lambda pair: ((pair or (0.0, 0.0))[0] + 1, 0.0), 60)
    state.update(b"own%d" % (number % 50), lambda pair: (7.0, 7.0), 60)
    if state.enter(b"x", 2):
        state.update(b"now", lambda pair: (x := (pair or (0.0, 0.0))[0] + 1, max(x, (pair or (0.0, 0.0))[1])), 60)
        state.update(b"now", lambda pair: (pair[0] - 1, pair[1]), 60)
        state.leave(b"x")
"""
HOLD = """
import sys, time
from pointsman.shared import AcrossCommons, MemoryFile
state = AcrossCommons(MemoryFile(int(sys.argv[1])), int(sys.argv[2])).state(b"k" * 32)
assert state.enter(b"held", 1)
def change(pair):
    print("ready", flush=True)
    time.sleep(60)
state.update(b"locked", change, 60)
"""


@pytest.fixture(name="file")
def memory_file():
    file = MemoryFile.create(3)
    yield file
    file.close()


@pytest.fixture
def start(file):
    running = []

    def start(script, worker, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(file.descriptor), str(worker), *map(str, arguments)],
            pass_fds=[file.descriptor],
            stdout=subprocess.PIPE,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def read(state, key):
    seen = []
    state.update(key, lambda pair: seen.append(pair) or pair, 60)
    return seen[-1]


def test_nothing_is_lost_when_all_write_the_same_key(file, start):
    ours = AcrossCommons(file, 2).state(KEY)
    others = [start(COUNT, worker, 3000) for worker in range(2)]
    for _ in range(3000):
        ours.update(b"sum", lambda pair: ((pair or (0.0, 0.0))[0] + 1, 0.0), 60)
    for process in others:
        assert process.wait(30) == 0

    assert read(ours, b"sum") == (9000.0, 0.0)
    now, most = read(ours, b"now")
    assert now == 0
    assert most <= 2, "never more than two were in flight at a time"
    assert ours.enter(b"x", 1), "and nobody is now"


def test_a_worker_that_dies_while_it_holds_a_lock_gives_back_all_it_held(file, start):
    holder = start(HOLD, 0)
    assert holder.stdout.readline() == b"ready\n"
    ours = AcrossCommons(file, 1).state(KEY)
    assert not ours.enter(b"held", 1)

    holder.send_signal(signal.SIGKILL)
    ours.update(b"locked", lambda pair: (1.0, 1.0), 60)  # waits until the kernel has taken the lock back
    holder.wait()
    file.release(0)

    assert read(ours, b"locked") == (1.0, 1.0)
    assert ours.enter(b"held", 1)


def test_workers_killed_at_any_time_break_nothing(file, start):
    ours = AcrossCommons(file, 2).state(KEY)
    for turn in range(6):
        process = start(COUNT, turn % 2, 10**9)
        assert process.stdout.readline() == b"ready\n"
        end = time.monotonic() + 0.02
        while time.monotonic() < end:
            ours.update(b"mine", lambda pair: ((pair or (0.0, 0.0))[0] + 1, 5.0), 60)
        process.send_signal(signal.SIGKILL)
        process.wait()
        file.release(turn % 2)

        assert read(ours, b"mine")[1] == 5.0
        assert all(read(ours, b"own%d" % number) in (None, (7.0, 7.0)) for number in range(50))
        assert [ours.enter(b"x", 2) for _ in range(3)] == [True, True, False]
        ours.leave(b"x")
        ours.leave(b"x")
