"""Modules that are needed now and then: imported where they are used, and let go afterwards.

What stays is imported with a collection before each module: bytecode is never moved, and would
otherwise lie scattered between holes too small for anything.
"""

import gc
import sys


def load(*names: str) -> None:
    """Import modules that stay; those that others need come first."""
    for name in names:
        gc.collect()
        __import__(name)
    gc.collect()


def let_go(*names: str) -> None:
    """Forget modules, so that the collector can take their bytecode back."""
    for name in names:
        sys.modules.pop(name, None)
        parent, _, child = name.rpartition(".")
        parent = sys.modules.get(parent)
        if hasattr(parent, child):
            delattr(parent, child)
    gc.collect()
