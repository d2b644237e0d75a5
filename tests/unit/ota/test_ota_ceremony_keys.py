"""Keys change hands by commands alone: every role, lost keys, online keys, and what cannot be."""

import json
import stat

import pytest
from ceremony import change, data, root, run
from tuf.api.metadata import Metadata, Targets

from ota.build import repository


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_a_role_gets_a_new_key_and_the_old_one_counts_no_more(city, people, role):
    old = root(city).signed.roles[role].keyids
    by = [people.pem("anna"), people.pem("ben")]
    if role == "targets":
        by.append(city.keys / "targets-2.pem")
    after = change(city, "rotate", role, by=by)
    assert set(after.roles[role].keyids).isdisjoint(old)
    assert set(old).isdisjoint(after.keys)
    fresh = city.folder_of(role) / f"{role}-2.pem"
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o600
    carried = json.loads(city.carried(2).read_text())
    assert ("targets" in carried) == (role == "targets")
    if role == "targets":
        metadata = Metadata[Targets].from_bytes(carried["targets"].encode())
        after.verify_delegate("targets", metadata.signed_bytes, metadata.signatures)
        assert metadata.signed.version == 2


def test_all_root_keys_change_hands_with_both_thresholds(city, people):
    cards = [part for name in ("dora", "emil", "fay") for part in ("--key", people.card(name))]
    run("rotate", "root", *cards, "--home", city.folder)
    new = [people.pem("dora"), people.pem("fay")]
    found = data("sign", "--home", city.folder, "--key", new[0], "--key", new[1])["draft"]
    missing = {need["what"]: need["missing"] for need in found["needs"]}
    assert missing == {"root 1, in force": 2, "root 2, the next": 0}
    old = [part for name in ("ben", "anna") for part in ("--key", people.pem(name))]
    assert data("sign", "--home", city.folder, *old)["root"] == 2
    assert root(city).signed.roles["root"].threshold == 2
    renewed = change(city, "sign", "--renew", "--key", new[0], by=[new[1]])
    assert renewed.version == 3


def test_a_root_goes_from_p256_to_rsa_by_the_nodes_own_rules(home):
    run("init", "--home", home)
    place = repository.Home(home)
    after = change(place, "rotate", "root", "targets", "--type", "rsa3072", by=[])
    assert {after.keys[after.roles[role].keyids[0]].scheme for role in ("root", "targets")} == {
        "rsassa-pss-sha256"
    }
    again = change(place, "rotate", "timestamp", by=[])
    assert again.version == 3


def test_a_lost_key_is_replaced_in_one_draft(city, people):
    run("remove-key", "root", "carla", "--home", city.folder)
    after = change(
        city, "add-key", "root", people.card("dora"), by=[people.pem("anna"), people.pem("ben")]
    )
    names = {after.keys[keyid].unrecognized_fields["x-lamppost-name"]
             for keyid in after.roles["root"].keyids}  # fmt: skip
    assert names == {"anna", "ben", "dora"}
    assert after.roles["root"].threshold == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["remove-key", "root", "zoe"], "it has those of anna, ben, carla"),
        (["remove-key", "root", "ben", "--threshold", "3"], "3 of 2 keys cannot be asked for"),
        (["remove-key", "targets", "targets"], "0 keys of 'targets'"),
        (["rotate", "root"], "ask each for a new one"),
        (["rotate", "timestamp", "--threshold", "2"], "timestamp: 2 of 1 keys"),
        (["add-key", "root", "{anna}"], "has the key of anna already"),
        (["add-key", "root", "{pem}"], "is no card of a key"),
        (["init"], "a repository is made once"),
        (["init", "--root-key", "{anna}"], "a repository is made once"),
        (["sign", "/nonexistent"], "No such file"),
        (["sign", "{anna}"], "is no draft of a root"),
        (["sign"], "root.draft.json: No such file"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(city, people, arguments, message):
    anna = people.folder / "anna/anna.pub.json"
    filled = [each.format(anna=anna, pem=people.pem("anna")) for each in arguments]
    before = (city.keys / "root.json").read_bytes()
    assert message in run(*filled, "--home", city.folder, status=2)
    assert (city.keys / "root.json").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--root-key", "{anna}", "--root-key", "{anna}"], "the key of anna is named twice"),
        (["--root-key", "{anna}", "--root-threshold", "2"], "2 of 1 keys cannot be asked for"),
        (["--root-key", "{anna}", "--targets-threshold", "2"], "targets: 2 of 1 keys"),
    ],
)
def test_a_first_root_that_cannot_be_leaves_nothing_behind(home, people, options, message):
    anna = people.card("anna")
    filled = [each.format(anna=anna) for each in options]
    assert message in run("init", "--home", home, *filled, status=2)
    assert not home.exists()


def test_cards_are_for_one_role_at_a_time(city, people):
    card = people.card("dora")
    said = run("rotate", "snapshot", "timestamp", "--key", card, "--home", city.folder, status=2)
    assert "one role at a time" in said


def test_an_online_key_made_on_the_server_never_travels(city, people):
    made = data("keygen", city.online_keys / "timestamp-2", "--unencrypted")
    by = [people.pem("anna"), people.pem("ben")]
    after = change(city, "rotate", "timestamp", "--key", made["card"], by=by)
    assert after.roles["timestamp"].keyids == [made["keyid"]]
    spare = data("keygen", city.online_keys / "spare", "--unencrypted")
    two = ("--key", made["card"], "--key", spare["card"], "--home", city.folder)
    said = run("rotate", "timestamp", *two, "--threshold", "2", status=2)
    assert "the server signs alone" in said
    after = change(city, "rotate", "timestamp", *two[:4], by=by)
    assert (len(after.roles["timestamp"].keyids), after.roles["timestamp"].threshold) == (2, 1)
