"""Lets nodes live through an update with a failure in it, before a real server, to its end.

A node begins each life with the flash that its run begins with. Its power goes (or it fails
otherwise) at a given change; it starts again, goes on, and has to come to the end that its release
deserves, with every window either on its flash or at the server, and the light never out.
"""

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from queue import SimpleQueue

from sim import flashfiles
from sim.errors import DeadlineError, FlashError
from sim.runtime import FIRMWARE_HEAP
from sim.torture.content import damage
from sim.torture.runs import FIRST, Bench, Run
from sim.torture.tortured import MEMORY, Tortured

WHERE = ("before", "within", "after")
_END_S = 300.0
_LOOK_S = 0.2
_SECOND = 30  # a second failure comes at one of so many changes after the first
_ENDS = ("confirmed", "rolled_back", "failed", "expired")
_BLAMED = ("crash", "hang", MEMORY)  # a trial that met it is left: the old release runs on
_HEAP_LEAST = 48
_STARVED_S = 25.0
_TOLD = 3000


@dataclass(frozen=True)
class Fate:
    """A failure: at which change of the run, where in it, of which kind, and whether again.

    Of "memory" `change` is the firmware's heap in KB of 32-bit words, until the node has had it
    for a while.
    """

    run: Run
    change: int
    where: str
    failure: str = "power"
    second: int = 0
    """The change after the first failure at which the second comes, 0: none."""
    phase: str = ""
    """What the change belongs to (content.PHASES); "": any, of "memory"."""

    def __str__(self) -> str:
        again = f", again {self.second} later" if self.second else ""
        return f"{self.run.name}: {self.failure} {self.where} change {self.change}{again}"


@dataclass(frozen=True)
class Life:
    """How a life ended: `end` is the server's word, `cuts` counts the failures that came."""

    fate: Fate
    cuts: int
    end: str
    faults: tuple[str, ...]


def fates(
    run: Run, phases: Sequence[str], every: int, seed: int, failure: str = "power"
) -> list[Fate]:
    """Return a failure at each change of a run, or one in so many; of four one comes again.

    phases: what each change belongs to. However few they are, none of these is left out.
    """
    chance = random.Random(f"{seed} {run.name} {failure}")  # noqa: S311
    wanted = set(range(1 + chance.randrange(every), len(phases) + 1, every))
    for phase in sorted(set(phases) - {phases[change - 1] for change in wanted}):
        own = [change for change, of in enumerate(phases, 1) if of == phase]
        wanted.add(chance.choice(own))
    found = []
    for change in sorted(wanted):
        second = chance.randrange(1, _SECOND) if chance.random() < 0.25 else 0
        where = chance.choice(WHERE)
        found.append(Fate(run, change, where, failure, second, phases[change - 1]))
    return found


def starved(run: Run, every: int) -> list[Fate]:
    """Return lives on heaps from what hardly starts to what nearly does for an update."""
    return [Fate(run, heap, "before", MEMORY) for heap in range(_HEAP_LEAST, FIRMWARE_HEAP, every)]


class Street:
    """Nodes of a bench, off, that live in parallel, each beginning with its `images` by id."""

    def __init__(
        self, bench: Bench, nodes: Sequence[Tortured], images: Mapping[str, bytes]
    ) -> None:
        self._bench = bench
        self._nodes = nodes
        self._images = images

    def live(self, wanted: Sequence[Fate]) -> Iterator[Life]:
        """Yield each life as it ends; all fates are of the run that the nodes were made for."""
        free: SimpleQueue[Tortured] = SimpleQueue()
        for node in self._nodes:
            free.put(node)
        with ThreadPoolExecutor(len(self._nodes)) as pool:
            waiting = [pool.submit(self._one, fate, free) for fate in wanted]
            try:
                for each in as_completed(waiting):
                    yield each.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _one(self, fate: Fate, free: SimpleQueue[Tortured]) -> Life:
        node = free.get()
        try:
            return self._life(fate, node)
        finally:
            node.power_off()
            free.put(node)

    def _life(self, fate: Fate, node: Tortured) -> Life:
        begin(node, self._images[node.id])
        dark_s, known, cuts = node.lamp.dark_s, len(node.lamp.history), node.cuts
        mark = node.console.length
        faults = []
        try:
            end = self._update(fate, node) if fate.run.version else self._renewal(fate, node)
            faults += self._judge(fate, node, end, node.console.since(mark))
        except (DeadlineError, FlashError) as error:
            end = "stuck"
            faults.append(str(error))
        if (
            node.lamp.dark_s > dark_s
            or min(v for _, v in list(node.lamp.history)[known - 1 :]) < 1
        ):
            faults.append("the lamp was dark")
        return Life(fate, node.cuts - cuts, end, tuple(faults))

    def _update(self, fate: Fate, node: Tortured) -> str:
        number = self._bench.offer(fate.run.version, node)
        self._run(fate, node, lambda: self._bench.action(number)["state"] in _ENDS)
        return str(self._bench.action(number)["state"])

    def _renewal(self, fate: Fate, node: Tortured) -> str:
        mark = node.console.length

        def renewed() -> bool:
            return node.state == "running" and "memory with TLS" in node.console.since(mark)

        self._run(fate, node, renewed)
        return "renewed"

    def _run(self, fate: Fate, node: Tortured, over: Callable[[], bool]) -> None:
        """Switch the node on until `over`; its failures come as they are due."""
        cuts = node.cuts
        if fate.failure == MEMORY:
            _starve(node, fate.change, over)
        else:
            node.failure = fate.failure
            node.cut_power_at(fate.change, "change", fate.where)
        node.power_on()
        again = fate.second
        end = time.monotonic() + _END_S
        while not over():
            if again and node.cuts > cuts:
                node.cut_power_at(again, "change", fate.where)
                again = 0
            if node.state == "off":
                node.power_on()
            if node.state in ("prompt", "broken"):
                raise DeadlineError(f"it is at its {node.state}: {node.console.text[-500:]}")
            if time.monotonic() > end:
                raise DeadlineError(f"no end after {_END_S:g} s: {node.console.text[-1500:]}")
            time.sleep(_LOOK_S)
        node.flash.disarm()
        mark, end = node.console.length, time.monotonic() + _END_S
        while "acknowledged" not in node.console.since(mark):
            if node.state == "off":  # a failure that was under way already
                node.power_on()
            if time.monotonic() > end:
                raise DeadlineError(f"nothing was acknowledged: {node.console.text[-1500:]}")
            time.sleep(_LOOK_S)
        node.power_off()

    def _judge(self, fate: Fate, node: Tortured, end: str, said: str) -> list[str]:
        """Say what is wrong with the flash that a life left, and with what the server has."""
        data = flashfiles.read(node.flash.path, "data")
        found = []
        blamed = fate.failure in _BLAMED and end == "rolled_back"
        if fate.run.version and end != fate.run.outcome and not blamed:
            found.append(f"the update came to {end}")
        wanted = FIRST if blamed else fate.run.ends_with
        version = flashfiles.version(node.flash.path)
        if version != wanted:
            found.append(f"it runs {version}, not {wanted}")
        whole = [slot for slot in "ab" if damage(data, slot) is None]
        if not whole:
            found.append("no slot is whole")
        produced, unsent = flashfiles.windows(data)
        stored = self._bench.stored(node)
        gone = produced - unsent - stored
        dated, unknown = flashfiles.dated(data), undated(said)
        if lost := {window for window in gone if window in dated or window[1] not in unknown}:
            found.append(f"windows lost: {sorted(lost)}; it said {said[-_TOLD:]}")
        return found


def undated(said: str) -> set[int]:
    """Return the numbers of windows that ended in a start which never learned the time.

    Nobody can say when they were: the node counts them as lost (firmware/tasks/outbox.py).
    """
    found: set[int] = set()
    for start in said.split("boot: slot"):
        if "clock: set by" not in start:
            found |= {int(number) for number in re.findall(r"sample: window (\d+) of", start)}
    return found


def _starve(node: Tortured, heap: int, over: Callable[[], bool]) -> None:
    """Let a node go on with too small a heap for a while, then give it back what it had."""
    node.heap = heap
    node.power_on()
    end = time.monotonic() + _STARVED_S
    while time.monotonic() < end and not over():
        time.sleep(_LOOK_S)
    node.power_off()
    node.heap = FIRMWARE_HEAP
    node.cuts += 1


def begin(node: Tortured, image: bytes) -> None:
    """Give a node that is off the flash it began with, and an outbox of its own."""
    for label, (offset, size) in node.flash.partitions.items():
        if label not in (
            "factory",
            "ota_0",
        ):  # of the rest there is none that a life cannot change
            node.flash.write(label, 0, image[offset : offset + size])
    node.flash.disarm()
