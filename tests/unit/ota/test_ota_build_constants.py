"""Constants are declared so that the compiler drops their names, and nothing else changes."""

from pathlib import Path

import pytest

from ota.build.compiler import compile_module
from ota.build.constants import declare


@pytest.mark.parametrize(
    ("line", "declared"),
    [
        ("_X = 3", "_X = const(3)"),
        ("_X = -3  # why", "_X = const(-3)  # why"),
        ("_X = 36 * 1024", "_X = const(36 * 1024)"),
        ("_X = (1 << 30) - 1", "_X = const((1 << 30) - 1)"),
        ("_X = 1 << 30", "_X = const(1 << 30)"),
        ('_X = "ä"  # ö', '_X = const("ä")  # ö'),
        ('_X = b"\\x00"', '_X = const(b"\\x00")'),
        ("_X = 0xFF_FF", "_X = const(0xFF_FF)"),
    ],
)
def test_a_private_constant_is_declared(line, declared):
    source = f"import gc\n{line}\ndef f():\n    return _X\n"
    assert declare(source.encode()) == source.replace(line, declared).encode()


@pytest.mark.parametrize(
    "source",
    [
        "X = 3\n",
        "__all__ = 3\n",
        "_X = 1.5\n",
        "_X = True\n",
        "_X = None\n",
        "_X = (1, 2)\n",
        "_X = f()\n",
        "_X = _Y = 3\n",
        "_X = (\n    3\n)\n",
        "_X = (3)\n",
        "_X: int = 3\n",
        "_X = 3\n_X = 4\n",
        "_X = 3\n_X += 1\n",
        "_X = 3\ndef f():\n    global _X\n",
        "_X = 3\ndef f(_X):\n    return _X\n",
        "_X = 3\ndef f():\n    _X = 4\n",
        "_X = 3\nimport a as _X\n",
        "_X = 3\nclass _X: pass\n",
        "_X = 3\ntry: f()\nexcept E as _X: pass\n",
        "_X = 3\ndel _X\n",
        "def f():\n    _X = 3\n",
        "_X = = 3\n",
        "_X = 3\0\n",
    ],
)
def test_nothing_else_is(source):
    assert declare(source.encode()) == source.encode()


def test_the_name_is_gone_from_the_compiled_module(tmp_path):
    file = tmp_path / "m.py"
    file.write_text("_LONG_NAME = 12345\ndef f():\n    return _LONG_NAME\n")
    assert b"_LONG_NAME" not in compile_module(file, "m.py")
    file.write_text(
        "LIMIT_BYTES = 12345\ndef f():\n    return LIMIT_BYTES\n"
    )  # a name that others use too
    assert b"LIMIT_BYTES" in compile_module(file, "m.py")


def test_every_module_of_a_slot_still_compiles():
    root = Path(__file__).parents[3]
    for file in [*root.glob("firmware/**/*.py"), *root.glob("ota/core/*.py")]:
        assert compile_module(file, file.name)
