"""A release brings its MicroPython: both are tried, kept and left together, whatever fails.

The node has 8 MB of flash and two app partitions under the bootloader's rules (sim/shims, held to
the stock image by hil_tests/test_two_apps.py). The app images are in miniature: what they hold is
not run, but for the question whether it is a MicroPython at all.
"""

import pytest
from slots import record_of

from ota.build import offline
from ota.core import runtime
from ota.field.cable import Cable
from ota.field.deploy import deploy
from ota.field.partitions import EIGHT_MB
from sim import flashfiles
from sim.city import City
from sim.espimage import app_of, micropython

KB = 1024


def in_partition(node, label, size):
    part = EIGHT_MB[label]
    with node.flash.path.open("rb") as file:
        file.seek(part.offset)
        return file.read(size)


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """Give a city with releases that bring a MicroPython, or none."""
    home = tmp_path_factory.mktemp("city")
    with City(home / "home") as made:
        made.open("1.0.0")
        made.images = {}
        for version, brings, banner in (
            ("1.1.0", "1.28.0", b"MicroPython v%s on 2026-01-01; Generic"),
            ("1.2.0", "1.29.0", b"Something else v%s on 2026-01-01"),
        ):
            image = made.images[version] = micropython(brings, 150 * KB, banner)
            path = home / f"{brings}.bin"
            path.write_bytes(image)
            needs = ("--runtime", "1.27.0", "--micropython", path)
            changes = {"core/ranges.py": lambda text, v=version: text + f"# {v}\nPLACE = '{v}'\n"}
            made.release(version, changes, options=needs)
        (home / "first.bin").write_bytes(micropython("1.27.0", 40 * KB))
        made.first = home / "first.bin"
        yield made


@pytest.fixture
def node(city):
    """Give a node with two app partitions that has enrolled."""
    name = f"node-{len(city.nodes) + 1}"
    made = city.node(name, "1.0.0", runtime=city.first, flash="8MB")
    made.power_on()
    made.wait_text("enrol: certificate", 40)
    yield made
    made.close()


def running(node):
    """Return (release, app partition) that the next start takes, by what is on flash."""
    data = flashfiles.read(node.flash.path, "data")
    slot = record_of(node)["slot"]
    return flashfiles.version(node.flash.path), data[f"{slot}/app"].decode()


@pytest.mark.timeout(240)
def test_release_and_micropython_are_confirmed_together_and_left_together(city, node):
    before = city.received
    city.wait_action(city.rollout("1.1.0", node), node, "confirmed", 120)
    assert city.received - before > 150 * KB
    node.power_off()
    assert running(node) == ("1.1.0", "ota_1")
    app = app_of(city.images["1.1.0"])
    assert in_partition(node, "ota_1", len(app)) == app

    # A start later, and many: nothing goes back.
    for _ in range(2):
        node.power_on()
        node.wait_text("acknowledged", 40, node.console.length)
        node.power_off()
    assert running(node) == ("1.1.0", "ota_1")

    # One that is no MicroPython panics before any of our code: both go back.
    node.power_on()
    reason = city.wait_action(city.rollout("1.2.0", node), node, "rolled_back", 120)
    assert reason == "its MicroPython does not start"
    node.power_off()
    assert running(node) == ("1.1.0", "ota_1")
    assert in_partition(node, "ota_0", 64) == app_of(city.images["1.2.0"])[:64]

    # A release without one runs on what runs.
    city.release("1.3.0", {"core/ranges.py": lambda text: text + "PLACE = 'x'\n"})
    node.power_on()
    city.wait_action(city.rollout("1.3.0", node), node, "confirmed", 90)
    node.power_off()
    assert running(node) == ("1.3.0", "ota_1")
    assert node.lamp.dark_s == 0


@pytest.mark.timeout(240)
def test_a_power_cut_in_the_download_costs_a_block_and_one_in_the_trial_nothing(city, node):
    rollout = city.rollout("1.1.0", node)
    node.wait_text("update 1.1.0: downloading", 60)
    blocks = -(-len(app_of(city.images["1.1.0"])) // runtime.BLOCK_BYTES)
    first = app_of(city.images["1.1.0"])[: 3 * runtime.BLOCK_BYTES]
    node.wait(lambda: in_partition(node, "ota_1", len(first)) == first, 60, "three blocks")
    node.power_off()
    assert node.console.text.count("MicroPython is in") == 0
    before = city.received
    mark = node.console.length
    node.power_on()
    node.wait_text("its MicroPython is in ota_1", 90, mark)
    assert city.received - before < (blocks - 2) * runtime.BLOCK_BYTES

    node.wait_text("trial boot of release 1.1.0", 60, mark)
    node.power_off()  # amid the trial: the bootloader goes back to the first app
    mark = node.console.length
    node.power_on()
    node.wait_text("its MicroPython is in ota_1", 60, mark)
    city.wait_action(rollout, node, "confirmed", 90)
    node.power_off()
    assert running(node) == ("1.1.0", "ota_1")
    assert record_of(node)["pending"] == 0


@pytest.mark.timeout(120)
def test_a_node_with_one_app_partition_takes_the_release_and_leaves_the_micropython(city):
    small = city.node("small", "1.0.0")
    small.power_on()
    small.wait_text("enrol: certificate", 40)
    before = city.received
    city.wait_action(city.rollout("1.1.0", small), small, "confirmed", 90)
    assert city.received - before < 100 * KB
    small.close()


@pytest.mark.timeout(240)
def test_the_cable_brings_it_too(city, node):
    out = city.home.parent / "1.1.0.offline.zip"
    city.lamppost("ota", "bundle-export", "--version", "1.1.0", "--home", city.home, "--out", out)
    app = app_of(city.images["1.1.0"])
    found = offline.load(out)
    assert sum(found.files.values()) > len(app)
    with Cable(node.serial) as cable:
        result = deploy(cable, found, lambda _done, _total: None, wait_s=60)
    assert (result.version, result.outcome) == ("1.1.0", "confirmed")
    assert result.sent > len(app) * 0.9
    node.power_off()
    assert running(node) == ("1.1.0", "ota_1")
    assert in_partition(node, "ota_1", len(app)) == app
