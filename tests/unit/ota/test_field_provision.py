"""What a server and a node can answer in `provision` and `wipe`: each becomes one line."""

import http.server
import json
import threading

import pytest
from desk import ABOUT, ID, KNOWN, WISHES, Wire, about

from firmware.tasks import measuring
from ota.build.errors import FieldError
from ota.field import provision, server, session, wipe


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


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"names": None}, "answers without names: .* check --url"),
        ({"port": "8443"}, "answers without port"),
        ({"names": []}, "the server names nothing"),
        ({"ca": "-----BEGIN CERTIFICATE-----"}, "CA certificate is no PEM"),
        ({"root": 7, "ca": ""}, "CA certificate is no PEM"),
    ],
)
def test_a_server_that_answers_otherwise_is_told_apart(url, answers, changed, message):
    told = ABOUT | {"id": "240ac4123456"}
    answers["GET /api/v1/provisioning"] = (200, KNOWN | {"ca": ""} | changed)
    wire = Wire("@" + json.dumps(["about", told]))
    with server.Server(url, "t", None) as office, pytest.raises(FieldError, match=message):
        provision.provision(wire, office, {"v": 1}, WISHES, lambda *_: None)
    assert not wire.ran or wire.ran[-1] == session.program("restart")


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


@pytest.mark.parametrize(
    "claim",
    [
        {"token": "", "expires": 1},
        {"token": "two words", "expires": 1},
        {"token": "\ud800", "expires": 1},
        {"token": "t" * 129, "expires": 1},
        {"token": "token", "expires": -1},
        {"token": "token", "expires": 10**30},
    ],
)
def test_a_claim_that_no_node_could_use_is_refused(url, answers, claim):
    answers[f"POST /api/v1/devices/{ID}/claims"] = (200, claim)
    with (
        server.Server(url, "token", None) as office,
        pytest.raises(server.ServerError, match=r"claim token is none .* nothing was changed"),
    ):
        provision._claim(office, about(), 24)


@pytest.mark.parametrize(("files", "errand"), [({}, False), ({"/etc/identity": 577}, True)])
def test_a_node_that_has_an_identity_enrols_before_it_measures(
    url, answers, monkeypatch, files, errand
):
    monkeypatch.setattr(provision, "_anchors", lambda _: {})
    put = {}
    monkeypatch.setattr(session, "put", lambda *what: put.update(what[2]))
    answers["GET /api/v1/provisioning"] = (200, KNOWN | {"ca": ""})
    answers[f"POST /api/v1/devices/{ID}/claims"] = (200, {"token": "token", "expires": 1})
    answers["POST /api/v1/devices"] = (201, {})
    wire = Wire("@" + json.dumps(["about", ABOUT | {"id": "240ac4123456", "files": files}]))
    with server.Server(url, "t", None) as office:
        provision.provision(wire, office, {"v": 1}, WISHES, lambda *_: None)
    assert put["/etc/claim"] == b"token"
    assert (put.get(measuring.FLAG) == measuring.ENROLMENT.encode()) == errand


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
        assert wire.ran == [session.program("restart")]
        answers[f"GET /api/v1/devices/{ID}"] = (200, {"state": "active"})
        answers[f"POST /api/v1/devices/{ID}/state"] = (403, {"detail": "role operator may not"})
        with pytest.raises(FieldError, match="role operator may not; nothing was erased"):
            wipe.wipe(wire, about(), office, lambda *_: None)
        answers[f"GET /api/v1/devices/{ID}"] = (200, {"state": "retired"})
        assert wipe.wipe(wire, about(), office, lambda *_: None).blocks == 518


def test_a_locked_node_is_not_opened_by_a_configuration_that_says_nothing(url, answers):
    answers["GET /api/v1/provisioning"] = (200, KNOWN | {"ca": ""})
    told = json.dumps(["about", vars(about(locked=["anna"])) | {"id": "240ac4123456"}])
    wire = Wire(f"@{told}")
    with (
        server.Server(url, "token", None) as office,
        pytest.raises(session.NodeError, match=r"locked \(keys: anna\).*--lock CARD"),
    ):
        provision.provision(wire, office, {"v": 1}, WISHES, lambda *_: None)
