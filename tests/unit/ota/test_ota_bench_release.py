"""The benchmark driver, on the benchmark of releases."""

import json
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parents[2] / "bench" / "run.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, RUN, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_rows_carry_ratios_and_how_to_repeat_them():
    result = run("release", "--json")
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout)
    assert {row["bench"] for row in rows} == {"release"}
    for row in rows:
        assert row["ratio"] == row["figure"] / row["limit"] > 0
        assert row["command"].startswith("make bench")
        assert row["name"]
        assert row["unit"]
        assert row["against"]
    update = next(row for row in rows if row["name"].startswith("update of 1 file"))
    assert update["ratio"] < 0.2
    budget = next(row for row in rows if "budget" in row["name"])
    assert budget["ratio"] <= 1


def test_an_unknown_benchmark_is_named():
    result = run("nothing")
    assert result.returncode == 2
    assert "no benchmark nothing: there are" in result.stderr
