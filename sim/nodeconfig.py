"""The configuration of a node that has every part there is (firmware/config.schema.json)."""

from typing import Any

from sim.world import Place

_AIR = ("pm1", "pm25", "pm10")
_CLIMATE = ("temperature", "humidity", "pressure")


def make(
    name: str,
    place: Place,
    *,
    server: tuple[str, int, str],
    time_server: tuple[str, int],
    window_s: int,
    poll_s: int,
) -> dict[str, Any]:
    """Return a config.json, parsed. `server`: address, port and name of its certificate."""
    streams = {
        **dict.fromkeys(_AIR, "air"),
        **dict.fromkeys(_CLIMATE, "climate"),
        "illuminance": "ambient",
    }
    return {
        "v": 1,
        "name": name,
        "site": "old-town",
        "position": [place.latitude, round(place.longitude, 5), 4],
        "time_zone": "CET-1CEST,M3.5.0,M10.5.0/3",
        "wifi": {"ssid": "city-nodes", "password": "only-for-nodes"},
        "server": dict(zip(("address", "port", "name"), server, strict=True)),
        "time_servers": [{"host": time_server[0], "port": time_server[1]}],
        "window_s": window_s,
        "sample_s": 1,
        "poll_s": poll_s,
        "parts": {
            "air": {"driver": "pms5003", "uart": 1, "tx": 17, "rx": 16},
            "climate": {"driver": "bme280", "i2c": 0, "scl": 22, "sda": 21},
            "lamp": {"driver": "lamp", "pin": 25},
            "ambient": {"driver": "ambient", "pin": 34, "lux_full_scale": 2000},
        },
        "streams": {
            stream: {"part": part, "purpose": "air quality", "retention_days": 365}
            for stream, part in streams.items()
        },
    }
