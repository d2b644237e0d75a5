"""The bench file: what is wrong in it is named by file, board and key."""

import re

import pytest

from hil_tests.rigs import bench
from hil_tests.rigs.power import Relay, Uhubctl, Unswitched
from hil_tests.rigs.rig import BenchError

WHOLE = """
[board.pier]
chip = "esp32c3"
port = "rfc2217://terminal:4000"
baud = 115200
image = "micropython.bin"
host = "192.168.4.1"
wifi = { ssid = "bench", password_env = "BENCH_WIFI" }
power = { kind = "uhubctl", location = "1-1.4", port = 2 }
patience = 7
[board.pier.config]
sample_s = 2
parts.lamp = { driver = "lamp", pin = 25 }
streams.lamp_level = { part = "lamp", purpose = "street lighting", retention_days = 30 }
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Give a function that reads a bench file: the whole one, a piece of it replaced."""
    monkeypatch.setenv("BENCH_WIFI", "a secret")
    (tmp_path / "micropython.bin").touch()

    def read(before="", after="", more=""):
        assert before in WHOLE
        path = tmp_path / "bench.toml"
        path.write_text(WHOLE.replace(before, after) + more)
        return bench.places(path)

    return read


def test_a_board_is_read_with_all_that_is_around_it(read, tmp_path):
    (place,) = read().values()
    assert (place.name, place.board.chip, place.baud) == ("pier", "ESP32-C3", 115_200)
    assert (place.port, place.host) == ("rfc2217://terminal:4000", "192.168.4.1")
    assert place.image == tmp_path / "micropython.bin"
    assert place.wifi == {"ssid": "bench", "password": "a secret"}
    assert "a secret" not in repr(place)
    assert place.power == Uhubctl("1-1.4", 2)
    assert place.patience == 7
    assert place.config["parts"]["lamp"]["pin"] == 25


def test_what_may_be_left_out_has_its_default(read):
    place = read("baud = 115200\n")["pier"]
    assert place.baud == 460_800
    assert read("patience = 7\n")["pier"].patience == 5
    assert read(', password_env = "BENCH_WIFI"')["pier"].wifi["password"] == ""
    relay = '{ kind = "relay", port = "/dev/ttyUSB1" }'
    found = read('{ kind = "uhubctl", location = "1-1.4", port = 2 }', relay)["pier"].power
    assert found == Relay("/dev/ttyUSB1", 1)
    unswitched = read('kind = "uhubctl", location = "1-1.4", port = 2', 'kind = "none"')
    assert not unswitched["pier"].power.cuts


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('chip = "esp32c3"', "", "board pier: chip: is missing"),
        ('"esp32c3"', '"esp8266"', "chip: 'esp8266' is none of esp32, esp32c3, esp32s3"),
        ('"esp32c3"', "3", "chip: expected a text, not 3"),
        ("115200", '"115200"', "baud: expected a whole number, not '115200'"),
        ("115200", "true", "baud: expected a whole number, not True"),
        ("115200", "300", "baud: 300 is not in 9600 … 3000000"),
        ("micropython.bin", "other.bin", "other.bin: no such file"),
        ("patience = 7", "patience = 0", "patience: 0 is not more than 0"),
        ("patience = 7", "patience = nan", "patience: nan is not more than 0"),
        ('host = "192.168.4.1"', 'host = ""', "host: is empty"),
        ("baud =", "bauds =", "bauds: no such key"),
        ("BENCH_WIFI", "NOT_SET", "wifi: password_env: the environment has no NOT_SET"),
        ("password_env", "password", "wifi: password: no such key"),
        ('"uhubctl"', '"magic"', "power: kind: 'magic' is none of uhubctl, relay, none"),
        ("port = 2", "port = 0", "power: port: 0 is not in 1 … 9"),
        ("port = 2", "channel = 2", "power: port: is missing"),
        ('"uhubctl"', '"relay"', "power: port: expected a text, not 2"),
        ("power = {", "power = 5 #", "power: expected a table, not 5"),
        ('parts.lamp = { driver = "lamp", pin = 25 }', "", "config.parts: expected a table"),
        ("sample_s = 2", "sample_s = 2026-01-31", "config: Object of type date is not JSON"),
        ("sample_s = 2", "sample_s = inf", "config: Out of range float"),
        ("sample_s = 2", 'wifi.ssid = "x"', "config.wifi: made from wifi and host"),
        ("[board.pier]", "[boards.pier]", "boards: no such key"),
        ("chip =", "chip = =", "Invalid value"),
    ],
)
def test_a_wrong_file_is_named_with_board_and_key(read, tmp_path, before, after, words):
    with pytest.raises(BenchError, match=r"^.+: ") as caught:
        read(before, after)
    assert str(caught.value).startswith(f"{tmp_path / 'bench.toml'}: ")
    assert words in str(caught.value)
    assert "a secret" not in str(caught.value)


def test_a_file_that_is_none_is_named(tmp_path):
    with pytest.raises(BenchError, match=r"away\.toml: No such file"):
        bench.places(tmp_path / "away.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BenchError, match=r"binary\.toml"):
        bench.places(tmp_path / "binary.toml")
    (tmp_path / "deep.toml").write_text("x = " + "[" * 5000)
    with pytest.raises(BenchError, match=r"deep\.toml"):
        bench.places(tmp_path / "deep.toml")


def test_one_of_several_boards_is_asked_for_by_name(read, tmp_path):
    two = read(more=WHOLE.replace("pier", "quay"))
    path = tmp_path / "bench.toml"
    with pytest.raises(BenchError, match="name one by --board: pier, quay"):
        bench.chosen(two, None, path)
    with pytest.raises(BenchError, match="no board 'harbour': pier, quay there"):
        bench.chosen(two, "harbour", path)
    assert bench.chosen(two, "quay", path).name == "quay"
    assert bench.chosen(read(), None, path).name == "pier"
    assert bench.chosen({}, None, path) is None


def test_nothing_stands_on_the_bench_here_and_its_examples_are_sound(tmp_path, monkeypatch):
    assert bench.places(bench.FILE) == {}
    monkeypatch.setenv("BENCH_WIFI_PASSWORD", "a secret")
    (tmp_path / "ESP32_GENERIC-20251209-v1.27.0.bin").touch()
    lines = re.findall("^#([^ \n].*)", bench.FILE.read_text(), re.MULTILINE)
    powers = [line for line in lines if line.startswith("power = ")]
    kinds = []
    for power in powers:
        path = tmp_path / "bench.toml"
        path.write_text("\n".join(line for line in lines if line not in powers or line == power))
        kinds.append(type(bench.places(path)["pier"].power))
    assert kinds == [Uhubctl, Relay, Unswitched]
