"""Keys and the TUF repository's offline half."""

import os
import socket
import stat
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ceremony import PASSPHRASE, data, invoke, made, packed, run
from click.testing import CliRunner
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from ota.build import bundle, keys, repository
from ota.build.cli import ota
from ota.build.errors import RepositoryError, SigningKeyError
from ota.core import limits


@pytest.fixture
def home(tmp_path):
    made = repository.Home(tmp_path / "home")
    repository.init(made, None)
    return made


def test_a_tuf_client_would_trust_what_init_made(home):
    def read(name, kind):
        metadata = Metadata[kind].from_bytes((home.metadata / name).read_bytes())
        assert isinstance(metadata.signed, kind)
        assert metadata.signed.version == 1
        return metadata

    root = read("1.root.json", Root)
    root.verify_delegate("root", root)
    root.verify_delegate("targets", read("1.targets.json", Targets))
    root.verify_delegate("snapshot", read("1.snapshot.json", Snapshot))
    root.verify_delegate("timestamp", read("timestamp.json", Timestamp))
    assert root.signed.consistent_snapshot
    assert {key.scheme for key in root.signed.keys.values()} == {"ecdsa-sha2-nistp256"}
    assert len(root.signed.keys) == 4
    assert (home.keys / "root.json").read_bytes() == (home.metadata / "1.root.json").read_bytes()


def test_the_server_folder_holds_neither_root_nor_targets_keys(home):
    names = {path.name for path in (home.folder / "server").rglob("*.pem")}
    assert names == {"snapshot.pem", "timestamp.pem"}


@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_no_key_is_ever_readable_by_others(tmp_path, mask):
    before = os.umask(mask)
    try:
        home = repository.Home(tmp_path)
        repository.init(home, PASSPHRASE)
    finally:
        os.umask(before)
    pems = list(tmp_path.rglob("*.pem"))
    assert len(pems) == 4
    assert {stat.S_IMODE(pem.stat().st_mode) for pem in pems} == {0o600}
    assert stat.S_IMODE(home.keys.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.online_keys.stat().st_mode) == 0o700


def test_a_key_that_others_may_read_is_refused(home):
    (home.keys / "targets.pem").chmod(0o640)
    with pytest.raises(SigningKeyError, match="can be read by others: chmod 600"):
        repository.publish(home, made("1.0.0"), None)


def test_offline_keys_are_encrypted_under_the_passphrase(tmp_path):
    home = repository.Home(tmp_path)
    repository.init(home, PASSPHRASE)
    for role in repository.OFFLINE:
        assert keys.is_encrypted((home.keys / f"{role}.pem").read_bytes())
    with pytest.raises(SigningKeyError, match="passphrase is wrong"):
        keys.load(home.keys / "targets.pem", "correct house")
    with pytest.raises(SigningKeyError, match="LAMPPOST_KEY_PASSPHRASE"):
        keys.load(home.keys / "targets.pem", None)
    assert repository.publish(home, made("1.0.0"), PASSPHRASE)


def test_a_short_passphrase_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(SigningKeyError, match="at least 8 characters"):
        repository.init(repository.Home(tmp_path / "home"), "short")
    assert not (tmp_path / "home").exists()


def test_a_repository_is_made_once(home):
    before = (home.keys / "root.pem").read_bytes()
    with pytest.raises(RepositoryError, match="a repository is made once"):
        repository.init(home, None)
    with pytest.raises(SigningKeyError, match="never overwritten"):
        keys.generate(home.keys / "root.pem", None)
    assert (home.keys / "root.pem").read_bytes() == before


def test_publishing_lists_the_manifest_under_the_repositorys_key(home):
    first = made("1.0.0")
    data = repository.publish(home, first, None)
    root = Metadata[Root].from_bytes((home.metadata / "1.root.json").read_bytes())
    targets = Metadata[Targets].from_bytes(data)
    root.verify_delegate("targets", targets)
    assert targets.signed.version == 2
    assert targets.signed.expires > datetime.now(UTC) + timedelta(days=300)
    targets.signed.targets["esp32/1.0.0.jsonl"].verify_length_and_hashes(first.manifest)
    again = Metadata[Targets].from_bytes(repository.publish(home, first, None))
    assert again.signed.version == 3
    assert again.signed.targets == targets.signed.targets


def test_a_version_never_changes_its_content(home):
    repository.publish(home, made("1.0.0"), None)
    with pytest.raises(RepositoryError, match="published with other content"):
        repository.publish(home, made("1.0.0", content=b"y"), None)


def test_only_releases_that_may_be_installed_stay_listed(home):
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        repository.publish(home, made(version), None)
    repository.publish(home, made("1.0.0", board="esp32c3"), None)
    data = repository.publish(home, made("1.3.0", floor="1.1.0"), None, withdraw=["1.2.0"])
    assert repository.listed(data) == [
        "esp32/1.1.0.jsonl",
        "esp32/1.3.0.jsonl",
        "esp32c3/1.0.0.jsonl",
    ]
    data = repository.publish(home, made("1.3.1"), None, keep=1)
    assert repository.listed(data) == ["esp32/1.3.1.jsonl", "esp32c3/1.0.0.jsonl"]


def test_withdrawing_what_is_not_there_is_refused(home):
    with pytest.raises(RepositoryError, match=r"no release 0\.1\.0 for esp32"):
        repository.publish(home, made("1.0.0"), None, withdraw=["0.1.0"])
    with pytest.raises(RepositoryError, match="is being published"):
        repository.publish(home, made("1.0.0"), None, withdraw=["1.0.0"])


def test_metadata_that_a_node_would_not_read_is_refused_and_not_kept(home):
    number = 0
    with pytest.raises(RepositoryError, match="a node reads 8192: withdraw"):  # noqa: PT012
        for number in range(100):
            before = (home.keys / "targets.json").read_bytes()
            repository.publish(home, made(f"1.0.{number}"), None, keep=1000)
    assert number > 30
    assert (home.keys / "targets.json").read_bytes() == before
    assert len(before) <= limits.TARGETS_BYTES


def test_another_repositorys_key_is_refused(home, tmp_path):
    other = repository.Home(tmp_path / "other")
    repository.init(other, None)
    (other.keys / "targets.pem").replace(home.keys / "targets.pem")
    with pytest.raises(SigningKeyError, match=r"is not the key of .*targets\.pub\.json"):
        repository.publish(home, made("1.0.0"), None)


def test_the_offline_way_by_commands(tmp_path):
    home, path = tmp_path / "home", packed(tmp_path / "lamppost-esp32-1.0.0.zip")
    assert data("init", "--home", home)["encrypted"] is True
    other = {"LAMPPOST_KEY_PASSPHRASE": "wrong horse"}
    said = run("publish", path, "--home", home, status=2, **other)
    assert said == f"Error: key {home}/keys/targets.pem: the passphrase is wrong\n"
    answer = data("publish", path, "--home", home)
    assert answer["uploaded"] is False
    signed = (tmp_path / "lamppost-esp32-1.0.0.signed.zip").read_bytes()
    assert str(tmp_path / "lamppost-esp32-1.0.0.signed.zip") == answer["signed"]
    assert bundle.unpack(signed) == made("1.0.0")
    assert bundle.targets(signed) == (home / "keys" / "targets.json").read_bytes()


def test_a_passphrase_that_is_not_set_is_asked_for_twice(tmp_path):
    runner = CliRunner(env={"LAMPPOST_KEY_PASSPHRASE": ""})
    result = runner.invoke(
        ota, ["init", "--home", str(tmp_path)], input=f"{PASSPHRASE}\n{PASSPHRASE}\n"
    )
    assert result.exit_code == 0, result.output
    assert PASSPHRASE not in result.output
    assert keys.load(tmp_path / "keys" / "root.pem", PASSPHRASE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["publish", "{bundle}"], "Give --home or set LAMPPOST_HOME"),
        (
            ["publish", "{bundle}", "--home", "{tmp}/none"],
            "`lamppost ota init` makes a repository",
        ),
        (["publish", "{tmp}/none.zip", "--home", "{home}"], "none.zip: No such file"),
        (["publish", "{bundle}", "--signed"], "--signed needs --url"),
        (["publish", "{bundle}", "--signed", "--url", "http://127.0.0.1:1"], "is not signed"),
        (["publish", "{bundle}", "--url", "http://x", "--token-file", "{tmp}/no"], "no: No such"),
        (["init"], "Give --home or set LAMPPOST_HOME"),
        (["init", "--home", "/proc/nowhere", "--unencrypted"], "cannot write /proc/nowhere"),
    ],
)
def test_bad_input_ends_with_status_2_and_one_line(home, tmp_path, arguments, message):
    path = packed(tmp_path / "bundle.zip")
    filled = [each.format(bundle=path, tmp=tmp_path, home=home.folder) for each in arguments]
    result = invoke(*filled, LAMPPOST_TOKEN="lp", LAMPPOST_KEY_PASSPHRASE="")
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.fixture
def server():
    """A fleet server's releases endpoint: keeps what it got, answers as told."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.got = (self.path, dict(self.headers), body)
            status, body = self.server.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield http
        http.shutdown()
        thread.join()


def test_a_signed_bundle_is_handed_to_the_server(home, tmp_path, server):
    path = packed(tmp_path / "bundle.zip")
    url = f"http://127.0.0.1:{server.server_port}"
    server.answer = (201, b'{"version": "1.0.0"}')
    token = tmp_path / "token"
    token.write_text("lp_secret\n")
    told = data("publish", path, "--home", home.folder, "--url", url, "--token-file", token)
    assert told["answer"] == {"version": "1.0.0"}
    where, headers, body = server.got
    assert where == "/api/v1/releases"
    assert headers["Authorization"] == "Bearer lp_secret"
    assert headers["Content-Type"] == "application/zip"
    assert bundle.targets(body) == (home.keys / "targets.json").read_bytes()
    server.answer = (409, b'{"title": "Conflict", "detail": "1.0.0 is there already"}')
    again = ("publish", tmp_path / "bundle.signed.zip", "--signed", "--url", url)
    said = run(*again, status=2, LAMPPOST_TOKEN="lp")
    assert said == "Error: the server refused: 409 1.0.0 is there already\n"
    assert server.got[2] == body


def test_without_a_token_nothing_is_signed(home, tmp_path):
    path = packed(tmp_path / "bundle.zip")
    before = (home.keys / "targets.json").read_bytes()
    said = run("publish", path, "--home", home.folder, "--url", "http://x", status=2)
    assert said == "Error: no token: set LAMPPOST_TOKEN or give --token-file\n"
    assert (home.keys / "targets.json").read_bytes() == before


def test_a_server_that_is_not_there_is_one_line(home, tmp_path):
    path = packed(tmp_path / "bundle.zip")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    words = ("publish", path, "--home", home.folder, "--url", url)
    assert run(*words, status=2, LAMPPOST_TOKEN="lp").startswith(f"Error: {url}: ")
