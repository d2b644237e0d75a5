"""Tells the chapters in order, writes the figures, and stays until it is told to end."""

import json
import shutil
import sys
import time
from pathlib import Path

from sim.demo import (
    account,
    bad_day,
    bad_releases,
    burglary,
    founding,
    good_release,
    silence,
)
from sim.demo.stage import Stage
from sim.errors import SimError
from sim.story import Story

CHAPTERS = (founding, good_release, bad_releases, silence, burglary, bad_day, account)


def tell(folder: Path, *, nodes: int, seed: int, json_file: Path | None, once: bool) -> bool:
    """Run the demonstration in `folder`; True when every check held. Then stay, unless `once`."""
    story = Story(f"Lamppost: a city of {nodes} nodes, seed {seed}", len(CHAPTERS))
    stage = Stage(folder, story, nodes=nodes, seed=seed)
    try:
        try:
            whole = chapters(stage)
        except KeyboardInterrupt:
            story.check("told_to_the_end", holds=False, words="stopped before")
            raise
        finally:
            if json_file:
                json_file.write_text(json.dumps(stage.figures.document(story), indent=2) + "\n")
        if whole and not once:
            _stay(stage)
        return story.ok
    finally:
        stage.close()


def chapters(stage: Stage) -> bool:
    """Tell every chapter; False when one could not be told to its end, which is a failed check."""
    story = stage.story
    for chapter in CHAPTERS:
        name = chapter.__name__.rpartition(".")[2]
        try:
            with story.chapter(chapter.TITLE):
                chapter.tell(stage)
        except SimError as error:
            story.print(str(error))
            story.check(f"{name}_is_told", holds=False, words="broke off, see above")
            story.end()
            return False
    story.end()
    return True


def _stay(stage: Stage) -> None:
    city = stage.city
    for node in stage.cast.everyone:
        node.power_on()
    ports = "".join(
        f"  mpremote connect {node.serial}   # {name}\n" for name, node in city.nodes.items()
    )
    variables = "".join(f"  export {name}={value}\n" for name, value in city.access.items())
    stage.story.print(
        f"\nServer and nodes stay up until Ctrl-C. In another terminal:\n"
        f"{variables}"
        f"{_activation()}"
        f"  lamppost device list\n"
        f"  lamppost rollout list\n"
        f"{ports}"
    )
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        stage.story.print("ending server and nodes")


def _activation() -> str:
    """Return the line that puts this environment's commands on the PATH, where they are not."""
    if shutil.which("lamppost"):
        return ""
    return f"  . {Path(sys.prefix, 'bin', 'activate')}\n"
