"""What a technician can get wrong in `provision` and `wipe`, and what a server can answer."""

import dataclasses
import http.server
import io
import json
import threading

import pytest
from click.testing import CliRunner

from ota.build import cards, keys
from ota.build.errors import FieldError, SigningKeyError
from ota.field import lock, provision, server, session, wipe
from ota.field.cable import CableError
from ota.field.cli import node
from ota.field.provision import Wishes

KNOWN = {"port": 8443, "names": ["fleet.example"], "sntp_port": 1123, "root": None}
WISHES = Wishes("Pier 3", "harbour", [54.3, 10.1], "city", "lamplight")
ID = "240ac4fffe123456"


def about(**changes):
    told = {
        "id": ID,
        "machine": "Generic",
        "runtime": "1.27.0",
        "board": "esp32",
        "version": "1.0.0",
        "name": "Pier 3",
        "site": "harbour",
        "files": {},
        "free": 12,
        "roots": [["a"], []],
        "locked": [],
    }
    return session.About(**(told | changes))


class Wire:
    """A cable whose node prints these lines."""

    port = "/dev/ttyUSB0"

    def __init__(self, *lines, fault=None):
        self._lines = lines
        self._fault = fault

    def run(self, program, *, fresh=True):
        pass

    def lines(self, silence_s):  # noqa: ARG002 - a cable's
        yield from self._lines
        if self._fault:
            raise CableError(self._fault)

    console = lines


class Office(http.server.BaseHTTPRequestHandler):
    """Answers as told: {path: (status, body)}."""

    answers = {}  # noqa: RUF012 - of one test at a time

    def do_GET(self):
        self._answer()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer()

    def _answer(self):
        status, body = self.answers.get(f"{self.command} {self.path}", (404, {"detail": "none"}))
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def url():
    office = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Office)
    thread = threading.Thread(target=office.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{office.server_port}"
    office.shutdown()
    thread.join()
    office.server_close()


@pytest.fixture
def answers(url, monkeypatch):
    found = {}
    monkeypatch.setattr(Office, "answers", found)
    return found


def made(document, wishes=WISHES, **known):
    packed, ignored = provision.configuration(document, wishes, KNOWN | known)
    return json.loads(packed), ignored


def test_a_configuration_is_completed_from_options_and_the_servers_word():
    config, ignored = made({"v": 1, "site": "elsewhere", "window_s": 300})
    assert config == {
        "v": 1,
        "name": "Pier 3",
        "site": "harbour",
        "window_s": 300,
        "position": [54.3, 10.1],
        "wifi": {"ssid": "city", "password": "lamplight"},
        "server": {"address": "fleet.example", "port": 8443, "name": "fleet.example"},
        "time_servers": [{"host": "fleet.example", "port": 1123}],
    }
    assert ignored == []
    wishes = Wishes("n", "s", None, "city", "", ("10.0.0.1", 0))
    config, _ = made({"v": 1, "server": {"address": "x"}, "time_servers": []}, wishes)
    assert config["server"] == {"address": "10.0.0.1", "port": 8443, "name": "fleet.example"}
    assert config["time_servers"] == []
    stream = {"part": "x", "purpose": "noise", "retention_days": 1}
    assert made({"v": 1, "streams": {"noise": stream}})[1] == ["streams.noise"]


@pytest.mark.parametrize(
    ("document", "wishes", "message"),
    [
        ({"v": 1}, Wishes(site="s", ssid="city"), "name: is missing"),
        ({"v": 1, "name": "n"}, Wishes(ssid="city"), "site is missing: give --site"),
        ({"v": 1, "name": "n", "site": "s"}, Wishes(), "wifi.ssid: is missing"),
        ({"v": 1}, Wishes("n", "s", None, "city", "short"), "wifi.password: must be empty or 8"),
        ({"v": 1}, Wishes("n", "s", [95.0, 0.0], "city"), "position: must be"),
        ({"v": 2}, WISHES, "v: must be"),
        ({"v": 1, "wifi": []}, WISHES, "wifi: must be an object"),
        ({"v": 1, "server": 7}, WISHES, "server: must be an object"),
        ({"v": 1, "server": {"name": "other"}}, WISHES, "is for fleet.example, not for other"),
        ({"v": 1, "window_s": "x" * 5000}, WISHES, "longer than 4096 bytes"),
    ],
)
def test_a_wrong_field_is_named(document, wishes, message):
    with pytest.raises(FieldError, match=message):
        made(document, wishes)


def give(tmp_path, *more, config='{"v": 1}', **variables):
    (tmp_path / "config").write_text(config)
    variables = {"LAMPPOST_WIFI_PASSWORD": "lamplight", "LAMPPOST_TOKEN": "lp_x"} | variables
    base = {"LAMPPOST_URL": None, "LAMPPOST_CA": None}
    words = ["provision", "--port", "/none", "--config", str(tmp_path / "config"), *more]
    return CliRunner(env=base | variables).invoke(node, words)


@pytest.mark.parametrize(
    ("more", "variables", "config", "message"),
    [
        ([], {"LAMPPOST_URL": None}, "{}", "which server? Give --url"),
        ([], {"LAMPPOST_TOKEN": None}, "{}", "no token: set LAMPPOST_TOKEN"),
        ([], {"LAMPPOST_TOKEN": "two words"}, "{}", "the token is garbled"),
        (["--token-file", "/none"], {}, "{}", "Token file /none cannot be read"),
        ([], {"LAMPPOST_WIFI_PASSWORD": None}, "{}", "no Wi-Fi password: set"),
        (
            ["--ssid", "city"],
            {"LAMPPOST_WIFI_PASSWORD": ""},
            '{"wifi": {"ssid": "x", "password": "of-another"}}',
            "no Wi-Fi password: set",
        ),
        (["--wifi-password-file", "/none"], {}, "{}", "Wi-Fi password file /none cannot be read"),
        ([], {}, "{", "is no JSON"),
        ([], {}, "[1]", "must be one JSON object"),
        ([], {}, "[" * 5000, "is no JSON"),
        (["--position", "1"], {}, "{}", "expected LAT,LON"),
        (["--position", "a,b"], {}, "{}", "expected LAT,LON"),
        (["--server", "host:port"], {}, "{}", "expected HOST or HOST:PORT"),
        (["--server", ":1"], {}, "{}", "expected HOST or HOST:PORT"),
        ([], {}, "{}", "/none: there is no such port"),
    ],
)
def test_bad_input_ends_with_status_2_and_one_line(tmp_path, more, variables, config, message):
    variables = {"LAMPPOST_URL": "http://127.0.0.1:1"} | variables
    result = give(tmp_path, *more, config=config, **variables)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert "lamplight" not in result.output


def test_whoever_sits_at_a_terminal_is_asked_for_secrets_unseen(monkeypatch, tmp_path):
    asked = []

    def prompt(what, **options):
        asked.append((what, options["hide_input"], options["err"]))
        return "typed"

    monkeypatch.delenv("LAMPPOST_TOKEN", raising=False)
    monkeypatch.setattr(server.click, "prompt", prompt)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(FieldError, match="no token"):
        server.token(None)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    assert server.token(None) == "typed"
    assert asked == [("Token", True, True)]
    (tmp_path / "token").write_text("of a file\n".replace(" ", "-"))
    assert server.token(tmp_path / "token") == "of-a-file"
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, {"detail": "the token is unknown, expired or revoked"}), "makes a new one"),
        ((403, {"detail": "role reader may not device.claim"}), "refused: role reader may not"),
        ((200, b"<html>"), "is no fleet server"),
        ((200, b"[1]"), "is no fleet server"),
        ((422, {"errors": [{"at": "name", "reason": "too long"}]}), r"422 \(name: too long\)"),
        ((500, {}), "the server refused: 500"),
    ],
)
def test_what_a_server_answers_becomes_one_line(url, answers, answer, message):
    answers["GET /api/v1/provisioning"] = answer
    with server.Server(url, "t", None) as office, pytest.raises(FieldError, match=message):
        office.call("GET", "/provisioning")


def test_a_server_that_is_not_there_or_no_address_is_named(tmp_path):
    gone = pytest.raises(FieldError, match=r"cannot be reached: .*nothing was changed")
    with server.Server("http://127.0.0.1:1", "t", None) as office, gone:
        office.call("GET", "/provisioning")
    with pytest.raises(FieldError, match="no-ca"):
        server.Server("https://x", "t", tmp_path / "no-ca")


def test_a_node_of_another_site_or_board_is_not_taken_over(url, answers):
    config, notes = {"site": "harbour", "name": "Pier 3"}, []
    device = {"site": "harbour", "board": "esp32", "name": "Pier 3"}
    path = f"GET /api/v1/devices/{ID}"
    with server.Server(url, "t", None) as office:
        for change, message in (
            ({"site": "old-town"}, "at site old-town, .*give --site old-town"),
            ({"board": "esp32c3"}, "as esp32c3, the release on it is for esp32"),
        ):
            answers[path] = (200, device | change)
            with pytest.raises(FieldError, match=message):
                provision._register(office, about(), config, notes)
        answers[path] = (200, device | {"name": "Pier 4"})
        assert provision._register(office, about(), config, notes) is False
        assert notes == ["the server calls it 'Pier 4', its configuration says otherwise"]
        answers[path] = (403, {"detail": "no"})
        with pytest.raises(FieldError, match="refused: no"):
            provision._register(office, about(), config, notes)


def test_a_root_comes_from_the_release_manager_never_from_the_server():
    theirs = json.dumps({"signed": {"roles": {"root": {"keyids": ["b"]}}}})
    known = KNOWN | {"root": theirs}
    data, notes = provision._root(None, about(), known)
    assert data == {}
    assert "shares no key with this node's" in notes[0]
    assert provision._root(None, about(roots=[["a"], ["b"]]), known) == ({}, [])
    with pytest.raises(FieldError, match="give --root"):
        provision._root(None, about(roots=[[], []]), known)
    other = {"root.json": theirs.encode()}
    assert provision._foreign(other, about(roots=[["a"], ["a"]]))[0] == "/data/tuf/root.json"
    assert provision._foreign(other, about(roots=[["a"], ["b"]])) == []
    assert provision._foreign({}, about(roots=[["a"], ["a"]])) == []


@pytest.mark.parametrize(
    ("lines", "enrolled"),
    [
        (["x", "[  1.0] info  enrol: certificate 2bb2"], True),
        (["[ 1.0] error enrol: refused with status 401 the claim is used"], "refused with status"),
        (["[ 1.0] warn  enrol: Unreachable: timed out"], "Unreachable: timed out"),
        ([], "it has said nothing of it yet"),
    ],
)
def test_what_a_node_says_of_its_enrolment_is_passed_on(lines, enrolled):
    found = provision.watch(Wire(*lines), 60)
    assert found is True if enrolled is True else enrolled in found


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['@["fault", "OSError: 28"]'], "/dev/ttyUSB0: OSError: 28"),
        (["Traceback", "MemoryError: ", ""], "did not answer as it should: Traceback / Memory"),
        (["@[broken"], "did not answer as it should"),
        (['@["about", {}]'], "did not answer as it should"),
        (['@["about", {"id": "zz"}]'], "did not answer as it should"),
        (["@" + "[" * 100_000], "did not answer as it should"),
    ],
)
def test_a_node_that_answers_nonsense_is_no_node(lines, message):
    with pytest.raises(session.NodeError, match=message):
        session.about(Wire(*lines))


def test_a_flash_too_full_is_named_before_anything_is_written():
    files = {"/etc/config.json": bytes(4097), "/etc/claim": b""}
    with pytest.raises(session.NodeError, match="5 blocks are needed and 4 are free"):
        session.put(Wire(), about(free=4), files, [], lambda *_: None)


@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (Wire('@["at", 16, 518]', fault="the port is gone"), "gone: not all is erased; give"),
        (Wire('@["fault", "OSError: 5"]'), "OSError: 5: not all is erased"),
        (Wire("MemoryError"), r"not all is erased \(MemoryError\)"),
        (Wire('@["end", 518, 2]'), "2 blocks .* destroy the board"),
    ],
)
def test_a_wipe_that_is_not_whole_says_so(wire, message):
    with pytest.raises(FieldError, match=message):
        wipe.wipe(wire, about(), None, lambda *_: None)


def test_nothing_is_erased_when_the_server_does_not_retire(url, answers):
    wire = Wire('@["end", 518, 0]')
    with server.Server(url, "t", None) as office:
        with pytest.raises(FieldError, match=r"the server knows no .*nothing was erased"):
            wipe.wipe(wire, about(), office, lambda *_: None)
        answers[f"GET /api/v1/devices/{ID}"] = (200, {"state": "active"})
        answers[f"POST /api/v1/devices/{ID}/state"] = (403, {"detail": "role operator may not"})
        with pytest.raises(FieldError, match="role operator may not; nothing was erased"):
            wipe.wipe(wire, about(), office, lambda *_: None)
        answers[f"GET /api/v1/devices/{ID}"] = (200, {"state": "retired"})
        assert wipe.wipe(wire, about(), office, lambda *_: None).blocks == 518


def test_wipe_asks_which_server_is_to_know():
    words = ["wipe", "--port", "/none", "--yes-wipe", "x"]
    result = CliRunner(env={"LAMPPOST_URL": None}).invoke(node, words)
    assert result.exit_code == 2
    assert "--keep-registered" in result.stderr


def test_the_lock_is_set_taken_off_and_never_lost_by_the_way(tmp_path):
    signer = keys.generate(tmp_path / "anna.pem", None)
    card = cards.beside(tmp_path / "anna.pem")
    cards.write(card, cards.Card("anna", signer.public_key))
    point = lock.point(signer.public_key)
    found = lock.holders((str(card), f"ben={point.upper()}"))
    assert found == {"anna": point, "ben": point}
    document = {"v": 1, "console": {"keys": {"carl": point}}}
    for wanted, held in ((None, {"carl": point}), (found, found), ({}, None)):
        packed, _ = provision.configuration(
            document, dataclasses.replace(WISHES, keys=wanted), KNOWN
        )
        assert json.loads(packed).get("console", {}).get("keys") == held
    for words, why in (
        (("ben=04ff",), "ben=04ff: no point of P-256 in hex"),
        ((f"ben={point[:-1]}0" if point[-1] != "0" else f"ben={point[:-1]}1",), "no point"),
        ((f"ben={point}", f"ben={point}"), "two keys are called ben"),
        ((str(tmp_path / "none.pub.json"),), "No such file"),
    ):
        with pytest.raises(FieldError, match=why):
            lock.holders(words)
    with pytest.raises(SigningKeyError, match="P-256"):
        lock.point(keys.generate(tmp_path / "rsa.pem", None, keys.RSA).public_key)


def test_a_locked_node_is_not_opened_by_a_configuration_that_says_nothing(url, answers):
    answers["GET /api/v1/provisioning"] = (200, KNOWN | {"ca": ""})
    told = json.dumps(["about", vars(about(locked=["anna"])) | {"id": "240ac4123456"}])
    wire = Wire(f"@{told}")
    with (
        server.Server(url, "token", None) as office,
        pytest.raises(session.NodeError, match=r"locked \(keys: anna\).*--lock CARD"),
    ):
        provision.provision(wire, office, {"v": 1}, WISHES, lambda *_: None)
