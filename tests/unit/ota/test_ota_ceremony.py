"""A root's draft by commands alone: several holders, several sittings, and what is bent."""

import json
import shutil

from ceremony import People, begin, data, root, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tuf.api.metadata import Metadata, Snapshot, Targets, Timestamp

from ota.build import draft, repository
from ota.build.errors import RepositoryError


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
