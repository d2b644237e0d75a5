"""`--rig emulated|esp32-emulator|board`: where the nodes stand; skips say what is missing."""

import sys
from pathlib import Path

import pytest

# The tests are no package; their rigs are named from the repository's root.
sys.path.insert(0, str(Path(__file__).parent.parent))

from hil_tests.rigs.emulated import Emulated
from hil_tests.rigs.esp32_emulator import Esp32Emulator
from hil_tests.rigs.rig import Unavailable
from sim.city import City

RIGS = {"emulated": Emulated, "esp32-emulator": Esp32Emulator}


def pytest_addoption(parser):
    parser.addoption("--rig", choices=[*RIGS, "board"], default="emulated")


@pytest.fixture(scope="session")
def rig(request):
    """Give the rig, or skip and say why there is none."""
    name = request.config.getoption("--rig")
    if name not in RIGS:
        pytest.skip(f"no rig for a {name} stands on this bench")
    try:
        return RIGS[name]()
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def city(rig, tmp_path_factory):
    """Give a city whose server runs and has 1.0.0."""
    folder = tmp_path_factory.mktemp("city")
    with City(folder / "home", window_s=rig.window_s, poll_s=3) as made:
        made.found()
        made.serve()
        made.release("1.0.0")
        yield made


@pytest.fixture(scope="module")
def node(rig, city, tmp_path_factory):
    """Give a node of 1.0.0 that has just been switched on."""
    made = rig.node(city, "hil-1", "1.0.0", tmp_path_factory.mktemp("node"))
    made.power_on()
    yield made
    made.close()
