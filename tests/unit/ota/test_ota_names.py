"""Short names change what a node has to remember, and nothing that anybody can observe."""

import ast
import os
import subprocess
import sys

import pytest

from ota.build import names
from ota.build.compiler import compile_module
from ota.build.errors import BuildError
from ota.build.sources import collect

SOURCE = """
_LIMIT = 7


class Box:
    def __init__(self, content, *, label="none"):
        self._content = content
        self.label = label

    def _doubled(self, factor):
        return [self._content * factor for _ in range(_LIMIT)]

    def open(self, factor, extra=1):
        return self._doubled(factor)[:extra], self.label


def make(content, label):
    def inner(value):
        return value + content

    return Box(inner(1), label=label).open(2, extra=3)
"""


def run(source, tmp_path):
    scope = {}
    exec(compile(source, "sample", "exec"), scope)
    return scope["make"](20, label="tools"), scope


def shortened(tmp_path, source=SOURCE):
    file = tmp_path / "sample.py"
    file.write_text(source)
    beside = tmp_path / "beside.py"
    beside.write_text("import sample\n\nprint(sample.make(1, label=2), sample.Box.open)\n")
    vocabulary = names.Vocabulary([file, beside])
    tree = ast.parse(source)
    names.shorten(tree, file, "firmware/core/sample.py", vocabulary)
    return ast.unparse(tree)


def test_it_does_what_it_did(tmp_path):
    before, _ = run(SOURCE, tmp_path)
    after, scope = run(shortened(tmp_path), tmp_path)
    assert after == before
    assert "Box" in scope
    assert hasattr(scope["Box"], "open")


def test_private_names_are_short_and_public_ones_stay(tmp_path):
    text = shortened(tmp_path)
    for private in ("_content", "_doubled", "_LIMIT"):
        assert private not in text
    for public in ("Box", "make", "open", "label", "extra"):
        assert public in text


SHORTEN = """
import ast, sys
from pathlib import Path
from ota.build import names
file = Path(sys.argv[1])
tree = ast.parse(file.read_bytes())
names.shorten(tree, file, "x.py", names.Vocabulary([file]))
print(ast.unparse(tree))
"""


def test_it_is_the_same_in_each_process_whatever_order_its_sets_have(tmp_path):
    file = tmp_path / "sample.py"
    file.write_text(SOURCE)
    command = [sys.executable, "-c", SHORTEN, file]
    first, second, third = (
        subprocess.run(
            command, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in "123"
    )
    assert b"_content" not in first
    assert first == second == third


@pytest.mark.parametrize("source", ["def broken(:\n", "x = 3\0\n"])
def test_what_is_no_python_is_left_to_the_compiler_to_name(tmp_path, source):
    file = tmp_path / "sample.py"
    file.write_text(source)
    vocabulary = names.Vocabulary([file])
    with pytest.raises(BuildError, match=r"sample\.py does not compile: "):
        compile_module(file, "sample.py", vocabulary)


@pytest.mark.parametrize("path", sorted(source.path for source in collect(None)))
def test_no_file_of_a_slot_reaches_for_anothers_private_names(path):
    source = next(each for each in collect(None) if each.path == path)
    tree = ast.parse(source.file.read_bytes())
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    reached = [
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in imported
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
    ]
    assert reached == []
