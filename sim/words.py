"""What nodes say on their consoles, counted as they say it."""

import re
from collections.abc import Iterable

from sim.node import Node

_ENROLLED = re.compile(r"enrol: certificate|uplink: \d+ windows up to")
_SENT = re.compile(r"uplink: (\d+) windows up to \d+ acknowledged")


class Words:
    """Follows consoles: `enrolled` holds ids, `sent` counts windows the server acknowledged."""

    def __init__(self) -> None:
        self.enrolled: set[str] = set()
        self.sent = 0
        self._marks: dict[str, int] = {}

    def follow(self, nodes: Iterable[Node]) -> None:
        """Take in the whole lines said since the last call."""
        for node in nodes:
            with node.loop.lock:
                said, self._marks[node.id] = node.console.lines(self._marks.get(node.id, 0))
            self.sent += sum(int(count) for count in _SENT.findall(said))
            if _ENROLLED.search(said):
                self.enrolled.add(node.id)
