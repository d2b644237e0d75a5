"""Every key changes hands, no node is touched: a real node walks from its factory's root to the
newest and takes a release under new keys, whatever became of the old ones.
"""

import json

import pytest

from ota.build import keys
from sim import flashfiles, thief
from sim.city import City

_GATE = '"pm25": (0, 1000)'
_FAR = 1_000_000


def gate(limit):
    return {"core/ranges.py": lambda text: text.replace(_GATE, f'"pm25": (0, {limit})')}


@pytest.fixture
def city(tmp_path):
    with City(tmp_path / "home") as made:
        made.open("1.0.0")
        yield made


def runs(node):
    return node.wait(lambda: flashfiles.version(node.flash.path), 10)


def trusts(node):
    """Return the version of the root on a node's flash; it cannot be read amid a write."""
    node.power_off()
    return json.loads(flashfiles.read(node.flash.path, "data")["tuf/root.json"])["signed"][
        "version"
    ]


def ota(city, *words):
    return city.lamppost("ota", *words)


def in_force(city, *by):
    """Sign the city's draft, hand it to the server, and return the root's version there."""
    signed = ota(city, "sign", *[part for pem in by for part in ("--key", pem)])
    return ota(city, "publish", signed["file"])["answer"]["root"]


def held_by_three(city, folder):
    """Give the root to three people; two of them sign from then on."""
    pems, cards = [], []
    for name in ("anna", "ben", "carla"):
        made = ota(city, "keygen", folder / name)
        pems.append(made["private"])
        cards += ["--key", made["card"]]
    ota(city, "rotate", "root", *cards)
    assert in_force(city, city.home / "keys/root.pem", pems[0], pems[2]) == 3
    return pems


@pytest.mark.timeout(240)
def test_a_node_from_the_drawer_walks_to_the_newest_root(city, tmp_path):
    node = city.node("elm-street-4", "1.0.0")  # made with root 1, and stays in its drawer
    ota(city, "rotate", "targets", "snapshot", "timestamp")
    assert in_force(city) == 2
    pems = held_by_three(city, tmp_path)
    card = ota(city, "keygen", tmp_path / "dora")["card"]
    ota(city, "remove-key", "root", "anna")
    ota(city, "add-key", "root", card)
    assert in_force(city, *pems[1:]) == 4

    city.release("1.1.0", gate(900))
    node.power_on()
    node.wait_text("enrol: certificate", 40)
    city.wait_action(city.rollout("1.1.0", node), node, "confirmed", 90)
    assert runs(node) == "1.1.0"
    assert trusts(node) == 4
    served = city.home / "server/tuf/metadata"
    assert all((served / f"{number}.root.json").exists() for number in range(1, 5))

    node.flash.write("data", 0, b"\xa5" * 8192)  # now the rescue walks, from the factory's root
    mark = node.console.length
    node.power_on()
    node.wait_text("rescue: release 1.1.0", 60, mark)
    node.wait_text("release 1.1.0 from /data/", 60, mark)
    assert trusts(node) == 4

    assert node.lamp.dark_s == 0
    state = city.lamppost("release", "keys")
    assert state["alarms"] == []
    assert sorted(state["roles"]["root"]["keys"].values()) == ["ben", "carla", "dora"]
    acts = [each for each in city.lamppost("audit", "list") if each["act"] == "release.root"]
    assert [each["subject"] for each in acts] == ["root 4", "root 3", "root 2"]


def fast_forward(server):
    """With stolen online keys, raise snapshot and timestamp beyond what honest ones reach."""
    tuf = server / "tuf"
    timestamp = thief._load(tuf, "timestamp.json", thief.Timestamp)
    snapshot = thief._load(tuf, f"{timestamp.snapshot_meta.version}.snapshot.json", thief.Snapshot)
    snapshot.version = timestamp.version = timestamp.snapshot_meta.version = _FAR
    thief._write(tuf, f"{_FAR}.snapshot.json", snapshot, thief._stolen(tuf, "snapshot"))
    thief._write(tuf, "timestamp.json", timestamp, thief._stolen(tuf, "timestamp"))


def list_forged(city, version):
    """List a release of the thief's own: signed with the old targets key, and today's others."""
    tuf = city.home / "server/tuf"
    timestamp = thief._load(tuf, "timestamp.json", thief.Timestamp)
    snapshot = thief._load(tuf, f"{timestamp.snapshot_meta.version}.snapshot.json", thief.Snapshot)
    listed = snapshot.meta["targets.json"]
    targets = thief._load(tuf, f"{listed.version}.targets.json", thief.Targets)
    name = f"esp32/{version}.jsonl"
    targets.targets[name] = thief.TargetFile.from_data(name, b"forged", ["sha256"])
    for each in (targets, snapshot, timestamp):
        each.version += 1
    listed.version, timestamp.snapshot_meta.version = targets.version, snapshot.version
    old = keys.load(city.home / "keys/targets.pem", city._environment["LAMPPOST_KEY_PASSPHRASE"])
    thief._write(tuf, f"{targets.version}.targets.json", targets, old)
    online = {role: thief._stolen(tuf, f"{role}-2") for role in ("snapshot", "timestamp")}
    thief._write(tuf, f"{snapshot.version}.snapshot.json", snapshot, online["snapshot"])
    thief._write(tuf, "timestamp.json", timestamp, online["timestamp"])


@pytest.mark.timeout(240)
def test_stolen_keys_are_replaced_and_what_they_did_is_undone(city, tmp_path):
    node = city.node("elm-street-5", "1.0.0")
    node.power_on()
    node.wait_text("enrol: certificate", 40)
    server = city.home / "server"
    thief.name_as_theirs(server, "6.6.6", "esp32")
    with thief.break_in(server, tmp_path / "backup"):
        fast_forward(server)
        reason = city.wait_action(city.rollout("6.6.6", node), node, "failed", 60)
        assert "not among the targets" in reason  # it took the metadata, and nothing else

    city.release("1.1.0", gate(900))
    reason = city.wait_action(city.rollout("1.1.0", node), node, "failed", 60)
    assert reason.startswith("Rollback")
    assert runs(node) == "1.0.0"

    ota(city, "rotate", "targets", "snapshot", "timestamp")
    assert in_force(city) == 2
    stolen = tmp_path / "stolen"
    stolen.mkdir()
    for role in ("snapshot", "timestamp"):
        (server / f"tuf/keys/{role}.pem").rename(stolen / f"{role}.pem")
    city.wait_action(city.rollout("1.1.0", node), node, "confirmed", 90)
    assert runs(node) == "1.1.0"

    for role in ("snapshot", "timestamp"):
        (server / f"tuf/keys/{role}.pem").write_bytes((stolen / f"{role}.pem").read_bytes())
    thief.name_as_theirs(server, "6.6.7", "esp32")
    with thief.break_in(server, tmp_path / "again"):
        fast_forward(server)  # with the keys that counted once
        reason = city.wait_action(city.rollout("6.6.7", node), node, "failed", 60)
    assert reason.startswith("BadSignature: timestamp")
    thief.name_as_theirs(server, "6.6.8", "esp32")
    with thief.break_in(server, tmp_path / "once more"):
        list_forged(city, "6.6.8")  # today's online keys, and the targets key that counted once
        reason = city.wait_action(city.rollout("6.6.8", node), node, "failed", 60)
    assert reason.startswith("BadSignature: targets")
    assert runs(node) == "1.1.0"
    assert trusts(node) == 2
    assert node.lamp.dark_s == 0
