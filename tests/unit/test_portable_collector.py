"""The collector of tests/portable: two items a function, and every failure at the right one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PORTABLE = Path(__file__).parents[1] / "portable"

TESTS = """
import os
import sys

ON_VM = sys.implementation.name == "micropython"


def test_passes():
    assert ON_VM or sys.implementation.name == "cpython"


def test_differs_on_the_vm():
    level = 60 if ON_VM else 100
    assert level == 100


def test_crashes_the_vm():
    if ON_VM:
        os.system("kill -SEGV $PPID")
        while True:
            pass


def test_exits():
    if ON_VM:
        sys.exit(0)


def test_takes_more_than_an_esp32_has():
    if ON_VM:
        bytearray(200 * 1024)


def test_passes_again():
    assert True
"""


def run(folder, tests, **environment):
    """Run pytest over one portable file in a checkout of its own; return outcomes and output."""
    portable = folder / "tests" / "portable"
    portable.mkdir(parents=True)
    for name in ("conftest.py", "vm_runner.py"):
        shutil.copy(PORTABLE / name, portable)
    (portable / "test_it.py").write_text(tests)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-p",
            "no:cacheprovider",
            "--import-mode=importlib",
        ],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    words = [line.split() for line in done.stdout.splitlines() if "::" in line and "%]" in line]
    return {each[0].partition("::")[2]: each[1] for each in words}, done.stdout


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    return run(tmp_path_factory.mktemp("checkout"), TESTS)


def test_each_failure_fails_its_own_item(ran):
    outcomes, _ = ran
    failed = sorted(name for name, outcome in outcomes.items() if outcome == "FAILED")
    assert failed == [
        "test_crashes_the_vm[micropython]",
        "test_differs_on_the_vm[micropython]",
        "test_exits[micropython]",
        "test_takes_more_than_an_esp32_has[micropython]",
    ]
    passed = [name for name, outcome in outcomes.items() if outcome == "PASSED"]
    assert len(passed) == 8


def test_a_failure_shows_the_vms_traceback_and_source(ran):
    _, output = ran
    assert 'test_it.py", line 14, in test_differs_on_the_vm' in output
    assert "    assert level == 100" in output
    assert "(SIGSEGV)" in output
    assert "MemoryError" in output


def test_an_assertion_on_cpython_shows_its_values(tmp_path):
    outcomes, output = run(tmp_path, "def test_it():\n    level = 60\n    assert level == 100\n")
    assert outcomes == {"test_it[cpython]": "FAILED", "test_it[micropython]": "FAILED"}
    assert "assert 60 == 100" in output


def test_a_file_that_the_vm_cannot_import_fails_there(tmp_path):
    source = "import sys\nif sys.implementation.name == 'micropython':\n    import typing\n"
    outcomes, output = run(tmp_path, source + "def test_it():\n    pass\n")
    assert outcomes == {"test_it[cpython]": "PASSED", "test_it[micropython]": "FAILED"}
    assert "no module named 'typing'" in output


def test_fixtures_are_refused(tmp_path):
    _, output = run(tmp_path, "def test_it(tmp_path):\n    pass\n")
    assert "portable tests take no fixtures" in output


def test_another_vm_is_taken_from_the_environment(tmp_path):
    source = "def test_it():\n    pass\n"
    outcomes, output = run(tmp_path, source, LAMPPOST_MICROPYTHON="/bin/false")
    assert outcomes == {"test_it[cpython]": "PASSED", "test_it[micropython]": "FAILED"}
    assert "the VM ended before the test did (exit status 1)" in output
