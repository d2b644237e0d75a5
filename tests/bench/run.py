"""Run the benchmarks of this folder: `make bench`, `make bench ARGS="release --json"`.

Every `bench_<name>.py` has `rows()`, which yields dicts:

    name      what was measured
    figure    the number, with `unit`
    limit     a number of the same unit measured in the same run, and `against`: what it is

Beside them stand `bench`, `ratio` and `command`: what to type to measure it again.
The ratio figure / limit is what can be compared between machines and over time; a bare figure
cannot. A benchmark that cannot run here raises unittest.SkipTest with the reason.
"""

import argparse
import importlib.util
import json
import sys
from pathlib import Path
from unittest import SkipTest

import click

FOLDER = Path(__file__).parent


def main():
    """Run the chosen benchmarks, all by default; exit status 1 when one fails."""
    found = {path.stem.removeprefix("bench_"): path for path in FOLDER.glob("bench_*.py")}
    parser = argparse.ArgumentParser(description="figures as ratios against a measured limit")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(sorted(found))}")
    parser.add_argument("--json", action="store_true", help="one JSON array, for scripts")
    options = parser.parse_args()
    unknown = set(options.names) - set(found)
    if unknown:
        parser.error(f"no benchmark {min(unknown)}: there are {', '.join(sorted(found))}")
    rows, failed = [], False
    for name in options.names or sorted(found):
        try:
            for measured in load(found[name]).rows():
                ratio = measured["figure"] / measured["limit"]
                again = f"make bench ARGS={name}"
                rows.append({"bench": name, **measured, "ratio": ratio, "command": again})
                if not options.json:
                    show(rows[-1])
        except SkipTest as reason:
            click.echo(f"{name}: skipped: {reason}", err=True)
        except Exception as error:  # noqa: BLE001 - the others are still to be measured
            failed = True
            click.echo(f"{name}: {type(error).__name__}: {error}", err=True)
    if options.json:
        click.echo(json.dumps(rows, indent=1))
    return int(failed)


def load(path):
    """Import one benchmark by its path: tests are no packages."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def show(row):
    """Print a row for people."""
    click.echo(f"{row['name']}: {number(row['figure'])} {row['unit']}")
    click.echo(f"    {row['ratio']:.3g} x {row['against']} ({number(row['limit'])} {row['unit']})")
    click.echo(f"    {row['command']}")


def number(value):
    """Return a count whole and a measurement to three digits."""
    return str(value) if isinstance(value, int) else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
