"""Which sites a caller may see: every query of every domain takes one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """All sites, or the named ones."""

    everywhere: bool = False
    sites: frozenset[str] = frozenset()

    def covers(self, site: str) -> bool:
        """Say whether *site* is within."""
        return self.everywhere or site in self.sites


EVERYWHERE = Scope(everywhere=True)
