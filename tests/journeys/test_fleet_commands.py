"""The command line: what it teaches, what it prints, and how it says no: one line, status 2."""

import json
import socket
import ssl
import stat

import fleetserver
import httpx2
import pytest
from fleetserver import lamppost, new_id


def says(done, *parts):
    """Assert a refusal in one clear line with exit status 2."""
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for part in parts:
        assert part in done.stderr


def serve(home, *options):
    return lamppost(
        "serve", "--home", str(home), "--listen", "127.0.0.1:0", "--operator", "127.0.0.1:0",
        "--sntp", "127.0.0.1:0", *options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands") / "home"
    assert lamppost("init", "--home", str(folder)).returncode == 0
    return folder


def test_help_lists_every_command_with_a_line():
    done = lamppost("--help")
    assert done.returncode == 0
    lines = [line.split(None, 1) for line in done.stdout.splitlines() if line.startswith("  ")]
    listed = {words[0] for words in lines if len(words) == 2}
    assert {"init", "serve", "token", "device", "release", "rollout", "audit"} <= listed
    assert lamppost("--version").stdout.startswith("lamppost, version ")


def test_init_makes_a_home_for_its_owner_only_and_can_be_repeated(home):
    ca = (home / "server/pki/ca.der").read_bytes()
    done = lamppost("init", "--home", str(home), "--json")
    assert json.loads(done.stdout)["made"] is False
    assert (home / "server/pki/ca.der").read_bytes() == ca
    for path in (home, *home.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_home_that_is_not_initialised(tmp_path):
    says(serve(tmp_path), "not initialised", "lamppost init")
    says(lamppost("token", "create", "--home", str(tmp_path), "--role", "admin"), "lamppost init")


def test_a_database_that_is_not_migrated(home, tmp_path):
    (tmp_path / "empty.db").touch()
    says(serve(home, "--database-url", f"sqlite:///{tmp_path}/empty.db"), "lamppost init")


def test_a_taken_port(home):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        says(serve(home, "--listen", where), where, "Address already in use")


def test_a_folder_that_cannot_be_written(tmp_path):
    # Root may write anywhere; nobody may make a folder under a file.
    (tmp_path / "file").touch()
    says(lamppost("init", "--home", str(tmp_path / "file/home")), "not writable")


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("sqlite:////nonexistent/folder/fleet.db", "lamppost init"),
        ("nonsense", "malformed"),
    ],
)
def test_a_database_that_is_not_there(home, url, part):
    says(serve(home, "--database-url", url), part)


def test_a_database_that_cannot_be_reached_and_its_password_is_not_printed(home):
    done = serve(home, "--database-url", "postgresql://me:hunter2@127.0.0.1:1/fleet")
    says(done, "cannot reach")
    assert "hunter2" not in done.stderr


def test_wrong_use_is_taught(home):
    for arguments in (("nonsense",), ("serve", "--listen", "8443"), ("token", "create")):
        done = lamppost(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_a_server_that_is_not_there():
    environment = {"LAMPPOST_URL": "http://127.0.0.1:1", "LAMPPOST_TOKEN": "x"}
    says(lamppost("device", "list", **environment), "cannot be reached")
    says(lamppost("device", "list", LAMPPOST_TOKEN=""), "no token")


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_working_day_of_an_operator(server, tmp_path):
    environment = {"LAMPPOST_URL": server.operator_url}
    (tmp_path / "token").write_text(server.token() + "\n")
    file = ("--token-file", str(tmp_path / "token"))
    device_id = new_id()

    def run(*arguments):
        done = lamppost(*arguments, *file, **environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert device_id in run("device", "add", device_id, "--site", "harbour", "--name", "Pier 3")
    token = run("device", "claim", device_id).strip()
    assert len(token) == 32
    assert json.loads(run("device", "show", device_id, "--json"))["state"] == "claimed"
    assert "Pier 3" in run("device", "list")
    assert "device.claim" in run("audit", "list")
    assert json.loads(run("device", "revoke", device_id, "--json")) == {"certificates": 0}
    run("release", "list")
    run("rollout", "list")
    again = lamppost("device", "add", device_id, "--site", "x", *file, **environment)
    says(again, "registered already")


def test_tokens_are_made_listed_and_revoked(home):
    made = json.loads(
        lamppost("token", "create", "--home", str(home), "--role", "auditor", "--ttl", "12h",
                 "--site", "harbour", "--json").stdout
    )  # fmt: skip
    assert made["expires_at"] - made["created_at"] == 12 * 3600
    listed = lamppost("token", "list", "--home", str(home)).stdout
    assert made["id"] in listed
    assert "harbour" in listed
    assert made["token"] not in listed
    assert lamppost("token", "revoke", "--home", str(home), made["id"]).returncode == 0
    says(lamppost("token", "revoke", "--home", str(home), made["id"]), "no token")


def test_off_loopback_the_operator_port_speaks_tls_only(tmp_path):
    server = fleetserver.Server(tmp_path / "home", None, "--name", "fleet.example")
    server.ports = {**fleetserver.ANY_PORTS, "operator": ["0.0.0.0", 0]}
    server.start()
    try:
        port = server.ports["operator"][1]
        pki = str(server.home / "server/pki/ca.pem")
        context = ssl.create_default_context(cafile=pki)
        with httpx2.Client(verify=context) as client:
            assert client.get(f"https://127.0.0.1:{port}/healthz").status_code == 200
            with pytest.raises(httpx2.TransportError):
                client.get(f"http://127.0.0.1:{port}/healthz")
        environment = {"LAMPPOST_URL": f"https://127.0.0.1:{port}", "LAMPPOST_TOKEN": "x"}
        says(lamppost("device", "list", "--ca", pki, **environment), "unknown, expired or revoked")
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="fleet.example") as tls,
        ):
            assert tls.version() == "TLSv1.3"
    finally:
        server.close()


def test_a_board_that_there_is_not_is_refused_with_those_there_are():
    done = lamppost("device", "add", new_id(), "--site", "harbour", "--board", "esp8266")
    assert done.returncode == 2
    for part in ("--board", "esp8266", "esp32", "esp32c3", "esp32s3"):
        assert part in done.stderr


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_wrong_address_says_what_to_check(server):
    environment = {"LAMPPOST_URL": server.operator_url + "/api/v1"}
    environment["LAMPPOST_TOKEN"] = server.token()
    says(lamppost("device", "list", **environment), "LAMPPOST_URL", "operator port")
    environment["LAMPPOST_URL"] = server.operator_url
    says(lamppost("device", "show", new_id(), **environment), "there is no device")
