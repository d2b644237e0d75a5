"""One seed, one city: weather, air and daylight as a function of seed, place and time.

Nothing is stored and nothing depends on the order of questions: the same (seed, place, time)
gives the same answer in every process. Values vary smoothly; PM follows rush hours, heating and
wind; daylight follows the sun's position (low-precision formulae, accurate to about 0.1°, of The
Astronomical Almanac, section C) through moving clouds.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache

_DAY = 86_400.0
_HOUR = 3_600.0
_YEAR = 365.2422 * _DAY
_J2000 = 946_728_000.0  # unix time of 2000-01-01 12:00
_FULL_SUN_LUX = 110_000.0
_MOONLESS_LUX = 0.02
_STREET_LUX = 2.0  # the glow of a city over its own streets
_CELL_DEG = 0.02  # about two kilometres: air differs from one cell to the next


@dataclass(frozen=True)
class Place:
    """A place in the city: degrees north and east, metres above the sea."""

    latitude: float
    longitude: float
    height_m: float = 0.0
    traffic: float = 1.0
    """How busy the street is: 0 a park, 1 a main street, 2 a crossing of two."""


def midnight_place(unix_s: float) -> Place:
    """Return a place where it is solar midnight now, so that lamps have work to do."""
    east = -(unix_s % _DAY) * 360 / _DAY
    return Place(latitude=48.2, longitude=(east + 540) % 360 - 180, height_m=170)


class World:
    """The city of a seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def at(self, place: Place) -> "Spot":
        """Return what a part at `place` feels."""
        return Spot(self, place)

    def noise(self, channel: str, place: Place | None, at: float, period_s: float) -> float:
        """Return smooth noise in -1…1 that changes within `period_s`.

        Without a place it is the same all over the city.
        """
        x, y = (place.latitude / _CELL_DEG, place.longitude / _CELL_DEG) if place else (0.5, 0.5)
        column, row = math.floor(x), math.floor(y)
        step = math.floor(at / period_s)
        share = _smooth(at / period_s - step)
        cell = _Cell(self.seed, channel, column, row)
        now, then = (cell.value(step + i, x - column, y - row) for i in (0, 1))
        return now + (then - now) * share


class Spot:
    """Air and light at one place of a world; every method takes unix seconds."""

    def __init__(self, world: World, place: Place) -> None:
        self._world = world
        self.place = place

    def temperature(self, at: float) -> float:
        """Degrees Celsius: season, time of day, fronts, height."""
        season = -math.cos(math.tau * (at / _YEAR - 20 / 365.0))
        half = 1.0 if self.place.latitude >= 0 else -1.0
        mean = 27.0 - 0.36 * abs(self.place.latitude) + 9.0 * half * season
        day = 4.5 * math.cos(math.tau * (self._solar_hour(at) - 15.0) / 24.0)
        front = 4.0 * self._world.noise("front", None, at, 2.5 * _DAY)
        local = 0.6 * self._world.noise("warmth", self.place, at, 3 * _HOUR)
        return mean + day + front + local - 0.0065 * self.place.height_m

    def humidity(self, at: float) -> float:
        """Relative humidity in %: high at night and in wet fronts."""
        day = -14.0 * math.cos(math.tau * (self._solar_hour(at) - 15.0) / 24.0)
        wet = 16.0 * self._world.noise("wet", None, at, 1.5 * _DAY)
        local = 3.0 * self._world.noise("damp", self.place, at, 2 * _HOUR)
        return min(98.0, max(15.0, 66.0 + day + wet + local))

    def pressure(self, at: float) -> float:
        """Pascal at the place's height (barometric formula, 8.4 km scale height)."""
        sea = 101_325.0 + 1_400.0 * self._world.noise("pressure", None, at, 3 * _DAY)
        return sea * math.exp(-self.place.height_m / 8_430.0)

    def particles(self, at: float) -> tuple[float, float, float]:
        """PM1, PM2.5 and PM10 in µg/m³: background, rush hours, heating, thinned by wind."""
        hour = self._solar_hour(at)
        weekday = (math.floor(at / _DAY) + 3) % 7  # 1970-01-01 was a Thursday
        rush = _bell(hour, 8.0, 1.3) + 0.8 * _bell(hour, 17.5, 1.8)
        rush *= (1.0 if weekday < 5 else 0.35) * self.place.traffic
        heating = max(0.0, 12.0 - self.temperature(at)) * 0.5 * (0.5 + _bell(hour, 21.0, 3.0))
        wind = math.exp(0.9 * self._world.noise("wind", None, at, 7 * _HOUR))
        gust = 1.0 + 0.25 * self._world.noise("gust", self.place, at, 600.0)
        fine = max(0.5, (6.0 + 11.0 * rush + heating) * gust / wind)
        dry = (100.0 - self.humidity(at)) / 100.0
        coarse = (3.0 + 9.0 * rush * dry) * (
            1.0 + 0.2 * self._world.noise("dust", self.place, at, 900.0)
        )
        return 0.68 * fine, fine, fine + max(0.2, coarse)

    def illuminance(self, at: float) -> float:
        """Lux on a level surface, street lighting aside from the city's glow."""
        height = self.sun_elevation(at)
        cloud = 0.5 + 0.5 * self._world.noise("cloud", self.place, at, 1800.0)
        return _MOONLESS_LUX + _STREET_LUX + daylight(height) * (1.0 - 0.72 * cloud)

    def sun_elevation(self, at: float) -> float:
        """Height of the sun above the horizon in degrees, without refraction."""
        days = (at - _J2000) / _DAY
        mean = math.radians((280.460 + 0.9856474 * days) % 360)
        anomaly = math.radians((357.528 + 0.9856003 * days) % 360)
        longitude = mean + math.radians(1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
        tilt = math.radians(23.439 - 0.0000004 * days)
        ascension = math.atan2(math.cos(tilt) * math.sin(longitude), math.cos(longitude))
        declination = math.asin(math.sin(tilt) * math.sin(longitude))
        sidereal = math.radians((280.46062 + 360.98564737 * days + self.place.longitude) % 360)
        angle, north = sidereal - ascension, math.radians(self.place.latitude)
        sine = math.sin(north) * math.sin(declination) + math.cos(north) * math.cos(
            declination
        ) * math.cos(angle)
        return math.degrees(math.asin(max(-1.0, min(1.0, sine))))

    def _solar_hour(self, at: float) -> float:
        return (at / _HOUR + self.place.longitude / 15.0) % 24.0


def daylight(elevation: float) -> float:
    """Lux of a clear sky by the sun's height in degrees, through twilight (-18° is night)."""
    if elevation >= 0:
        return 400.0 + _FULL_SUN_LUX * math.pow(math.sin(math.radians(elevation)), 1.15)
    if elevation < -18:
        return 0.0
    return 400.0 * math.pow(10.0, elevation * 0.31)


def _bell(hour: float, top: float, width: float) -> float:
    distance = min(abs(hour - top), 24.0 - abs(hour - top))
    return math.exp(-((distance / width) ** 2))


def _smooth(share: float) -> float:
    return share * share * (3.0 - 2.0 * share)


@dataclass(frozen=True)
class _Cell:
    """A square of the city's grid: random values at its corners, smooth ones between."""

    seed: int
    channel: str
    column: int
    row: int

    def value(self, step: int, x: float, y: float) -> float:
        """Return the value at a time step and a point of the unit square."""
        across, up = _smooth(x), _smooth(y)
        south, north = (
            west + (east - west) * across
            for west, east in (
                [self._corner(self.column + i, self.row + j, step) for i in (0, 1)] for j in (0, 1)
            )
        )
        return south + (north - south) * up

    def _corner(self, column: int, row: int, step: int) -> float:
        return _random(f"{self.seed}/{self.channel}/{column}/{row}/{step}")


@lru_cache(maxsize=8192)
def _random(word: str) -> float:
    digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**63 - 1.0
