"""The demonstration's own story, told to a file by the smallest city that can play it."""

import io

import pytest
from rich.console import Console

from sim.demo import telling
from sim.demo.cast import LEAST
from sim.demo.stage import Stage
from sim.story import Story

KEYS = {
    "nodes": int,
    "enrolled": int,
    "windows_produced": int,
    "windows_stored": int,
    "windows_lost": int,
    "windows_duplicated": int,
    "windows_resent": int,
    "releases": dict,
    "forged": dict,
    "power_cuts": dict,
    "lamp_dark_seconds": float,
    "checks": dict,
    "seconds": float,
}


@pytest.mark.timeout(400)
def test_every_chapter_holds_in_a_small_city(tmp_path):
    told = io.StringIO()
    story = Story("A small city", len(telling.CHAPTERS), Console(file=told, width=80))
    stage = Stage(tmp_path, story, nodes=LEAST, seed=7)
    try:
        assert telling.chapters(stage), told.getvalue()
    finally:
        stage.close()
    found = stage.figures.document(story)
    assert story.ok, told.getvalue()
    assert {name: type(value) for name, value in found.items()} == KEYS
    assert found["enrolled"] == found["nodes"] == LEAST
    assert found["windows_produced"] == found["windows_stored"] > 10 * LEAST
    assert found["windows_lost"] == found["windows_duplicated"] == 0
    assert found["windows_resent"] > 0
    assert found["releases"]["1.1.0"]["confirmed"] == LEAST
    assert found["releases"]["1.2.0"] == {"offered": 1, "rolled_back": 1, "rollout": "paused"}
    assert found["releases"]["1.3.0"]["offered"] == found["releases"]["1.3.0"]["rolled_back"] == 2
    assert found["forged"] == {"offered": LEAST, "installed": 0}
    assert found["power_cuts"] == {"injected": 2, "bricked": 0}
