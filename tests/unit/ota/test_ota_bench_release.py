"""The benchmark driver, on the benchmark of releases."""

import json
import runpy
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


def test_a_changed_line_costs_less_than_four_hundredths_of_the_release():
    bench = runpy.run_path(str(RUN.with_name("bench_bytes.py")))
    before, after = bench["LINES"]["tasks/update.py"]
    text = bench["source"]("tasks/update.py")
    old = bench["build"]("1.0.0", {})
    new = bench["build"]("1.0.1", {"tasks/update.py": text.replace(before, after, 1)})
    assert new.manifest != old.manifest
    cost = bench["fetched"](old, new) + bench["metadata"](new)
    assert cost < 0.04 * bench["whole"](old)
    assert bench["fetched"](old, new) < 1024


def test_an_unknown_benchmark_is_named():
    result = run("nothing")
    assert result.returncode == 2
    assert "no benchmark nothing: there are" in result.stderr
