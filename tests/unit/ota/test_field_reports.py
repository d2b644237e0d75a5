"""Bad input to the field tools: any lines, any answers, and the control lines of a port."""

import datetime as dt
import json
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serial.tools.list_ports_common import ListPortInfo

from ota.build.errors import FieldError
from ota.field import asking, diagnosetext, diagnosis, findings, inputs, logs, ports
from ota.field import cable as cables
from ota.field.faults import CableError
from ota.field.lock import LockedError

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
NAMES = (
    *("slot", "files", "config", "config_kept", "identity", "anchors", "slot a", "slot b"),
    *("record a", "record b", "starts", "update", "seen", "crash", "crash.old", "log", "tuf root"),
    *("tuf timestamp", "tuf targets", "volume vfs", "volume data", "outbox", "part x", "heap"),
    *("chip", "reset_cause", "clock", "wifi", "console"),
)
WORDS = st.sampled_from(
    ["", "x", "\x1b[2J", "\n", "\ud800", "zz" * 6, "3000", "2026-11-24T00:00:00Z"]
)
NUMBERS = st.integers() | st.sampled_from([10**400, -(10**400)]) | st.floats()
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("fault", "version", "expires", "free", "blocks", "waiting", "mac", "ssid"),
                    *("rssi", "connected", "damaged", "values", "driver", "there", "certificate"),
                ]
            )
            | WORDS,
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def read(*pieces, at=100.0):
    reader = logs.Reader()
    found = [line for piece in pieces for line in reader.feed(piece, at)]
    return found + list(reader.flush())


def judged(told):
    report = diagnosis.report("port", told, NOW.timestamp())
    found = findings.judge(report, NOW)
    return report, found, "\n".join(diagnosetext.lines(report, found))


def test_a_line_has_time_level_task_and_text_however_it_arrives():
    whole = b"[    12.345] warn  update: no network\r\n"
    for at in range(len(whole)):
        (line,) = read(whole[:at], whole[at:])
        assert (line.level, line.task, line.text) == ("warn", "update", "no network")
        assert line.uptime_s == 12.345
    assert line.told()["time"] == "1970-01-01T00:01:40.000Z"


def test_a_traceback_belongs_to_its_error_and_the_chip_speaks_too():
    lines = read(
        b"[     1.000] error x: KeyError: 1\nTraceback (most recent call last):\n  File\n"
        b"E (312) wifi: no memory\nGuru Meditation Error: Core 0 panic'ed\nrst:0xc (SW_RESET)\n"
    )
    assert [line.level for line in lines] == [*["error"] * 5, "info"]
    assert lines[3].task == "wifi"


def test_what_a_node_says_steers_no_terminal_and_is_bounded():
    lines = read(b"\x1b[2J\x07" + b"x" * 9000 + b"\n\xff\xfe\n")
    assert all(line.text.isprintable() and len(line.text) <= 2000 for line in lines)
    assert sum(line.text.count("x") for line in lines) == 9000


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=80), max_size=6))
def test_any_bytes_become_lines_that_can_be_shown(pieces):
    for line in read(*pieces):
        assert "\n" not in line.shown()
        assert "\x1b" not in line.shown(since_boot=True)
        json.dumps(line.told())


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=12))
def test_whatever_a_node_answers_there_is_a_report(told):
    report, found, text = judged(told)
    json.dumps(report)
    assert text
    assert all(each.what and each.next for each in found)


def of_no_version(tmp_path):
    """Return a certificate of an X.509 that there is not."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 5, NOW, NOW)
    der = made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    path = tmp_path / "ca.der"
    path.write_bytes(der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09", 1))
    return path


def test_a_certificate_of_no_version_is_none(tmp_path):
    path = of_no_version(tmp_path)
    with pytest.raises(FieldError, match="neither PEM nor DER"):
        inputs.anchors((path,))
    report, _, _ = judged({"identity": {"certificate": path.read_bytes().hex()}})
    assert report["certificate"]["fault"].startswith("no certificate: 9 is not a valid X509")


@pytest.mark.parametrize(
    "told",
    [
        {"wifi": {"mac": "zz" * 6}},
        {"clock": 10**400},
        {"slot b": {"damaged": 5}},
        {"part x": {"driver": "y", "values": [1, 2]}},
        {"part x": {"driver": "y", "values": "abc"}},
        {"outbox": {"waiting": 10**400, "windows": -1, "segments": 0, "damaged": 0, "lost": 0}},
    ],
)
def test_an_answer_that_makes_no_sense_costs_its_own_line_at_most(told):
    report, _, text = judged(
        {"slot a": {"files": 1, "damaged": []}, "config": {"fault": ""}} | told
    )
    assert report["slots"]["a"]["sound"]
    assert not (report["slots"]["b"] or {}).get("sound")
    assert "all well" not in text


def test_certificates_and_metadata_that_end_are_named():
    told = {
        "config": {"fault": ""},
        "tuf root": {"version": 3, "expires": "2026-11-01T00:00:00Z"},
        "tuf timestamp": {"version": 9, "expires": "soon"},
        "identity": {"claim": False, "certificate": None, "there": False},
        "clock": 946_684_800,
        "wifi": {"connected": True, "rssi": -91, "mac": "240ac4000001"},
        "volume data": {"block_bytes": 4096, "blocks": 480, "free": 3},
        "volume vfs": {"fault": "OSError: 19"},
        "outbox": {"waiting": 500, "windows": 900, "segments": 60, "damaged": 2, "lost": 0},
    }
    _, found, _ = judged(told)
    said = "\n".join(each.what for each in found)
    for what in (
        "TUF root 3 expired on 2026-11-01",
        "TUF timestamp 9 expired on soon",
        "no certificate, and no claim token",
        "the clock has not been set",
        "weak Wi-Fi: -91 dBm",
        "data: 3 of 480 blocks are free",
        "vfs is not mounted: OSError: 19",
        "500 windows wait",
    ):
        assert what in said
    severities = [each.severity for each in found]
    assert severities == sorted(severities, key=("fault", "warning", "note").index)


class Port:
    """A cable whose node says certain lines."""

    port = "PORT"

    def __init__(self, *lines):
        self.said = lines

    def run(self, program, *, fresh):
        assert "main(True)" in program
        assert fresh

    def lines(self, _silence_s):
        yield from self.said


def test_a_program_that_ends_early_is_said_and_foreign_lines_are_passed_on():
    port = Port("noise", "@[1", "@[]", '@["name", 1]', "@" + "[" * 50_000, "MemoryError: ")
    found = asking.answers(port, "diagnose", "main(True)", fresh=True)
    told = []
    with pytest.raises(CableError, match="ended early: MemoryError"):
        told.extend(found)
    port = Port('@["a", 2]', '@["end", true]', '@["b", 3]')
    assert dict(asking.answers(port, "diagnose", "main(True)", fresh=True)) == {"a": 2}


class Talker:
    """mpremote's transport, and its port, of a node that says one line over and over."""

    in_waiting = 1

    def __init__(self, *_, **__):
        self.serial = self

    def write(self, data):
        pass

    def read(self, _size):
        return self.line

    def close(self):
        pass


def test_a_node_that_never_ends_its_say_ends_a_command(monkeypatch):
    monkeypatch.setattr(cables, "SerialTransport", Talker)
    monkeypatch.setattr(Talker, "line", b'@["at"]\n', raising=False)
    monkeypatch.setattr(cables, "_PROGRAM_S", 0.2)
    with cables.Cable("port") as cable, pytest.raises(CableError, match="says no end"):
        for _ in cable.lines(30):
            pass


def test_neither_a_console_nor_a_plug_steers_the_terminal(monkeypatch):
    monkeypatch.setattr(cables, "SerialTransport", Talker)
    monkeypatch.setattr(Talker, "line", b"enrol: \x1b[2J\r\n", raising=False)
    with cables.Cable("port") as cable:
        assert next(cable.console(1)) == "enrol: ?[2J"
    plug = ListPortInfo("/dev/ttyUSB0", True)
    plug.vid, plug.pid, plug.product = 1, 2, "\x1b[2Jboard"
    monkeypatch.setattr(ports.list_ports, "comports", lambda: [plug])
    assert [each.description for each in ports.listed(())] == ["?[2Jboard"]


def test_what_ends_in_a_refusal_leaves_no_deadline_to_what_comes_next(monkeypatch):
    monkeypatch.setattr(cables, "SerialTransport", Talker)
    monkeypatch.setattr(Talker, "line", b"[ 1.0] info  lock: locked to anna\r\n", raising=False)
    monkeypatch.setattr(cables, "_REACH_S", 0.2)
    with cables.Cable("port") as cable:
        with pytest.raises(LockedError, match="locked"):
            cable.run("")
        time.sleep(0.25)
        assert "lock: locked" in next(cable.console(1))


class Starting(Talker):
    """A locked node that has just been switched on: its lock is there after a few knocks."""

    knocks = 0

    def write(self, _data):
        self.knocks += 1

    def read(self, _size):
        said = {1: b"boot: slot a, steady\r\n", 5: b"[ 1.0] info  lock: locked to anna\r\n"}
        return said.get(self.knocks, b"")


def test_a_node_that_starts_is_not_taken_for_an_open_one(monkeypatch):
    monkeypatch.setattr(cables, "SerialTransport", Starting)
    monkeypatch.setattr(cables, "_KNOCK_S", 0.02)
    with cables.Cable("port") as cable, pytest.raises(LockedError, match="locked"):
        cable.unlock()


class ControlLines:
    """A port that notes what is done to it."""

    fd = None
    in_waiting = 0

    def __init__(self):
        self.__dict__["done"] = []

    def __setattr__(self, name, value):
        self.done.append((name, value))

    def write(self, data):
        self.done.append(("write", data))

    def read(self, _count):
        raise OSError

    def isOpen(self):  # noqa: N802 - pySerial's
        return True

    def close(self):
        pass


def test_a_cable_lets_the_control_lines_fall_in_the_order_that_resets_no_board(monkeypatch):
    port = ControlLines()
    monkeypatch.setattr(logs.serial, "serial_for_url", lambda *_, **__: port)
    cables.Cable("socket://PORT").close()
    assert port.done == [("rts", False), ("dtr", False)]


def test_logs_send_nothing_and_move_no_control_line(monkeypatch):
    port = ControlLines()
    monkeypatch.setattr(logs.serial, "serial_for_url", lambda *_, **__: port)
    with pytest.raises(CableError, match="PORT is gone"):
        list(logs.follow("PORT"))
    assert port.done == []
