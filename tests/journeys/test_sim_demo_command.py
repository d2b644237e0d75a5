"""`lamppost demo` as a command: what it refuses, and what is left when it is stopped midway."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from emulated import BIN

from sim.cli import demo


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nodes", "5"], "not in the range 6<=x<=100"),
        (["--seed", "first"], "--seed"),
        (["--json", "/proc/none"], "cannot write /proc/none"),
    ],
)
def test_bad_arguments_end_at_once_with_status_2(arguments, message):
    result = CliRunner().invoke(demo, ["--once", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr


def descendants(pid):
    """Return every process below `pid`."""
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found |= {child} | descendants(child)
    return found


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopped_midway_it_leaves_nothing(tmp_path, how):
    process = subprocess.Popen(
        [BIN / "lamppost", "demo", "--nodes", "6", "--json", tmp_path / "figures.json"],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        told = next(line for line in process.stdout if "has made its key" in line)
        started = descendants(process.pid)
        assert len(started) >= 7, told  # six nodes and the server
        process.send_signal(how)
        rest, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 1, errors
    assert "stopped before the end" in rest
    assert errors == ""
    end = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in started):
        assert time.monotonic() < end, f"of {started} some are left"
        time.sleep(0.05)
    assert {path.name for path in tmp_path.iterdir()} == {"figures.json"}
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["nodes"] == 6
    assert figures["checks"]["told_to_the_end"] is False
