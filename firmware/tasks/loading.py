"""Modules that are needed now and then: imported where they are used, and let go afterwards."""

import gc
import sys


def let_go(*names: str) -> None:
    """Forget modules, so that the collector can take their bytecode back."""
    for name in names:
        sys.modules.pop(name, None)
        parent, _, child = name.rpartition(".")
        parent = sys.modules.get(parent)
        if hasattr(parent, child):
            delattr(parent, child)
    gc.collect()
