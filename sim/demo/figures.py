"""What --json writes. Every figure is counted where it happens; none is written in."""

from dataclasses import dataclass, field
from typing import Any

from sim.story import Story


@dataclass
class Figures:
    """Counts of one run; see the chapters for where each comes from."""

    nodes: int
    enrolled: int = 0
    windows_produced: int = 0
    windows_stored: int = 0
    windows_lost: int = 0
    windows_duplicated: int = 0
    windows_resent: int = 0
    releases: dict[str, dict[str, int | str]] = field(default_factory=dict)
    forged: dict[str, int] = field(default_factory=lambda: {"offered": 0, "installed": 0})
    power_cuts: dict[str, int] = field(default_factory=lambda: {"injected": 0, "bricked": 0})
    lamp_dark_seconds: float = 0.0

    def document(self, story: Story) -> dict[str, Any]:
        """Return all of it with the verdicts of the story."""
        return {**vars(self), "checks": story.checks, "seconds": round(story.seconds, 1)}
