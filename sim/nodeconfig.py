"""The configuration of an emulated node by its kind (firmware/config.schema.json)."""

from dataclasses import dataclass
from typing import Any

from sim.world import Place

KINDS = {
    "air": ("air", "climate"),
    "light": ("lamp", "ambient"),
    "full": ("air", "climate", "lamp", "ambient"),
}
"""The parts of a node by kind: one measures air, one lights a street, one has all."""

_PARTS = {
    "air": {"driver": "pms5003", "uart": 1, "tx": 17, "rx": 16},
    "climate": {"driver": "bme280", "i2c": 0, "scl": 22, "sda": 21},
    "lamp": {"driver": "lamp", "pin": 25},
    "ambient": {"driver": "ambient", "pin": 34, "lux_full_scale": 2000},
}
_AIR = {
    **dict.fromkeys(("pm1", "pm25", "pm10"), "air"),
    **dict.fromkeys(("temperature", "humidity", "pressure"), "climate"),
}
_STREAMS = {
    "air": _AIR,
    "light": {"illuminance": "ambient", "lamp_level": "lamp"},
    "full": {**_AIR, "illuminance": "ambient"},
}
_PURPOSES = {"light": "street lighting"}


@dataclass(frozen=True)
class Pace:
    """How often a node does things, in seconds; `frame_s`: between two frames of its PM sensor."""

    window_s: int
    poll_s: int
    sample_s: int = 1
    frame_s: float = 0.25
    heartbeat_s: int = 3600


def make(
    name: str,
    place: Place,
    *,
    kind: str,
    site: str,
    server: tuple[str, int, str],
    time_server: tuple[str, int],
    pace: Pace,
) -> dict[str, Any]:
    """Return a config.json, parsed. `server`: address, port and name of its certificate."""
    return {
        "v": 1,
        "name": name,
        "site": site,
        "position": [round(place.latitude, 5), round(place.longitude, 5), 4],
        "time_zone": "CET-1CEST,M3.5.0,M10.5.0/3",
        "wifi": {"ssid": "city-nodes", "password": "only-for-nodes"},
        "server": dict(zip(("address", "port", "name"), server, strict=True)),
        "time_servers": [{"host": time_server[0], "port": time_server[1]}],
        "window_s": pace.window_s,
        "sample_s": pace.sample_s,
        "poll_s": pace.poll_s,
        "heartbeat_s": pace.heartbeat_s,
        "parts": {part: dict(_PARTS[part]) for part in KINDS[kind]},
        "streams": {
            stream: {
                "part": part,
                "purpose": _PURPOSES.get(kind, "air quality"),
                "retention_days": 365,
            }
            for stream, part in _STREAMS[kind].items()
        },
    }
