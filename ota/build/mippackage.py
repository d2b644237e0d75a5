"""The firmware as a package for `mpremote mip install`: its sources, for a board on a bench.

firmware/package.json is written by `python -m ota.build.mippackage`, and a test compares it with
the tree (ota/decisions/0016). It names what a slot holds, relative to firmware/, so it can be
installed from this folder or from a web server over it. It is no release: nothing of it is
signed, and a node's boot code starts none of it.
"""

import json
from typing import Any

import click

from ota.build import sources

PATH = "package.json"


def document() -> dict[str, Any]:
    """Return the package's description by mip's rules: [path on the board, URL] a file."""
    return {
        "urls": [[each.path, _relative(each.path)] for each in sources.collect()],
        "version": "1",
    }


def text() -> str:
    """Return the file as it lies in the tree, a line a file."""
    lines = ",\n".join(f"    {json.dumps(each)}" for each in document()["urls"])
    return f'{{\n  "urls": [\n{lines}\n  ],\n  "version": "1"\n}}\n'


def _relative(path: str) -> str:
    inside = path.removeprefix("firmware/")
    return inside if inside != path else f"../{path}"


if __name__ == "__main__":
    (sources.package_folder("firmware") / PATH).write_text(text(), "utf-8")
    click.echo(f"firmware/{PATH}: {len(document()['urls'])} files")
