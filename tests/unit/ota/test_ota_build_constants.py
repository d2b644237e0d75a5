"""Constants are declared so that the compiler drops their names, and nothing else changes."""

import ast
import re
from pathlib import Path

import pytest

from ota.build.compiler import compile_module
from ota.build.constants import declare, fold, shared
from ota.build.errors import BuildError
from ota.build.release import Header, build
from ota.build.sources import collect

HEADER = Header("1.0.0", "lamppost-air", "0.0.0", "1.27.0", 0, 30)


def declared(source):
    tree = ast.parse(source)
    declare(tree)
    return ast.unparse(tree)


@pytest.mark.parametrize(
    "value", ["3", "-3", "36 * 1024", "(1 << 30) - 1", "1 << 30", "'ä'", "b'\\x00'", "(\n3\n)"]
)
def test_a_private_constant_is_declared(value):
    source = "import gc\n_X = {}\ndef f():\n    return _X\n"
    assert declared(source.format(value)) == plain(source.format(f"const({value})"))


def plain(source):
    return ast.unparse(ast.parse(source))


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
    ],
)
def test_nothing_else_is(source):
    assert declared(source) == plain(source)


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


LIMITS = '"""Caps."""\n\nBYTES = 36 * 1024  # why\nNAME = "x"\n'


def known(tmp_path, text=LIMITS):
    file = tmp_path / "ota" / "core" / "limits.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return shared(file, ast.parse(text))


@pytest.mark.parametrize(
    ("source", "folded"),
    [
        ("from ota.core import limits\nx = limits.BYTES", "pass\nx = 36 * 1024"),
        ("from ota.core import a, limits\nx = limits.NAME", "from ota.core import a\nx = 'x'"),
        ("from ota.core import limits as l\nx = -l.BYTES", "pass\nx = -(36 * 1024)"),
        ("from ota.core.limits import BYTES\nx = BYTES + y", "pass\nx = 36 * 1024 + y"),
        ("from ota.core.limits import BYTES as B\nx[:B]", "pass\nx[:36 * 1024]"),
        (
            "def f():\n    from ota.core import limits\n    return limits.BYTES",
            "def f():\n    pass\n    return 36 * 1024",
        ),
        ("limits = 3\nx = limits", "limits = 3\nx = limits"),
        ("from firmware import limits\nx = limits.BYTES",) * 2,
    ],
)
def test_shared_constants_are_written_in(tmp_path, source, folded):
    tree = ast.parse(source)
    fold(tree, "m.py", known(tmp_path))
    assert ast.unparse(tree) == folded


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("from ota.core import limits\nlimits = 3", "binds limits"),
        ("from ota.core.limits import BYTES\ndef f(BYTES): pass", "binds BYTES"),
        ("from ota.core import limits\nx = limits.OTHER", "limits.NAME"),
        ("from ota.core import limits\nx = dir(limits)", "limits.NAME"),
        ("from ota.core import limits\nlimits.BYTES = 3", "limits.NAME"),
    ],
)
def test_a_module_of_constants_is_good_for_nothing_else(tmp_path, source, says):
    with pytest.raises(BuildError, match=re.escape(says)):
        fold(ast.parse(source), "m.py", known(tmp_path))


@pytest.mark.parametrize("text", ["", "X = f()\n", "import a\nX = 3\n", "_X = 3\n", "X = Y = 3\n"])
def test_a_module_of_more_than_constants_stays_one(tmp_path, text):
    assert known(tmp_path, text) == {}


def test_no_slot_holds_the_limits():
    paths = {source.path for source in collect()}
    built = {entry.path for entry in build(HEADER, collect()).entries}
    assert {path.removesuffix(".py") for path in paths} - {
        path.removesuffix(".mpy") for path in built
    } == {"ota/core/limits"}
