"""The next root at the server: only one that every node will take, and never half of it."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from bundles import Publisher
from fleetserver import Server, lamppost, problem

from ota.build import cards, ceremony, draft, keys, repository

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Give one server for all these tests: what they change are files, which each gets anew."""
    made = Server(tmp_path_factory.mktemp("roots") / "home", None)
    made.start()
    yield made
    made.close()


@pytest.fixture
def home(server):
    """Give a repository that has just been made."""
    for folder in ("keys", "server/tuf"):
        shutil.rmtree(server.home / folder)
        (server.home / folder).mkdir(mode=0o700)
    return Publisher(server).home


def signer(home, name):
    return keys.load(home.keys / f"{name}.pem", None)


def next_root(home, change, *names):
    """Return what `change` makes of the draft, signed by the keys of these names, adopted."""
    change()
    made = draft.load(home.draft)
    for name in names or ("root",):
        made.sign(signer(home, name))
    draft.save(home.draft, made)
    return json.loads(ceremony.adopt(home, made).read_text())


def rotate(home, *roles):
    return lambda: ceremony.rotate(home, roles, (), None, None)


def post(server, carried):
    return server.admin.post("/releases/metadata", json=carried)


def served(server):
    folder = server.home / "server/tuf/metadata"
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(server, carried):
    before = served(server)
    answer = post(server, carried)
    assert served(server) == before
    return answer.status_code, problem(answer)


def current(server):
    """Read snapshot and timestamp as nodes would, under the newest root."""
    files = served(server)
    number = max(int(name.split(".")[0]) for name in files if name.endswith("root.json"))
    root = repository.Metadata.from_bytes(files[f"{number}.root.json"]).signed
    timestamp = repository.Metadata.from_bytes(files["timestamp.json"])
    snapshot = files[f"{timestamp.signed.snapshot_meta.version}.snapshot.json"]
    snapshot = repository.Metadata.from_bytes(snapshot)
    targets = files[f"{snapshot.signed.meta['targets.json'].version}.targets.json"]
    for metadata in (timestamp, snapshot, repository.Metadata.from_bytes(targets)):
        root.verify_delegate(metadata.signed.type, metadata.signed_bytes, metadata.signatures)
    return number, timestamp.signed.version


def test_a_new_root_is_in_force_at_once_and_the_old_one_stays(server, home):
    before = served(server)
    version = current(server)[1]
    carried = next_root(home, rotate(home, "snapshot", "timestamp"))
    answer = post(server, carried)
    assert answer.json() == {"root": 2, "targets": 1}
    assert current(server) == (2, version + 1)
    after = served(server)
    assert after["1.root.json"] == before["1.root.json"]
    assert after["2.root.json"] == carried["root"].encode()
    assert server.anonymous.get("/tuf/metadata/2.root.json").content == after["2.root.json"]
    assert server.anonymous.get("/tuf/metadata/3.root.json").status_code == 404
    assert post(server, carried).json() == {"root": 2, "targets": 1}
    assert served(server) == after
    (event, *_) = server.audit("root 2")
    assert event["act"] == "release.root"


def test_new_targets_keys_come_with_what_they_signed(server, home):
    carried = next_root(home, rotate(home, "targets"), "root", "targets-2")
    assert refused(server, {"root": carried["root"]}) == (422, "bundle-signature")
    assert post(server, carried).json() == {"root": 2, "targets": 2}
    assert current(server)[0] == 2
    old = Publisher(server)
    shutil.copy(home.keys / "targets.pem", home.keys / "targets-old.pem")
    data = old.bundle("1.0.0", "esp32", {"firmware/main.mpy": b"x"})
    assert old.upload(data).status_code == 201


def test_a_root_of_other_keys_is_refused(server, home, tmp_path):
    strange = repository.Home(tmp_path / "strange")
    repository.init(strange, None)
    carried = next_root(strange, rotate(strange, "timestamp"))
    assert refused(server, carried) == (422, "root-refused")


def test_a_root_that_only_the_new_or_only_the_old_keys_signed_is_refused(server, home):
    rotate(home, "root")()
    for only in ("root", "root-2"):
        made = draft.load(home.draft)
        made.root.signatures.clear()
        made.sign(signer(home, only))
        carried = {"root": made.root.to_bytes().decode()}
        assert refused(server, carried) == (422, "root-refused")
    made.sign(signer(home, "root"))
    assert post(server, {"root": made.root.to_bytes().decode()}).status_code == 200


def test_no_root_is_left_out_and_none_comes_twice(server, home):
    second = next_root(home, rotate(home, "timestamp"))
    third = next_root(home, rotate(home, "timestamp"))
    assert refused(server, third) == (409, "root-version")
    assert post(server, second).status_code == 200
    assert post(server, third).status_code == 200
    assert refused(server, second) == (409, "root-version")


def test_without_the_new_online_key_the_server_says_so_and_nothing_changes(server, home):
    carried = next_root(home, rotate(home, "timestamp"))
    key = home.online_keys / "timestamp-2.pem"
    key.rename(home.folder / "away.pem")
    assert refused(server, carried) == (409, "online-key-missing")
    (home.folder / "away.pem").rename(key)
    assert post(server, carried).status_code == 200


@pytest.mark.parametrize(
    "bend",
    [
        lambda root: root | {"expires": "2020-01-01T00:00:00Z"},
        lambda root: root | {"version": "2"},
        lambda root: root | {"consistent_snapshot": False},
        lambda root: root | {"_type": "targets", "targets": {}},
        lambda root: root | {"keys": {}},
        lambda root: root | {"x": "y" * 9000},
    ],
    ids=["expired", "version", "consistent", "type", "keys", "size"],
)
def test_a_root_that_nodes_would_refuse_is_refused(server, home, bend):
    rotate(home, "timestamp")()
    value = json.loads(draft.load(home.draft).root.to_bytes())
    value["signed"] = bend(value["signed"])
    try:
        metadata = repository.Metadata.from_dict(json.loads(json.dumps(value)))
        metadata.sign(signer(home, "root"))
        text = metadata.to_bytes().decode()
    except Exception:  # noqa: BLE001 - what the reference library would not even write
        text = json.dumps(value)
    status, slug = refused(server, {"root": text})
    assert (status, slug) in ((422, "root-refused"), (422, "bundle-expired"))


@pytest.mark.parametrize("text", ["", "{}", "[", "[" * 5000, '{"signed": 1}', "\x00"])
def test_what_is_no_root_is_no_500(server, home, text):
    assert refused(server, {"root": text}) == (422, "root-refused")
    assert refused(server, {"root": 7})[0] == 422


@pytest.mark.parametrize(
    "body", [rb'{"root": "\ud800"}', b"[", b"", rb'{"root": "", "targets": "\ud800"}']
)
def test_half_a_character_is_no_500(server, home, body):
    headers = {"Content-Type": "application/json"}
    answer = server.admin.post("/releases/metadata", content=body, headers=headers)
    assert answer.status_code == 422
    assert problem(answer)


@pytest.mark.parametrize("text", ["", "[", '{"signed": 1}', "\x00"])
def test_targets_that_are_none_are_no_500_and_leave_the_old_root(server, home, text):
    carried = next_root(home, rotate(home, "timestamp")) | {"targets": text}
    assert refused(server, carried)[0] == 422


def test_only_an_admin_of_the_whole_fleet_puts_one_in_force(server, home):
    carried = next_root(home, rotate(home, "timestamp"))
    for role, sites in (("operator", ()), ("auditor", ()), ("admin", ("harbour",))):
        answer = server.operator(role, *sites).post("/releases/metadata", json=carried)
        assert (answer.status_code, problem(answer)) == (403, "forbidden")
    assert server.operator("auditor").get("/releases/metadata").json()["alarms"] == []


def test_whose_keys_count_is_shown_by_name(server, home, tmp_path):
    for name in ("anna", "ben"):
        key = keys.generate(tmp_path / f"{name}.pem", None)
        card = cards.Card(name, cards.public_key(key.public_key.keyval["public"].encode()))
        ceremony.add_key(home, "root", card, None)
    carried = next_root(home, lambda: None)
    assert post(server, carried).status_code == 200
    shown = lamppost("release", "keys", LAMPPOST_URL=server.operator_url,
                     LAMPPOST_TOKEN=server.token())  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    for part in ("anna", "ben", "1 of 3", "timestamp"):
        assert part in shown.stdout
    assert "alarm" not in shown.stdout


def test_a_key_that_is_gone_is_an_alarm_before_anything_expires(server, home):
    health = f"{server.operator_url}/healthz"
    assert server.client().get(health).json()["metadata"] == "ok"
    (home.online_keys / "timestamp.pem").unlink()
    answer = server.client().get(health)
    assert answer.status_code == 200
    assert "timestamp key that root 1 names is not in tuf/keys" in answer.json()["metadata"]
    assert server.admin.get("/releases/metadata").json()["alarms"] == [answer.json()["metadata"]]


def test_roles_that_people_sign_are_an_alarm_in_time(server, home, monkeypatch):
    ends = datetime.now(UTC).replace(microsecond=0) + 20 * DAY
    monkeypatch.setattr(repository, "expiry", lambda _: ends)
    data = Publisher(server).bundle("1.0.0", "esp32", {"firmware/main.mpy": b"x"})
    assert Publisher(server).upload(data).status_code == 201
    found = server.client().get(f"{server.operator_url}/healthz").json()["metadata"]
    assert found == (
        f"targets expires {ends:%Y-%m-%d %H:%M}Z: the release manager publishes the newest"
        " release again"
    )
