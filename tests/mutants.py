"""Score of the mutation testing of ota/core, by module: what `make mutants` ends with.

Killed: a test failed. Survived: none did; either no behaviour differs, or a test is missing. Timed
out: noticed too, by never ending. `.venv/bin/mutmut show NAME` shows a survivor.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import click
from mutmut.stats import status_by_exit_code

CORE = Path(__file__).parents[1] / "mutants" / "ota" / "core"
COLUMNS = ("killed", "timeout", "survived", "no tests", "not checked")


def main():
    """Print the table, and the survivors when asked."""
    parser = argparse.ArgumentParser(description="the mutation score of ota/core, by module")
    parser.add_argument("--survivors", action="store_true", help="name each of them as well")
    parser.add_argument("--json", action="store_true", help="one JSON object, for scripts")
    options = parser.parse_args()
    found = {path.name.split(".")[0]: judged(path) for path in sorted(CORE.glob("*.meta"))}
    found = {module: verdicts for module, verdicts in found.items() if verdicts}
    if not found:
        click.echo("lamppost: nothing measured yet: make mutants", err=True)
        return 2
    if options.json:
        click.echo(json.dumps(found, indent=1))
        return 0
    click.echo(row("module", *COLUMNS, "score"))
    total = Counter()
    for module, verdicts in found.items():
        counts = Counter(verdicts.values())
        total += counts
        click.echo(row(module, *(counts[name] for name in COLUMNS), score(counts)))
    click.echo(row("all", *(total[name] for name in COLUMNS), score(total)))
    for verdicts in found.values() if options.survivors else ():
        click.echo("\n".join(name for name, verdict in verdicts.items() if verdict == "survived"))
    return 0


def judged(path):
    """Return {mutant: verdict} of one module, as mutmut keeps them."""
    codes = json.loads(path.read_text())["exit_code_by_key"]
    return {name: status_by_exit_code[code] for name, code in codes.items()}


def score(counts):
    """Say which share of the mutants that were tried was noticed."""
    tried = counts.total() - counts["not checked"]
    noticed = counts["killed"] + counts["timeout"]
    return f"{100 * noticed / tried:.1f} %" if tried else "-"


def row(first, *others):
    """Lay out one line of the table."""
    return f"{first:12}" + "".join(f"{other:>12}" for other in others)


if __name__ == "__main__":
    sys.exit(main())
