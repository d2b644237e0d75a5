"""The rollout policy over random fleets: nodes that confirm, fail, restart, fall silent, return.

The model below carries the policy's effects out as the engine does, on a list of nodes.
"""

from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fleet.rollouts import policy, waves
from fleet.rollouts.policy import Expire, Finish, NextWave, Offer, Pause, Plan, Settle, Tally

BAD = ("failed", "rolled_back", "expired")
ENDED = ("confirmed", "cancelled", "unreached", *BAD)


@dataclass
class Node:
    """One action of the model; `late`: it is a second offer."""

    name: int
    wave: int
    word: str = "pending"
    started: int = 0
    ended: int = 0
    restarts: int = 0
    late: bool = False
    superseded: bool = False
    forgiven: bool = False

    @property
    def going(self):
        return self.word in ("requested", "staged")


class Rollout:
    """A rollout, its nodes, and what is done to them."""

    def __init__(self, plan, sizes):
        self.plan, self.sizes = plan, sizes
        numbers = [wave for wave, size in enumerate(sizes, 1) for _ in range(size)]
        self.nodes = [Node(name, wave) for name, wave in enumerate(numbers)]
        self.state, self.wave, self.settled_at, self.accepted = "active", 1, None, 0
        self.now = 1000

    def overdue(self, node):
        withheld = self.state == "paused" and node.word == "requested"
        return node.going and not withheld and node.started + self.plan.deadline_s <= self.now

    def crashing(self, node):
        return node.word == "confirmed" and node.restarts > self.plan.max_restarts

    def tally(self, wave):
        mine = [node for node in self.nodes if node.wave == wave and not node.superseded]
        failed = [node for node in mine if node.word in BAD or self.crashing(node)]
        return Tally(
            size=self.sizes[wave - 1],
            pending=sum(node.word == "pending" and not node.late for node in mine),
            under_way=sum(node.going and not node.late for node in mine),
            confirmed=sum(node.word == "confirmed" and not self.crashing(node) for node in mine),
            failed=len(failed),
            forgiven=sum(node.forgiven for node in failed),
            late_pending=sum(node.word == "pending" and node.late for node in mine),
            late_under_way=sum(node.going and node.late for node in mine),
            overdue=sum(self.overdue(node) for node in mine),
            latest=max((node.ended for node in mine if node.word in ENDED), default=0),
        )

    @property
    def status(self):
        tallies = tuple(self.tally(wave) for wave in range(1, len(self.sizes) + 1))
        return policy.Status(self.state, self.wave, self.settled_at, self.accepted, tallies)

    def tick(self):
        for _ in range(500):
            effects = policy.decide(self.plan, self.status, self.now)
            if not effects:
                return
            for effect in effects:
                self.apply(effect)
        pytest.fail("the policy never has enough")

    def offer(self, count):
        assert self.state in ("active", "finished")
        if self.state == "active":
            self.no_wave_failed()
        waiting = [node for node in self.nodes if node.word == "pending"
                   and (node.wave <= self.wave or node.late)]  # fmt: skip
        assert 0 < count <= len(waiting)
        for node in sorted(waiting, key=lambda node: node.wave)[:count]:
            node.word, node.started = "requested", self.now

    def apply(self, effect):
        match effect:
            case Expire():
                for node in filter(self.overdue, list(self.nodes)):
                    self.expire(node)
            case Offer(count):
                self.offer(count)
            case Settle(at):
                assert self.settled_at is None
                self.settled_at = at
            case NextWave(wave):
                self.leave_wave()
                assert wave == self.wave + 1
                self.wave, self.settled_at = wave, None
            case Pause(reason):
                assert self.state == "active"
                assert reason
                self.state = "paused"
            case Finish():
                self.leave_wave()
                assert self.wave == len(self.sizes)
                self.state = "finished"

    def judged(self, wave):
        """Return the good and bad nodes of a wave, and those of the bad that nobody accepted."""
        mine = [node for node in self.nodes if node.wave == wave and not node.superseded]
        bad = [node for node in mine if node.word in BAD or self.crashing(node)]
        good = [node for node in mine if node.word == "confirmed" and not self.crashing(node)]
        return good, bad, [node for node in bad if not node.forgiven]

    def no_wave_failed(self):
        for wave in range(1, self.wave + 1):
            good, bad, fresh = self.judged(wave)
            outcomes = len(good) + len(bad)
            if fresh and outcomes >= min(self.plan.min_sample, self.sizes[wave - 1]):
                assert len(bad) / outcomes < self.plan.failure_percent / 100

    def leave_wave(self):
        """A wave is left only when it is through, good enough, and watched for long enough."""
        assert self.state == "active"
        assert self.now >= self.settled_at + self.plan.soak_s
        self.no_wave_failed()
        mine = [node for node in self.nodes if node.wave == self.wave and not node.superseded]
        assert not any((node.word == "pending" or node.going) and not node.late for node in mine)
        good, bad, fresh = self.judged(self.wave)
        assert len(good) * 100 >= self.plan.success_percent * (len(good) + len(fresh))
        if self.wave < len(self.sizes) and self.accepted < self.wave:
            late = sum(node.late and (node.going or node.word == "pending") for node in mine)
            wanted = min(self.plan.min_sample, self.sizes[self.wave - 1])
            assert len(good) + len(bad) + late >= wanted

    def expire(self, node):
        if node.word == "staged":
            node.word = "failed"
        elif self.state in ("active", "paused") and not node.late and node.wave < len(self.sizes):
            node.word, node.wave = "pending", node.wave + 1
        else:
            node.word = (
                "unreached" if self.state in ("active", "paused", "finished") else "cancelled"
            )
        node.ended = self.now


plans = st.builds(
    Plan,
    success_percent=st.sampled_from([0, 50, 90, 100]),
    failure_percent=st.sampled_from([0, 10, 34, 50, 100]),
    min_sample=st.sampled_from([1, 1, 2, 5]),
    soak_s=st.integers(0, 30),
    deadline_s=st.integers(5, 60),
    max_in_flight=st.integers(1, 5),
    max_restarts=st.integers(0, 2),
)
steps = st.lists(
    st.one_of(
        st.builds(lambda n: {"count": n}, st.integers(1, 5)),
        st.builds(lambda n: {"percent": n}, st.integers(1, 100)),
    ),
    max_size=4,
).map(lambda found: [*found, {"percent": 100}])


class Fleet(RuleBasedStateMachine):
    """What nodes and operators do, in any order; the engine looks in between."""

    @initialize(plan=plans, steps=steps, total=st.integers(1, 20))
    def begin(self, plan, steps, total):
        sizes = waves.sizes(steps, total)
        assert sum(sizes) == total
        assert min(sizes) >= 1
        self.total = total
        self.rollout = Rollout(plan, sizes)
        self.rollout.tick()

    def pick(self, index, *words):
        found = [node for node in self.rollout.nodes if node.word in words]
        return found[index % len(found)] if found else None

    @rule()
    def look(self):
        self.rollout.tick()

    @rule(seconds=st.integers(1, 45))
    def time_passes(self, seconds):
        self.rollout.now += seconds
        self.rollout.tick()

    @rule(index=st.integers(0, 50))
    def a_node_stages(self, index):
        if node := self.pick(index, "requested"):
            node.word = "staged"

    @rule(index=st.integers(0, 50), word=st.sampled_from(["confirmed", "confirmed", *BAD]))
    def a_node_ends(self, index, word):
        if node := self.pick(index, "requested", "staged"):
            node.word, node.ended = word, self.rollout.now
            self.rollout.tick()

    @rule(words=st.lists(st.sampled_from(["confirmed"] * 5 + ["failed"]), max_size=10))
    def many_end(self, words):
        for index, word in enumerate(words):
            self.a_node_ends(index, word)

    @rule(index=st.integers(0, 50))
    def a_node_restarts(self, index):
        if node := self.pick(index, "confirmed"):
            node.restarts += 1

    @rule(index=st.integers(0, 50))
    def a_silent_node_comes_back(self, index):
        node = self.pick(index, "unreached")
        offered = self.rollout.state in ("active", "finished")
        if offered and node is not None and not node.superseded:
            node.superseded = True
            self.rollout.nodes.append(Node(node.name, node.wave, late=True))

    @precondition(lambda self: self.rollout.state in ("active", "paused"))
    @rule(resume=st.sampled_from([False, True, True]))
    def an_operator_steers(self, resume):
        if not resume:
            self.rollout.state = "paused"
        elif self.rollout.state == "paused":
            self.resume()

    @precondition(lambda self: self.rollout.now > 1100)
    @rule(word=st.sampled_from(["aborted", "rolled_back"]))
    def an_operator_closes_it(self, word):
        self.rollout.state = word
        for node in self.rollout.nodes:
            if node.word in ("pending", "requested"):
                node.word = "cancelled"

    def resume(self):
        rollout = self.rollout
        if policy.unsampled(rollout.plan, rollout.status):
            rollout.accepted = rollout.wave
        for node in rollout.nodes:
            if not node.superseded and (node.word in BAD or rollout.crashing(node)):
                node.forgiven = True
            if node.word == "requested":
                node.started = rollout.now
        rollout.state = "active"
        rollout.tick()
        # What was accepted does not stop it again by itself.
        assert rollout.state in ("active", "finished") or any(
            tally.failed > tally.forgiven for tally in rollout.status.waves
        ) or policy.unsampled(rollout.plan, replace(rollout.status))  # fmt: skip

    @invariant()
    def never_over_the_cap(self):
        rollout = self.rollout
        assert sum(node.going for node in rollout.nodes) <= rollout.plan.max_in_flight

    @invariant()
    def never_past_the_wave_that_is_reached(self):
        rollout = self.rollout
        touched = [node for node in rollout.nodes if node.word not in ("pending", "cancelled")]
        assert all(node.wave <= rollout.wave for node in touched)

    @invariant()
    def never_a_node_not_targeted_and_each_counts_once(self):
        counting = [node.name for node in self.rollout.nodes if not node.superseded]
        assert sorted(counting) == list(range(self.total))

    def teardown(self):
        """It always ends: with nodes that answer or stay silent, and an operator who resumes."""
        if not hasattr(self, "rollout"):
            return
        rollout = self.rollout
        bound = 3 * (len(rollout.nodes) + 1) * (len(rollout.sizes) + 1)
        for turn in range(bound):
            if rollout.state == "paused":
                self.resume()
            node = self.pick(turn, "requested", "staged")
            if node is not None and turn % 2:
                node.word, node.ended = "confirmed", rollout.now
            rollout.now += rollout.plan.deadline_s + rollout.plan.soak_s
            rollout.tick()
        assert rollout.state in ("finished", "aborted", "rolled_back")
        assert not any(node.going or node.word == "pending" for node in rollout.nodes)


Fleet.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
test_a_rollout_over_any_fleet = Fleet.TestCase
