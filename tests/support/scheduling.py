"""Which worker of `pytest -n` runs what: a city costs its file ten seconds, so no two found it."""

from xdist.scheduler import LoadScopeScheduling


class ByCity(LoadScopeScheduling):
    """A file of journeys or attacks is one worker's, any other test goes to who is free.

    Files come first, those with most tests before all; what is short is left for the end. The
    fleet server is a worker's for the whole run: its tests may go anywhere.
    """

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        folder, _, name = file.rpartition("/")
        whole = folder.endswith(("journeys", "attacks")) and not name.startswith("test_fleet_")
        return file if whole else nodeid
