"""PURE: what to do with a rollout, from its plan, its state and the tally of its waves.

Neither database nor HTTP is known here. Effects are a closed vocabulary; the engine carries them
out and asks again, until nothing is left to do. The order of the rules:

1. Silence counts: updates past their deadline are ended before anything is judged.
2. A wave that fails stops everything, an earlier one (whose nodes restart) as well.
3. A wave that has settled and soaked gives way to the next one; after the last it is over.
4. Offers go out, within the cap.

Percentages are compared as whole numbers, without rounding, and equality counts against us.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from fleet.rollouts.words import ACTIVE, FINISHED


@dataclass(frozen=True)
class Plan:
    """What the operator asked for. Seconds, percent of a wave's outcomes, numbers of nodes."""

    success_percent: int
    failure_percent: int
    min_sample: int
    soak_s: int
    deadline_s: int
    max_in_flight: int
    max_restarts: int


@dataclass(frozen=True)
class Tally:
    """Where the nodes of one wave stand.

    size: how many it was made of. failed: with those that confirmed and then restarted too
    often; forgiven: how many of them an operator accepted. late_…: nodes that had been silent and
    get a second offer; no wave waits for them. overdue: updates past their deadline. latest: when
    the last update ended.
    """

    size: int = 0
    pending: int = 0
    under_way: int = 0
    confirmed: int = 0
    failed: int = 0
    forgiven: int = 0
    late_pending: int = 0
    late_under_way: int = 0
    overdue: int = 0
    latest: int = 0

    @property
    def settled(self) -> bool:
        """Whether every update that the wave waits for has ended."""
        return self.pending == 0 and self.under_way == 0

    @property
    def outcomes(self) -> int:
        """How many nodes tell something about the release."""
        return self.confirmed + self.failed


@dataclass(frozen=True)
class Status:
    """A rollout as it stands. wave: the one under way, from 1; waves: the tally of each."""

    state: str
    wave: int
    settled_at: int | None
    accepted_wave: int
    waves: tuple[Tally, ...]

    @property
    def in_flight(self) -> int:
        """How many updates are under way, over all waves."""
        return sum(wave.under_way + wave.late_under_way for wave in self.waves)


@dataclass(frozen=True)
class Expire:
    """End the updates that are past their deadline."""


@dataclass(frozen=True)
class Offer:
    """Start so many of the waiting updates, earlier waves first."""

    count: int


@dataclass(frozen=True)
class Settle:
    """Note when the wave settled: the soak is counted from there."""

    at: int


@dataclass(frozen=True)
class NextWave:
    """Go on to this wave."""

    wave: int


@dataclass(frozen=True)
class Pause:
    """Stop and say why; only an operator goes on."""

    reason: str


@dataclass(frozen=True)
class Finish:
    """The last wave is through."""


Effect = Expire | Offer | Settle | NextWave | Pause | Finish


def decide(plan: Plan, status: Status, now: int) -> list[Effect]:
    """Return what to do now."""
    if any(wave.overdue for wave in status.waves):
        return [Expire()]
    if status.state == ACTIVE:
        reason = objection(plan, status)
        if reason is not None:
            return [Pause(reason)]
        return [*_advance(plan, status, now), *_offers(plan, status)]
    if status.state == FINISHED:
        return list(_offers(plan, status))
    return []


def _advance(plan: Plan, status: Status, now: int) -> Iterator[Effect]:
    wave = status.waves[status.wave - 1]
    if not wave.settled:
        return
    if status.settled_at is None:
        yield Settle(wave.latest or now)
    elif now - status.settled_at >= plan.soak_s:
        last = status.wave == len(status.waves)
        yield Finish() if last else NextWave(status.wave + 1)


def _offers(plan: Plan, status: Status) -> Iterator[Effect]:
    reached = status.waves[: status.wave]
    waiting = sum(wave.late_pending for wave in status.waves)
    if status.state == ACTIVE:
        waiting += sum(wave.pending for wave in reached)
    count = min(waiting, plan.max_in_flight - status.in_flight)
    if count > 0:
        yield Offer(count)


def objection(plan: Plan, status: Status) -> str | None:
    """Say why the rollout may not go on; None when it may."""
    for number, wave in enumerate(status.waves[: status.wave], 1):
        if failing(plan, wave):
            return f"wave {number}: {wave.failed} of {wave.outcomes} failed"
    wave = status.waves[status.wave - 1]
    if not wave.settled:
        return None
    if _unconvincing(plan, wave):
        return (
            f"wave {status.wave}: {wave.confirmed} of {wave.outcomes} confirmed, "
            f"{plan.success_percent} % wanted"
        )
    if unsampled(plan, status):
        wanted = min(plan.min_sample, wave.size)
        return f"wave {status.wave}: {wave.outcomes} of {wanted} outcomes that were wanted"
    return None


def failing(plan: Plan, wave: Tally) -> bool:
    """Say whether a wave fails by failures that nobody has accepted yet.

    Those that were accepted do not stop it again by themselves; beside a new one they count.
    """
    return (
        wave.failed > wave.forgiven
        and wave.outcomes >= min(plan.min_sample, wave.size)
        and wave.failed * 100 >= plan.failure_percent * wave.outcomes
    )


def _unconvincing(plan: Plan, wave: Tally) -> bool:
    judged = wave.outcomes - wave.forgiven
    return wave.confirmed * 100 < plan.success_percent * judged


def unsampled(plan: Plan, status: Status) -> bool:
    """Say whether the settled wave tells too little for others to follow.

    Who was silent tells nothing. The last wave is followed by nobody. A node on its way for the
    second time has told something before.
    """
    wave = status.waves[status.wave - 1]
    return (
        wave.settled
        and status.wave < len(status.waves)
        and status.accepted_wave < status.wave
        and wave.outcomes + wave.late_under_way + wave.late_pending
        < min(plan.min_sample, wave.size)
    )


def wave_state(plan: Plan, status: Status, number: int) -> str:
    """Return waiting, running, soaking, passed or failed."""
    if number > status.wave:
        return "waiting"
    wave = status.waves[number - 1]
    if failing(plan, wave):
        return "failed"
    if number < status.wave or status.state == FINISHED:
        return "passed"
    if wave.settled and _unconvincing(plan, wave):
        return "failed"
    return "running" if status.settled_at is None else "soaking"
