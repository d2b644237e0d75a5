"""Who plays what. Every node is in the story, and none is asked for more than it may give.

A node installs at most four releases a day (ota.core.limits): whoever tries a bad one rests
afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sim.node import Node

LEAST = 6
CUT_OFF, SLOW, LOSES_AN_ANSWER = "old-town", "harbour", "hillside"
"""Districts, and what happens to their networks."""


@dataclass(frozen=True)
class Cast:
    """The nodes by their parts.

    broken: gets the release that fails its self-test. crashing: confirm the one that crashes.
    healthy, later: of the first wave in the evening, of the second. lightless: without power
    before it has staged; vanished: after. cut_in_download, cut_in_swap: the power fails there.
    """

    everyone: tuple[Node, ...]
    broken: Node
    crashing: tuple[Node, ...]
    healthy: Node
    lightless: Node
    vanished: Node
    later: Node
    night: tuple[Node, ...]

    @property
    def evening(self) -> tuple[Node, ...]:
        """Who gets 1.4.0 first, in the order of its waves: three, then one."""
        return self.healthy, self.vanished, self.lightless, self.later

    @property
    def cut_in_download(self) -> Node:
        """The node whose power fails in the middle of a download."""
        return self.night[-2]

    @property
    def cut_in_swap(self) -> Node:
        """The node whose power fails while it writes down that it swaps."""
        return self.night[-1]


def cast(nodes: Sequence[Node]) -> Cast:
    """Give every node its parts; there must be LEAST."""
    first, second, third, fourth, fifth, sixth, *more = nodes
    return Cast(
        everyone=tuple(nodes),
        broken=second,
        crashing=(third, fourth),
        healthy=first,
        lightless=fifth,
        vanished=sixth,
        later=second,
        night=(third, fourth, *more),
    )
