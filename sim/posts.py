"""Where the lamp posts of a city stand, and what hangs on each: one seed, one city."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from sim.world import Place

OLD_TOWN = "old-town"
# Degrees from the centre to the north and to the east, and how busy the streets are.
DISTRICTS = {
    OLD_TOWN: (0.0, 0.0, 1.0),
    "harbour": (0.03, -0.02, 1.5),
    "hillside": (-0.03, 0.03, 0.3),
    "station": (0.02, 0.05, 2.0),
}
_KINDS = ("air", "light", "air", "air", "light", "air", "air", "light")
_STREET_DEG = 0.008  # how far from its middle a district reaches
_LOCAL = b"\x26\x0a\xc4"  # locally administered (IEEE 802, section 8.4.1): no board has it


@dataclass(frozen=True)
class Post:
    """One lamp post and its node."""

    name: str
    kind: str
    district: str
    mac: bytes
    place: Place


def district_place(name: str, centre: Place) -> Place:
    """Return the middle of a district."""
    north, east, traffic = DISTRICTS[name]
    return _moved(centre, north, east, traffic)


def posts(count: int, seed: int, centre: Place, *, first: int = 1) -> Iterator[Post]:
    """Yield `count` posts from number `first` on: of eight, five air and three light.

    Districts take turns. Addresses differ between seeds (modulo 256) and numbers (below 65536).
    """
    names = list(DISTRICTS)
    for number in range(first, first + count):
        chance = random.Random(f"{seed}/{number}")  # noqa: S311 - places, not secrets
        district = names[(number - 1) % len(names)]
        north, east = (chance.uniform(-_STREET_DEG, _STREET_DEG) for _ in range(2))
        middle = district_place(district, centre)
        yield Post(
            name=f"{district}-{(number - 1) // len(names) + 1}",
            kind=_KINDS[(number - 1) % len(_KINDS)],
            district=district,
            mac=_LOCAL + bytes([seed % 256]) + number.to_bytes(2, "big"),
            place=_moved(middle, north, east, middle.traffic),
        )


def _moved(place: Place, north: float, east: float, traffic: float) -> Place:
    longitude = (place.longitude + east + 540) % 360 - 180
    return Place(place.latitude + north, longitude, place.height_m, traffic)
