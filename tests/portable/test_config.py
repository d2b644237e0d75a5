import json

from firmware.core import config
from firmware.core.errors import ConfigError
from outcomes import raised

with open(__file__.rsplit("/", 2)[0] + "/vectors/config.json") as file:
    FULL = json.load(file)
LEAST = {"v": 1, "name": "n", "wifi": {"ssid": "s"}, "server": {"address": "10.0.0.1"}}


def changed(path, value, document=None):
    """Return a copy of a document in which the field at `path` is `value`, or gone for None."""
    made = json.loads(json.dumps(document or FULL))
    at = made
    steps = path.split(".")
    for step in steps[:-1]:
        at = at[int(step)] if type(at) is list else at[step]
    last = int(steps[-1]) if type(at) is list else steps[-1]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return made


def fault(document):
    try:
        config.validate(document)
    except ConfigError as error:
        assert str(error) == error.field + ": " + error.message
        return error.field
    return None


def test_a_full_document_is_taken_as_it_is():
    made = config.validate(FULL)
    assert made["light"]["programme"] == [[300, 100], [1320, 60]]
    for field, value in FULL.items():
        if field not in ("light", "parts"):
            assert made[field] == value, field
    assert made["parts"]["climate"]["address"] == 118
    assert made["ignored"] == []


def test_defaults_fill_in():
    made = config.validate(LEAST)
    assert made["server"] == {"address": "10.0.0.1", "port": 8443, "name": "10.0.0.1"}
    assert made["wifi"]["password"] == ""
    assert (made["window_s"], made["sample_s"], made["poll_s"]) == (600, 10, 300)
    assert (made["heartbeat_s"], made["verify_s"]) == (3600, 86400)
    assert (made["time_zone"], made["site"], made["position"]) == ("UTC0", "", None)
    assert (made["parts"], made["streams"], made["time_servers"]) == ({}, {}, [])
    assert made["light"] == {"dusk_lux": 20, "dawn_lux": 40, "programme": []}


def test_each_wrong_field_is_named():
    for path, value in (
        ("v", 2),
        ("v", True),
        ("name", ""),
        ("name", 5),
        ("site", "x" * 65),
        ("position", [91, 0]),
        ("position", [1]),
        ("position", [1, 2, 3, 4]),
        ("position", "here"),
        ("time_zone", "CET"),
        ("wifi.ssid", ""),
        ("wifi.password", "short"),
        ("server.address", "a b"),
        ("server.port", 0),
        ("server.port", 65536),
        ("server.port", 8443.5),
        ("server.port", "8443"),
        ("server.name", ""),
        ("time_servers", {}),
        ("time_servers.0.host", ""),
        ("time_servers.0.port", -1),
        ("window_s", 0),
        ("sample_s", 601),
        ("poll_s", False),
        ("heartbeat_s", 0),
        ("verify_s", 0),
        ("parts.air.driver", 7),
        ("parts.air.uart", 3),
        ("parts.air.tx", -1),
        ("parts.climate.address", 120),
        ("parts.lamp.frequency_hz", 1),
        ("parts.ambient.lux_full_scale", 0),
        ("streams.pm25.part", "nothing"),
        ("streams.pm25.part", "climate"),
        ("streams.pm25.purpose", ""),
        ("streams.pm25.retention_days", 0),
        ("light.dusk_lux", -1),
        ("light.dawn_lux", 20),
        ("light.programme", {}),
    ):
        assert fault(changed(path, value)) == path, (path, value)


def test_each_missing_field_is_named():
    for path in (
        "v",
        "name",
        "wifi",
        "wifi.ssid",
        "server",
        "server.address",
        "time_servers.0.host",
        "parts.air.driver",
        "parts.air.uart",
        "parts.climate.sda",
        "parts.lamp.pin",
        "streams.pm25.part",
        "streams.pm25.purpose",
        "streams.pm25.retention_days",
    ):
        assert fault(changed(path, None)) == path, path


def test_a_section_that_is_no_object_is_named():
    for path in ("wifi", "server", "parts", "parts.air", "streams", "streams.pm25", "light"):
        assert fault(changed(path, [])) == path, path
    assert fault([]) == ""


def test_a_wrong_step_of_the_programme_is_named():
    for step in (
        [],
        ["22:00"],
        ["22:00", 101],
        ["22:00", 50.5],
        ["24:00", 50],
        ["22:60", 50],
        ["2:00", 50],
        ["+2:00", 50],
        [2200, 50],
        "22:00",
    ):
        assert fault(changed("light.programme.1", step)) == "light.programme.1", step


def test_too_much_is_refused():
    part = {"driver": "lamp", "pin": 1}
    assert fault(changed("parts", {"p%d" % n: part for n in range(9)})) == "parts"
    assert fault(changed("light.programme", [["10:00", 50]] * 17)) == "light.programme"
    assert fault(changed("time_servers", [{"host": "h"}] * 5)) == "time_servers"


def test_the_unknown_is_ignored_and_named():
    document = changed("later", {"x": 1})
    document["parts"]["ears"] = {"driver": "microphone", "i2s": 0}
    document["streams"]["noise"] = dict(FULL["streams"]["pm25"])
    document["streams"]["pm1"] = dict(FULL["streams"]["pm25"])
    document["streams"]["pm1"]["part"] = "ears"
    made = config.validate(document)
    assert sorted(made["ignored"]) == ["parts.ears", "streams.noise", "streams.pm1"]
    assert "ears" not in made["parts"]
    assert sorted(made["streams"]) == sorted(FULL["streams"])
    assert "later" not in made


def test_what_is_no_document_is_refused():
    for text in (b"", b"{", b"[" * 200, b"\xff", b" " * 5000):
        assert raised(ConfigError, config.parse, text).field == ""
    assert config.parse(json.dumps(LEAST).encode())["name"] == "n"
