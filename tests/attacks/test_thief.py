"""A thief with all that the server holds, against one emulated node: it refuses and says why."""

import shutil
from pathlib import Path

import pytest

from sim import flashfiles, thief
from sim.city import City

_GATE = '"pm25": (0, 1000)'
_OTHER_BOARD = "esp32c3"


class Scene:
    """A city with one node, and what its server served before the node was made."""

    def __init__(self, folder):
        self.folder = folder
        self.city = City(folder / "home")
        self.city.open("1.0.0")
        self.server = self.city.home / "server"
        self.old = folder / "old"
        shutil.copytree(self.server / "tuf", self.old)
        self.node = self.city.node("elm-street-4", "1.0.0")
        self.node.power_on()
        self.node.wait_text("enrol: certificate", 40)

    def genuine(self, version):
        """Publish a release for another board, of which nodes of this one learn nothing."""
        out = self.folder / version
        ota = ("ota", "build", "--version", version, "--board", _OTHER_BOARD, "--out", out)
        self.city.lamppost("ota", "publish", self.city.lamppost(*ota)["bundle"])

    def refused(self, version):
        """Offer a version to the node; return why it did not take it."""
        rollout = self.city.rollout(version, self.node)
        reason = self.city.wait_action(rollout, self.node, "failed", 60)
        assert self.runs() == "1.0.0"
        return reason

    def runs(self):
        """Return the version on the node's flash; it cannot be read amid a write."""
        return self.node.wait(lambda: flashfiles.version(self.node.flash.path), 10)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    made = Scene(tmp_path_factory.mktemp("thief"))
    with made.city:
        yield made


@pytest.fixture
def kept(tmp_path):
    return tmp_path / "tuf"


@pytest.mark.timeout(120)
def test_a_forged_release_has_no_good_signature(scene, kept):
    scene.genuine("2.0.0")
    gate = {"core/ranges.py": lambda text: text.replace(_GATE, '"pm25": (0, 1)')}
    forged = scene.city.release("2.0.0", gate, publish=False, out="forged")
    with thief.break_in(scene.server, kept):
        thief.forge(scene.server, Path(forged["bundle"]))
        thief.name_as_theirs(scene.server, "2.0.0", "esp32")
        assert scene.refused("2.0.0").startswith("BadSignature: targets")


@pytest.mark.timeout(120)
def test_a_release_of_another_board_is_not_among_the_targets(scene):
    scene.genuine("2.1.0")
    thief.name_as_theirs(scene.server, "2.1.0", "esp32")
    assert scene.refused("2.1.0") == "Unsuited: 2.1.0 for esp32 is not among the targets"


@pytest.mark.timeout(120)
def test_metadata_of_an_earlier_day_is_a_rollback(scene, kept):
    scene.genuine("2.2.0")
    thief.name_as_theirs(scene.server, "2.2.0", "esp32")
    scene.refused("2.2.0")  # and has seen today's metadata
    with thief.break_in(scene.server, kept):
        thief.put_back(scene.server, scene.old)
        assert scene.refused("2.2.0").startswith("Rollback: timestamp")


@pytest.mark.timeout(120)
def test_a_frozen_timestamp_has_expired(scene, kept):
    thief.name_as_theirs(scene.server, "2.3.0", "esp32")
    with thief.break_in(scene.server, kept):
        thief.freeze(scene.server)
        assert scene.refused("2.3.0").startswith("Expired: timestamp")


@pytest.mark.timeout(120)
def test_what_the_thief_left_does_no_harm_afterwards(scene, kept):
    thief.name_as_theirs(scene.server, "2.4.0", "esp32")
    with thief.break_in(scene.server, kept):
        thief.freeze(scene.server)
        scene.refused("2.4.0")
    scene.city.release("2.9.0", {"core/ranges.py": lambda text: text + "\n# mended\n"})
    rollout = scene.city.rollout("2.9.0", scene.node)
    scene.city.wait_action(rollout, scene.node, "confirmed", 90)
    assert scene.runs() == "2.9.0"
