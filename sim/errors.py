"""What goes wrong with an emulation itself; the nodes' own faults are theirs to handle."""


class SimError(Exception):
    """The emulation cannot do what was asked of it."""


class DeadlineError(SimError):
    """What was waited for did not happen in time."""


class FlashError(SimError):
    """The flash file is no image of the layout that a node starts from."""
