"""Ceremonies by commands alone: several holders, several sittings, every role."""

import json
import shutil
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from ota.build import bundle, draft, release, repository
from ota.build.cli import ota
from ota.build.entries import packed
from ota.build.errors import RepositoryError
from ota.build.release import Header, Release

PASSPHRASE = "correct horse"


def run(*arguments, status=0, **environment):
    clean = {"LAMPPOST_HOME": "", "LAMPPOST_URL": "", "LAMPPOST_TOKEN": ""}
    clean["LAMPPOST_KEY_PASSPHRASE"] = PASSPHRASE
    result = CliRunner().invoke(ota, [str(each) for each in arguments], env=clean | environment)
    assert result.exit_code == status, (result.output, result.exception)
    if status:
        assert result.stderr.startswith("Error: "), result.stderr
        assert result.stderr.count("\n") == 1
        return result.stderr
    return result.stdout


def data(*arguments, **environment):
    return json.loads(run(*arguments, "--json", **environment))


def made(version, content=b"x"):
    entries = (packed("firmware/main.mpy", content),)
    header = Header(version, "esp32", "0.0.0", "1.27.0", 1_769_817_600, 30)
    return Release(header, entries, release._manifest(header, entries))


class People:
    """Key holders, each with a folder of their own that no other command of a test sees."""

    def __init__(self, folder):
        self.folder = folder

    def card(self, name, *options):
        place = self.folder / name / name
        return data("keygen", place, "--unencrypted", *options)["card"]

    def pem(self, name):
        return self.folder / name / f"{name}.pem"


@pytest.fixture
def people(tmp_path):
    return People(tmp_path / "people")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def city(home, people, tmp_path):
    """A repository whose root belongs to three people, two of whom must sign."""
    begin(home, people)
    draft = home / "keys/root.draft.json"
    for name in ("anna", "carla"):
        carried = tmp_path / "stick.json"
        shutil.copy(draft, carried)
        run("sign", carried, "--key", people.pem(name))
        shutil.copy(carried, draft)
    run("sign", "--home", home)
    return repository.Home(home)


def begin(home, people):
    holders = [("--root-key", people.card(name)) for name in ("anna", "ben", "carla")]
    return data("init", "--home", home, *[part for pair in holders for part in pair])


def root(home, version=None):
    name = home.keys / "root.json" if version is None else home.metadata / f"{version}.root.json"
    return Metadata[Root].from_bytes(name.read_bytes())


def change(city, *arguments, by):
    """Make a change of the root, have it signed by `by`, and return the next root."""
    before = root(city)
    run(*arguments, "--home", city.folder)
    run("sign", "--home", city.folder, *[part for pem in by for part in ("--key", pem)])
    after = root(city)
    assert after.signed.version == before.signed.version + 1
    before.signed.verify_delegate("root", after.signed_bytes, after.signatures)
    after.signed.verify_delegate("root", after.signed_bytes, after.signatures)
    return after.signed


def test_a_root_of_three_people_asks_for_two(home, people):
    found = begin(home, people)["draft"]
    (first, second) = found["needs"]
    assert first["what"] == "root 1, the next"
    assert (first["threshold"], first["missing"]) == (2, 2)
    assert sorted(first["open"]) == ["anna", "ben", "carla"]
    assert (second["what"], second["missing"]) == ("targets, the next", 0)
    assert found["changes"][0].startswith("root: 2 of 3: +anna (")
    assert not (home / "keys/root.json").exists()
    assert not (home / "server/tuf/metadata").exists()


def test_it_is_signed_in_two_sittings_and_founds_the_repository(city):
    signed = root(city)
    assert signed.signed.roles["root"].threshold == 2
    assert len(signed.signatures) == 2
    signed.signed.verify_delegate("root", signed.signed_bytes, signed.signatures)
    assert city.draft.exists() is False
    for name, kind in (
        ("1.targets.json", Targets),
        ("1.snapshot.json", Snapshot),
        ("timestamp.json", Timestamp),
    ):
        metadata = Metadata[kind].from_bytes((city.metadata / name).read_bytes())
        role = metadata.signed.type
        signed.signed.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    assert root(city, 1).signed_bytes == signed.signed_bytes


def test_one_holder_alone_signs_nothing_into_force(home, people):
    begin(home, people)
    draft = home / "keys/root.draft.json"
    found = data("sign", draft, "--home", home, "--key", people.pem("ben"))["draft"]
    assert found["complete"] is False
    assert found["needs"][0]["signed"] == ["ben"]
    again = run("sign", draft, "--home", home, "--key", people.pem("ben"), status=2)
    assert "signed already" in again
    assert draft.exists()
    assert not (home / "keys/root.json").exists()


def test_copies_signed_at_the_same_time_are_gathered(home, people, tmp_path):
    begin(home, people)
    draft = home / "keys/root.draft.json"
    copies = []
    for name in ("anna", "ben"):
        copies.append(shutil.copy(draft, tmp_path / f"{name}.json"))
        run("sign", copies[-1], "--key", people.pem(name))
    run("sign", draft, *copies, "--home", home)
    assert len(root(repository.Home(home)).signatures) == 2
    other = tmp_path / "other"
    begin(other, People(tmp_path / "strangers"))
    strange = other / "keys/root.draft.json"
    assert "is no copy" not in run("status", "--home", other)
    said = run("sign", strange, copies[0], "--home", other, status=2)
    assert "no copy of this draft" in said


def test_a_draft_that_follows_a_made_up_root_is_found_out(city, people, tmp_path):
    kept = shutil.copy(city.keys / "root.json", tmp_path / "kept.json")
    people.card("mallory")
    run("add-key", "root", people.folder / "mallory/mallory.pub.json", "--home", city.folder)
    value = json.loads(city.draft.read_text())
    for part in ("keys", "roles"):
        value["before"]["signed"][part] = value["root"]["signed"][part]
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps(value))
    said = run("sign", forged, "--key", people.pem("anna"), "--root", kept, status=2)
    assert "does not follow root 1" in said
    found = data("sign", forged, "--key", people.pem("anna"))["draft"]  # all keys are shown
    assert "mallory (" in found["changes"][0]
    run("sign", city.draft, "--key", people.pem("anna"), "--root", kept)


def test_a_stranger_signs_nothing(city, people):
    people.card("mallory")
    run("add-key", "root", people.card("dora"), "--home", city.folder)
    said = run("sign", "--home", city.folder, "--key", people.pem("mallory"), status=2)
    assert "is no key that signs root 2" in said


def test_a_draft_that_was_bent_after_signing_has_no_signatures(city, people):
    run("add-key", "root", people.card("dora"), "--home", city.folder)
    for name in ("anna", "ben"):
        path = city.folder / f"{name}.json"
        shutil.copy(city.draft, path)
        run("sign", path, "--key", people.pem(name))
    value = json.loads(path.read_text())
    value["root"]["signed"]["roles"]["root"]["threshold"] = 1
    path.write_text(json.dumps(value))
    found = data("sign", path, "--key", people.pem("carla"))["draft"]
    assert [need["signed"] for need in found["needs"]] == [["carla"], ["carla"]]


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


DRAFT_VALUES = st.one_of(
    st.none(), st.integers(), st.text(max_size=9), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_draft_that_was_bent_anywhere_is_refused_in_one_line(city, people, bend):
    if not city.draft.exists():
        run("rotate", "targets", "--home", city.folder)
    whole = json.loads(city.draft.read_text())
    place = whole
    for _ in range(bend.draw(st.integers(0, 5))):
        inside = [key for key, value in place.items() if isinstance(value, dict) and value]
        if not inside:
            break
        place = place[bend.draw(st.sampled_from(sorted(inside)))]
    place[bend.draw(st.sampled_from(sorted(place)))] = bend.draw(DRAFT_VALUES)
    bent = city.folder / "bent.json"
    bent.write_text(json.dumps(whole))
    try:
        draft.load(bent).needs()
    except RepositoryError as error:
        assert "\n" not in error.message  # noqa: PT017 - or it is one that can be read


def test_a_release_is_signed_by_two_of_three(home, people, tmp_path):
    names = ("tom", "una", "vic")
    cards = [part for name in names for part in ("--targets-key", people.card(name))]
    data("init", "--home", home, *cards)
    for name in ("tom", "vic"):
        run("sign", home / "keys/root.draft.json", "--key", people.pem(name))
    run("sign", "--home", home)
    path = tmp_path / "lamppost-esp32-1.0.0.zip"
    path.write_bytes(bundle.pack(made("1.0.0")))
    first = data("publish", path, "--home", home, "--key", people.pem("una"))
    assert (first["missing"], first["uploaded"]) == (1, False)
    signed = first["signed"]
    alone = tmp_path / "root.json"
    shutil.copy(home / "keys/root.json", alone)
    stranger = people.card("mallory")
    said = run("sign", signed, "--root", alone, "--key", people.pem("mallory"), status=2)
    assert "no key that signs releases" in said
    assert stranger
    found = data("sign", signed, "--root", alone, "--key", people.pem("tom"))
    assert found["missing"] == 0
    assert sorted(found["signed"]) == ["tom", "una"]
    run("publish", signed, "--signed", "--home", home, "--url", "http://127.0.0.1:1", status=2,
        LAMPPOST_TOKEN="lp")  # fmt: skip
    kept = Metadata[Targets].from_bytes((home / "keys/targets.json").read_bytes())
    assert len(kept.signatures) == 2
    targets = Metadata[Targets].from_bytes(bundle.targets(Path(signed).read_bytes()))
    after = root(repository.Home(home)).signed
    after.verify_delegate("targets", targets.signed_bytes, targets.signatures)


def test_a_bundle_whose_list_names_another_release_is_not_signed(city, tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(bundle.pack(made("1.0.0")))
    signed = data("publish", path, "--home", city.folder)["signed"]
    targets = bundle.targets(Path(signed).read_bytes())
    swapped = tmp_path / "b.zip"
    swapped.write_bytes(bundle.pack(made("1.0.0", b"evil"), targets))
    said = run("sign", swapped, "--home", city.folder, status=2)
    assert "does not list the release in it" in said


def test_no_release_is_signed_while_the_targets_keys_change(city, tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(bundle.pack(made("1.0.0")))
    run("rotate", "targets", "--home", city.folder)
    said = run("publish", path, "--home", city.folder, status=2)
    assert "changes the targets keys: finish it first" in said


def test_status_says_in_words_who_signed_what_ends_when_and_what_is_next(city, people):
    said = run("status", "--home", city.folder)
    for part in ("root       version 1, expires 20", "(in 729 days); 2 of 3 keys must sign",
                 "anna", "signed", "key is here", "nothing to do"):  # fmt: skip
        assert part in said
    run("rotate", "snapshot", "timestamp", "--home", city.folder)
    said = run("status", "--home", city.folder)
    for part in (
        "draft      root 2, not in force yet",
        "root 1, in force: needs 2, signed by nobody",
        "2 more of",
        "to anna or ben or carla",
        "lamppost ota sign root.draft.json --key",
    ):
        assert part in said
    found = data("status", "--home", city.folder)
    assert found["draft"]["root"] == 2
    assert {key["holder"]: key["signed"] for key in found["roles"]["root"]["keys"]} == {
        "anna": True, "ben": False, "carla": True}  # fmt: skip
    change(city, "rotate", "snapshot", by=[people.pem("anna"), people.pem("ben")])
    assert "snapshot   signed by the server" in run("status", "--home", city.folder)
    (city.folder / "server/pki").mkdir()  # where the server itself runs
    said = run("status", "--home", city.folder)
    assert "lamppost ota publish" in said
    assert "snapshot   version 1, expires 20" in said


def test_status_speaks_up_before_something_expires(city, monkeypatch):
    monkeypatch.setitem(repository.EXPIRY_DAYS, "targets", 20)
    path = city.folder / "a.zip"
    path.write_bytes(bundle.pack(made("1.0.0")))
    run("publish", path, "--home", city.folder)
    (step,) = data("status", "--home", city.folder)["next"]
    assert "lamppost ota publish BUNDLE of the newest release, again" in step
    monkeypatch.setitem(repository.EXPIRY_DAYS, "targets", -1)
    run("publish", path, "--home", city.folder)
    assert "EXPIRED" in run("status", "--home", city.folder)


def test_every_command_teaches_itself():
    for name in ("keygen", "init", "sign", "rotate", "add-key", "remove-key", "status"):
        shown = run(name, "--help")
        assert len(shown) > 300
        assert "lamppost" in shown
    assert "lamppost ota init --home HOME --root-key anna.pub.json" in run("init", "--help")
    assert "server was broken into" in run("rotate", "--help")
