"""Firmware lets its modules go, as on a node; on this side the next test wants them back."""

import sys

import pytest

_OURS = ("firmware", "ota")


@pytest.fixture(autouse=True)
def _modules_come_back():
    before = {name: module for name, module in sys.modules.items() if _is_ours(name)}
    yield
    for name in [name for name in sys.modules if _is_ours(name) and name not in before]:
        del sys.modules[name]
    for name, module in before.items():
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def _is_ours(name):
    return name.partition(".")[0] in _OURS
