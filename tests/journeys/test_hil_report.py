"""`pytest hil_tests --report DIR`: a failure comes with what the node said, which harms nobody."""

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
# What a node may say: markup, terminal commands, bytes that are no text.
MAIN = r"""
import sys
for number in range(100):
    print("line", number)
sys.stdout.buffer.write(b"\xff\xfe</pre><script>alert(1)</script>\n")
print("\x1b]0;owned\x07 &amp; ]]> \u202e")
print("last words")
import time
while True:
    time.sleep(1)
"""
TESTS = '''
import pytest
from emulated import started

MAIN = {main!r}


@pytest.fixture(scope="module")
def node(rig, tmp_path_factory):
    node = started(tmp_path_factory.mktemp("node") / "flash.bin", MAIN)
    rig.nodes["hil-<1>"] = node
    yield node
    node.close()


def test_fails(node, told):
    node.wait_text("last words", 20)
    told["boot <b>"] = "0.5 s & more"
    assert node.state == "on <fire>"


def test_waits_for_nothing(node):
    node.wait_text("something else", 0.1)


def test_skips():
    pytest.skip("cannot <cut> power")


def test_passes(told):
    told["second"] = 2
    print("a word of <its> own")


@pytest.fixture
def broken(node):
    raise OSError("the bench is gone")


def test_has_no_bench(broken):
    """Never begins."""
'''


class Page(HTMLParser):
    """What a browser makes of a page: its elements, its text, where it leads."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.links, self.text = set(), [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hil")
    (folder / "test_it.py").write_text(TESTS.format(main=MAIN))
    (folder / "report" / "logs").mkdir(parents=True)
    (folder / "report" / "logs" / "test_it.py-test_fails--before.log").touch()
    path = f"{ROOT}:{ROOT / 'tests' / 'support'}"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "hil_tests.conftest", str(folder)),
            *("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder)),
            *("--report", str(folder / "report")),
        ],
        env=os.environ | {"PYTHONPATH": path, "COLUMNS": "150"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.stdout, folder / "report"


def test_the_terminal_shows_the_nodes_last_words_and_the_figures(ran):
    output, folder = ran
    text = output.decode()
    assert "2 failed, 1 passed, 1 skipped, 1 error" in text
    assert text.count("Captured stdout of node hil-<1>,") == 3
    assert "line 99" in text
    assert "last words" in text
    assert r"\x1b]0;owned\x07" in text
    assert "boot <b>: 0.5 s & more" in text
    assert f"report: {folder / 'report.html'}" in text
    assert b"\x1b" not in output
    assert "\u202e" not in text


def test_the_page_shows_what_happened_and_runs_nothing(ran):
    _, folder = ran
    page = Page((folder / "report.html").read_text("utf-8"))
    for words in (
        "2 failed, 1 error, 1 skipped, 1 passed",
        "cannot <cut> power",
        "boot <b>: 0.5 s & more",
        "second: 2",
        "a word of <its> own",
        "on <fire>",
        "the bench is gone",
        "last words",
        "\ufffd\ufffd</pre><script>alert(1)</script>",
        r"\x1b]0;owned\x07 &amp; ]]> \u202e",
    ):
        assert words in page.text, words
    assert page.elements <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "pre", "a"),
        *("table", "tr", "th", "td", "br"),
    }
    logs = [link for link in page.links if not link.startswith("#")]
    assert len(logs) == 3
    for link in logs:
        whole = (folder / link).read_text("utf-8")
        assert "line 0\n" in whole.replace("\r", "")
        assert "last words" in whole


def test_junit_keeps_the_nodes_words_and_the_figures(ran):
    _, folder = ran
    cases = {each.get("name"): each for each in ET.parse(folder / "junit.xml").iter("testcase")}
    assert cases["test_fails"].find("failure") is not None
    assert cases["test_has_no_bench"].find("error") is not None
    for name in ("test_fails", "test_has_no_bench"):
        said = cases[name].findtext("system-out")
        assert "line 99\n" in said
        assert "last words" in said
        assert "line 9\n" not in said
    assert "cannot <cut> power" in cases["test_skips"].find("skipped").get("message")
    told = {each.get("name"): each.get("value") for each in cases["test_fails"].iter("property")}
    assert told == {"boot <b>": "0.5 s & more"}
