"""The states, against a model that follows the specification word by word."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman_circuitbreaker.circuit import Circuit

FALLBACK, RECOVERY = 10.0, 4.0


class Model:
    """State, when it ends, and who came since recovering began: true for each that passed."""

    def __init__(self):
        self.state, self.until, self.came = "closed", 0.0, []

    def trip(self, now):
        self.state, self.until = "open", now + FALLBACK

    def comes(self, now):
        if self.state == "open" and now >= self.until:
            self.state, self.until, self.came = "recovering", now + RECOVERY, []
        if self.state == "recovering" and now > self.until:
            self.state = "closed"
        if self.state != "recovering":
            return self.state == "closed"
        share = 0.5 * (RECOVERY - (self.until - now)) / RECOVERY
        self.came.append((sum(self.came) + 1) / (len(self.came) + 1) < share)
        return self.came[-1]


@given(st.lists(st.tuples(st.sampled_from(["comes", "comes", "comes", "trip"]), st.integers(0, 60)), max_size=120))
def test_it_goes_the_way_of_the_model(steps):
    circuit, model, now = Circuit(FALLBACK, RECOVERY, 0.0), Model(), 0.0
    for what, eighths in steps:
        now += eighths / 8
        if what == "trip":
            circuit.trip(now)
            model.trip(now)
        else:
            assert circuit.admits(now) == model.comes(now)
        assert circuit.state == model.state


def test_recovering_begins_with_a_refusal_and_ends_near_every_second():
    circuit = Circuit(FALLBACK, RECOVERY, 0.0)
    circuit.trip(0.0)
    passed = [circuit.admits(FALLBACK + number / 250) for number in range(1000)]

    assert not passed[0]
    assert 200 < sum(passed) < 500
    assert sum(passed[-100:]) > sum(passed[200:300]) > sum(passed[:100])
