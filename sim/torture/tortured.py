"""A node that does not only lose its power at a flash operation, but may fail there otherwise."""

from sim.board import HARD, POWER_ON, WATCHDOG
from sim.node import Node

MEMORY = "memory"
"""The heap is too small for what the update needs; not a failure at one change."""

FAILURES = {"power": None, "brown-out": POWER_ON, "crash": HARD, "hang": WATCHDOG}
"""How a node fails, and the cause that its next start is told; None: it stays off.

A brown-out takes the chip's supply for a moment and leaves the lamp's; a hang is what the watchdog
ends, wherever it is that the node hangs.
"""


class Tortured(Node):
    """A node that fails in the way of `failure` at the operation that `cut_power_at` names."""

    failure = "power"

    def _fall(self, op: str, payload: bytes) -> None:
        cause = FAILURES[self.failure]
        if op != "X" or cause is None:
            super()._fall(op, payload)
            return
        self.cuts += 1
        self.flash.disarm()
        if cause == POWER_ON:
            self.board.power_on()
        self._stop((cause, 0.0))
