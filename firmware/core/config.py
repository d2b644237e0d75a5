"""The node's config: one JSON document, published as firmware/config.schema.json.

`parse` gives a new, complete document (defaults filled in, programme times as minutes) or raises
ConfigError with the path of the first field that is wrong. Fields, streams and drivers that this
release does not know are ignored, for a release must run with its successor's config after a
roll-back; `ignored` in the result names those streams and parts.
"""

import json

from firmware.core.errors import ConfigError, FormatError
from firmware.core.timezone import Zone

LIMIT_BYTES = 4096
PARTS_LIMIT = 8
STEPS_LIMIT = 16
_KEYS_MAX = 4
TIME_SERVERS_LIMIT = 4

STREAMS_OF = {
    "pms5003": ("pm1", "pm25", "pm10"),
    "bme280": ("temperature", "humidity", "pressure"),
    "lamp": ("lamp_level",),
    "ambient": ("illuminance",),
}

_PIN = (0, 48, None)
# driver: {field: (least, greatest, default)}; None: the field must be there.
_PART_FIELDS = {
    "pms5003": {"uart": (0, 2, None), "tx": _PIN, "rx": _PIN},
    "bme280": {"i2c": (0, 1, None), "scl": _PIN, "sda": _PIN, "address": (118, 119, 118)},
    "lamp": {"pin": _PIN, "frequency_hz": (100, 20000, 1000)},
    "ambient": {"pin": _PIN, "lux_full_scale": (1, 200000, 2000)},
}
_KNOWN_STREAMS = [name for names in STREAMS_OF.values() for name in names]
_REQUIRED = object()


def parse(text: bytes) -> dict:
    """Return the validated config that the JSON document `text` describes."""
    if len(text) > LIMIT_BYTES:
        raise ConfigError("", "longer than %d bytes" % LIMIT_BYTES)
    try:
        document = json.loads(text)
    except (ValueError, RuntimeError):  # RuntimeError: nested beyond the stack
        raise ConfigError("", "not JSON")
    return validate(document)


def validate(document: object) -> dict:
    """Return the validated config of a document already read."""
    top = _Section(document, "")
    if top.whole("v", 1, 1) != 1:
        raise ConfigError("v", "must be 1")
    config = {
        "v": 1,
        "name": top.text("name", 1, 64),
        "site": top.text("site", 0, 64, ""),
        "position": _position(top),
        "time_zone": _time_zone(top),
        "wifi": _wifi(top.section("wifi")),
        "server": _server(top.section("server")),
        "time_servers": [_time_server(each) for each in top.sections("time_servers")],
        "window_s": top.whole("window_s", 1, 86400, 600),
        "sample_s": top.whole("sample_s", 1, 3600, 10),
        "poll_s": top.whole("poll_s", 1, 86400, 300),
        "heartbeat_s": top.whole("heartbeat_s", 1, 86400, 3600),
        "verify_s": top.whole("verify_s", 1, 604800, 86400),
        "ignored": [],
    }
    if config["sample_s"] > config["window_s"]:
        raise ConfigError("sample_s", "must not be longer than window_s")
    config["parts"] = _parts(top.section("parts", {}), config["ignored"])
    config["streams"] = _streams(top.section("streams", {}), config)
    config["light"] = _light(top.section("light", {}))
    _console(top.section("console", {}))
    return config


class _Section:
    """One object of the document: takes fields out of it, checked, and knows its path."""

    def __init__(self, value: object, path: str) -> None:
        if type(value) is not dict:
            raise ConfigError(path, "must be an object")
        self.fields = value
        self.path = path

    def field(self, key: str) -> str:
        return self.path + "." + key if self.path else key

    def get(self, key: str, default):  # noqa: ANN001, ANN202 - whatever JSON holds
        value = self.fields.get(key, default)
        if value is _REQUIRED:
            raise ConfigError(self.field(key), "is missing")
        return value

    def whole(self, key: str, least: int, greatest: int, default: object = _REQUIRED) -> int:
        value = self.get(key, default)
        if type(value) is not int or not least <= value <= greatest:
            self.fail(key, "must be a whole number from %d to %d" % (least, greatest))
        return value

    def number(self, key: str, least: float, greatest: float, default: object) -> float:
        value = self.get(key, default)
        if not _is_number(value, least, greatest):
            self.fail(key, "must be a number from %s to %s" % (least, greatest))
        return value

    def text(self, key: str, least: int, greatest: int, default: object = _REQUIRED) -> str:
        value = self.get(key, default)
        if type(value) is not str or not least <= len(value) <= greatest:
            self.fail(key, "must be a string of %d to %d characters" % (least, greatest))
        return value

    def host(self, key: str, default: object = _REQUIRED) -> str:
        value = self.text(key, 1, 253, default)
        for letter in value:
            if not ("a" <= letter <= "z" or "A" <= letter <= "Z" or letter in "0123456789.:-"):
                self.fail(key, "must be a host name or an IP address")
        return value

    def section(self, key: str, default: object = _REQUIRED) -> "_Section":
        return _Section(self.get(key, default), self.field(key))

    def array(self, key: str, limit: int) -> list:
        value = self.get(key, [])
        if type(value) is not list or len(value) > limit:
            self.fail(key, "must be an array of at most %d" % limit)
        return value

    def sections(self, key: str) -> list:
        values = self.array(key, TIME_SERVERS_LIMIT)
        return [_Section(v, "%s.%d" % (self.field(key), i)) for i, v in enumerate(values)]

    def fail(self, key: str, message: str) -> None:
        raise ConfigError(self.field(key), message)


def _is_number(value, least: float, greatest: float) -> bool:  # noqa: ANN001 - any JSON
    return type(value) in (int, float) and least <= value <= greatest


def _position(top: _Section) -> list | None:
    if "position" not in top.fields:
        return None
    value = top.fields["position"]
    if type(value) is list and 2 <= len(value) <= 3:
        limits = ((-90, 90), (-180, 180), (-500, 9000))
        if all(_is_number(each, *limits[i]) for i, each in enumerate(value)):
            return value
    raise ConfigError("position", "must be [latitude, longitude] or these and the height in m")


def _time_zone(top: _Section) -> str:
    text = top.text("time_zone", 4, 64, "UTC0")
    try:
        Zone(text)
    except FormatError as error:
        top.fail("time_zone", str(error))
    return text


def _wifi(wifi: _Section) -> dict:
    password = wifi.text("password", 0, 64, "")
    if 0 < len(password) < 8:  # WPA2 takes 8 to 63 characters or a key of 64 hex digits
        wifi.fail("password", "must be empty or 8 to 64 characters")
    return {"ssid": wifi.text("ssid", 1, 32), "password": password}


def _server(server: _Section) -> dict:
    address = server.host("address")
    return {
        "address": address,
        "port": server.whole("port", 1, 65535, 8443),
        "name": server.host("name", address),
    }


def _time_server(section: _Section) -> dict:
    return {"host": section.host("host"), "port": section.whole("port", 1, 65535, 123)}


def _parts(section: _Section, ignored: list) -> dict:
    if len(section.fields) > PARTS_LIMIT:
        raise ConfigError("parts", "must be at most %d" % PARTS_LIMIT)
    parts = {}
    for name in sorted(section.fields):
        part = section.section(name)
        driver = part.text("driver", 1, 32)
        if driver not in _PART_FIELDS:
            ignored.append(part.path)
            continue
        made: dict = {"driver": driver}
        for key, (least, greatest, default) in _PART_FIELDS[driver].items():
            take = part.number if key == "lux_full_scale" else part.whole
            made[key] = take(key, least, greatest, _REQUIRED if default is None else default)
        parts[name] = made
    return parts


def _streams(section: _Section, config: dict) -> dict:
    streams = {}
    for name in sorted(section.fields):
        stream = section.section(name)
        made = {
            "part": stream.text("part", 1, 32),
            "purpose": stream.text("purpose", 1, 100),
            "retention_days": stream.whole("retention_days", 1, 36500),
        }
        if name not in _KNOWN_STREAMS or "parts." + made["part"] in config["ignored"]:
            config["ignored"].append(stream.path)
            continue
        part = config["parts"].get(made["part"])
        if part is None:
            stream.fail("part", "is not among parts")
        elif name not in STREAMS_OF[part["driver"]]:
            stream.fail("part", "does not measure " + name)
        streams[name] = made
    return streams


def _console(console: _Section) -> None:
    """Check the console's lock; it is the boot code that reads it (root/startup.py)."""
    if not console.fields:
        return
    keys = console.section("keys")
    if not 1 <= len(keys.fields) <= _KEYS_MAX:
        console.fail("keys", "must be one to %d" % _KEYS_MAX)
    for name in keys.fields:
        key = keys.text(name, 130, 130)
        if not 1 <= len(name) <= 32 or key[:2] != "04" or key.strip("0123456789abcdef"):
            keys.fail(name, "must be a name of at most 32 characters, and 04 with 128 hex digits")


def _light(light: _Section) -> dict:
    dusk = light.number("dusk_lux", 0, 10000, 20)
    dawn = light.number("dawn_lux", 0, 10000, 40)
    if dawn <= dusk:
        light.fail("dawn_lux", "must be above dusk_lux")
    steps = []
    for index, step in enumerate(light.array("programme", STEPS_LIMIT)):
        minute = _step_minute(step)
        if minute is None:
            light.fail("programme.%d" % index, 'must be ["HH:MM", level in %]')
        steps.append([minute, step[1]])
    steps.sort()
    return {"dusk_lux": dusk, "dawn_lux": dawn, "programme": steps}


def _step_minute(step: object) -> int | None:
    if type(step) is not list or len(step) != 2 or type(step[1]) is not int:
        return None
    time = step[0]
    if not 0 <= step[1] <= 100 or type(time) is not str or len(time) != 5 or time[2] != ":":
        return None
    if not all(c in "0123456789" for c in time[:2] + time[3:]):
        return None
    hours, minutes = int(time[:2]), int(time[3:])
    return hours * 60 + minutes if hours < 24 and minutes < 60 else None
