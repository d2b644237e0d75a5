"""How the demonstration tells: verdicts that stay, tables that fit, chapters that break off."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from sim.demo import telling
from sim.errors import SimError
from sim.story import Story


@pytest.fixture
def told():
    return io.StringIO()


@pytest.fixture
def story(told):
    return Story("A city", 2, Console(file=told, width=80, highlight=False))


def test_a_check_that_failed_once_stays_failed(story, told):
    assert not story.ok
    story.check("first", holds=True, words="one of one")
    assert story.ok
    story.check("second", holds=False, words="none of two")
    story.check("second", holds=True, words="two of two")
    story.end()
    assert story.checks == {"first": True, "second": False}
    assert not story.ok
    assert "1 of 2 checks held" in told.getvalue()
    assert "none of two" in told.getvalue().partition("Checks")[2]


def test_what_nodes_and_servers_say_is_no_markup(story, told):
    story.tell("node", "failed: [/red] [bold]")
    story.check("name", holds=True, words="[dim]")
    story.table("Nodes", ("node",), [("[x]",)])
    shown = told.getvalue()
    for text in ("[/red] [bold]", "[dim]", "[x]"):
        assert text in shown


def test_no_name_of_a_check_is_cut_in_80_columns(story, told):
    name = "a_name_of_thirty_four_characters__"
    story.check(name, holds=True, words="words that go on and on " * 5)
    story.end()
    table = told.getvalue().partition("Checks")[2]
    assert name in table
    assert max(map(len, table.splitlines())) <= 80


def test_a_chapter_that_breaks_off_is_a_failed_check(story, told, monkeypatch):
    def tell(stage):
        stage.story.check("begun", holds=True, words="so far")
        raise SimError("waited 90 s for rollout 3 to go on; active")

    chapters = [SimpleNamespace(__name__="sim.demo.broken", TITLE="One that breaks", tell=tell)]
    monkeypatch.setattr(telling, "CHAPTERS", [*chapters, *chapters])
    assert not telling.chapters(SimpleNamespace(story=story))
    assert story.checks == {"begun": True, "broken_is_told": False}
    assert "waited 90 s for rollout 3" in told.getvalue()
    assert "1 of 2 checks held" in told.getvalue()
