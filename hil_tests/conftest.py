"""`--rig emulated|esp32-emulator|board`: where the nodes stand; skips say what is missing."""

import os
import sys
from pathlib import Path

import pytest

# The tests are no package; their rigs are named from the repository's root.
sys.path.insert(0, str(Path(__file__).parent.parent))

from hil_tests import report
from hil_tests.rigs import bench
from hil_tests.rigs.board import BoardRig
from hil_tests.rigs.emulated import Emulated
from hil_tests.rigs.esp32_emulator import Esp32Emulator
from hil_tests.rigs.rig import BenchError, Unavailable
from sim.city import City

RIGS = {"emulated": Emulated, "esp32-emulator": Esp32Emulator}
_PLACE, _RIG = pytest.StashKey(), pytest.StashKey()


def pytest_addoption(parser):
    group = parser.getgroup("hil", "nodes on a rig")
    group.addoption(
        "--rig", choices=[*RIGS, "board"], default="emulated", help="where nodes stand"
    )
    group.addoption("--bench", type=Path, metavar="FILE", help="instead of hil_tests/bench.toml")
    group.addoption(
        "--soak", type=float, metavar="MINUTES", default=0.5, help="how long test_soak.py lasts"
    )
    group.addoption("--board", metavar="NAME", help="one of several boards of the bench")
    group.addoption(
        "--report", type=Path, metavar="DIR", help="write report.html, junit.xml there"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Read the bench file at once: what is wrong in it is no reason to skip."""
    if config.getoption("--rig") == "board" and config.getoption("numprocesses", None):
        raise pytest.UsageError("one board cannot be shared: --rig board goes without -n")
    title = f"hil_tests on {config.getoption('--rig')}"
    if config.getoption("--rig") == "board":
        config.stash[_PLACE] = place = _place(config)
        title += f" {place.name}" if place else ""
    if hasattr(config, "workerinput"):
        return  # of xdist: its reports are the first process's
    folder = config.getoption("--report")
    if folder:
        report.clear(folder)
        config.option.xmlpath = config.option.xmlpath or str(folder / "junit.xml")
    config.pluginmanager.register(report.Report(folder, title), "hil-report")


def _place(config):
    path = config.getoption("--bench") or Path(os.environ.get("LAMPPOST_BENCH") or bench.FILE)
    try:
        return bench.chosen(bench.places(path), config.getoption("--board"), path)
    except BenchError as error:
        raise pytest.UsageError(str(error)) from error


def _made(config):
    """Make the rig that was asked for."""
    name = config.getoption("--rig")
    if name in RIGS:
        return RIGS[name]()
    place = config.stash[_PLACE]
    if place is None:
        raise Unavailable(
            "no board stands on this bench: hil_tests/bench.toml shows how one is named"
        )
    return BoardRig(place)


@pytest.fixture(scope="session")
def rig(request):
    """Give the rig, or skip and say why there is none."""
    try:
        made = _made(request.config)
    except Unavailable as error:
        pytest.skip(str(error))
    request.config.stash[_RIG] = made
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Put the nodes' consoles beside a failure."""
    made = item.config.stash.get(_RIG, None)
    failed = call.excinfo and not call.excinfo.errisinstance(pytest.skip.Exception)
    if made and failed:
        report.show_consoles(item, call.when, made.nodes)
        if folder := item.config.getoption("--report"):
            report.keep_logs(folder, item.nodeid, made.nodes)
    return report.tamed((yield))


@pytest.fixture(scope="module")
def told():
    """Give a dict for figures by name: they are reported with the test that wrote them."""
    return {}


@pytest.fixture(autouse=True)
def _figures(request):
    """Report what a test writes into `told`."""
    told = request.getfixturevalue("told") if "told" in request.fixturenames else {}
    before = set(told)
    yield
    request.node.user_properties += [(name, told[name]) for name in told if name not in before]


@pytest.fixture(scope="module")
def city(rig, tmp_path_factory):
    """Give a city whose server runs and has 1.0.0."""
    folder = tmp_path_factory.mktemp("city")
    with City(folder / "home", window_s=rig.window_s, poll_s=3, board=rig.board) as made:
        made.open("1.0.0")
        yield made
    rig.nodes.clear()


@pytest.fixture(scope="module")
def node(rig, city, tmp_path_factory):
    """Give a node of 1.0.0 that has just been switched on."""
    made = rig.node(city, "hil-1", "1.0.0", tmp_path_factory.mktemp("node"))
    made.power_on()
    yield made
    made.close()
