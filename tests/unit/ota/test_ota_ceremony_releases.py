"""Releases and the root's state, by commands alone, where several people hold the keys."""

import shutil
from pathlib import Path

from ceremony import change, data, made, packed, root, run
from tuf.api.metadata import Metadata, Targets

from ota.build import bundle, repository


def test_a_release_is_signed_by_two_of_three(home, people, tmp_path):
    names = ("tom", "una", "vic")
    cards = [part for name in names for part in ("--targets-key", people.card(name))]
    data("init", "--home", home, *cards)
    for name in ("tom", "vic"):
        run("sign", home / "keys/root.draft.json", "--key", people.pem(name))
    run("sign", "--home", home)
    path = packed(tmp_path / "lamppost-esp32-1.0.0.zip")
    first = data("publish", path, "--home", home, "--key", people.pem("una"))
    assert (first["missing"], first["uploaded"]) == (1, False)
    signed = first["signed"]
    alone = tmp_path / "root.json"
    shutil.copy(home / "keys/root.json", alone)
    people.card("mallory")
    said = run("sign", signed, "--root", alone, "--key", people.pem("mallory"), status=2)
    assert "no key that signs releases" in said
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
    path = packed(tmp_path / "a.zip")
    signed = data("publish", path, "--home", city.folder)["signed"]
    targets = bundle.targets(Path(signed).read_bytes())
    swapped = tmp_path / "b.zip"
    swapped.write_bytes(bundle.pack(made("1.0.0", content=b"evil"), targets))
    said = run("sign", swapped, "--home", city.folder, status=2)
    assert "does not list the release in it" in said


def test_no_release_is_signed_while_the_targets_keys_change(city, tmp_path):
    path = packed(tmp_path / "a.zip")
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
    path = packed(city.folder / "a.zip")
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
