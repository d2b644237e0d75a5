"""Local time against `zoneinfo`, which is given the same POSIX strings in files made here."""

import calendar
import datetime as dt
import io
import re
import struct
import zoneinfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware.core.errors import FormatError
from firmware.core.timezone import Zone

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
STRINGS = {
    "Europe/Berlin": BERLIN,
    "Europe/Dublin": "IST-1GMT0,M10.5.0,M3.5.0/1",
    "America/New_York": "EST5EDT,M3.2.0,M11.1.0",
    "America/Nuuk": "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
    "America/Santiago": "<-04>4<-03>,M9.1.6/24,M4.1.6/24",
    "Asia/Gaza": "EET-2EEST,M3.4.4/50,M10.4.4/50",
    "Asia/Kolkata": "IST-5:30",
    "Australia/Lord_Howe": "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
    "Australia/Sydney": "AEST-10AEDT,M10.1.0,M4.1.0/3",
    "Pacific/Auckland": "NZST-12NZDT,M9.5.0,M4.1.0/3",
}
FROM, TO = 1750000000, 4102444800  # to 2100


def reference(text):
    """Return a ZoneInfo of nothing but a POSIX string (RFC 8536 §3: version 2, one type)."""
    head = b"TZif2" + bytes(15) + struct.pack(">6I", 0, 0, 0, 0, 1, 4)
    block = head + struct.pack(">iBB", 0, 0, 0) + b"UTC\0"
    return zoneinfo.ZoneInfo.from_file(io.BytesIO(block * 2 + f"\n{text}\n".encode()))


def expected(zone, unix_s):
    return int(dt.datetime.fromtimestamp(unix_s, tz=zone).utcoffset().total_seconds())


@pytest.mark.parametrize("text", STRINGS.values(), ids=STRINGS)
@given(unix_s=st.integers(FROM, TO))
def test_any_moment_in_real_zones(text, unix_s):
    assert Zone(text).offset(unix_s) == expected(reference(text), unix_s)


@pytest.mark.parametrize("name", ["Europe/Berlin", "Australia/Lord_Howe", "Asia/Gaza"])
def test_the_hours_of_a_year_in_real_zones(name):
    text = STRINGS[name]
    zone, other = Zone(text), reference(text)
    for unix_s in range(1767225600 - 86400, 1798761600 + 86400, 3600):
        assert zone.offset(unix_s) == expected(other, unix_s), unix_s


@pytest.mark.parametrize("name", STRINGS)
def test_the_system_zones_agree(name):
    try:
        system = zoneinfo.ZoneInfo(name)
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("this machine has no time zone database")
    zone = Zone(STRINGS[name])
    for unix_s in range(1767225600, 1893456000, 86400 * 3 + 1800):
        assert zone.offset(unix_s) == expected(system, unix_s), unix_s


def rules(months, days):
    """Return a strategy of rules that fall into these months, or these days of the year."""
    day = st.one_of(
        st.builds("M{}.{}.{}".format, months, st.integers(1, 5), st.integers(0, 6)),
        st.builds("J{}".format, days),
        st.builds("{}".format, days),
    )
    return st.builds("{}/{}".format, day, st.integers(-24, 48))


hours = st.integers(-14, 12)
spring = rules(st.integers(2, 5), st.integers(32, 150))
autumn = rules(st.integers(8, 11), st.integers(214, 333))
zones = st.one_of(
    st.builds("AAA{}BBB{},{},{}".format, hours, hours, spring, autumn),
    st.builds("AAA{}BBB{},{},{}".format, hours, hours, autumn, spring),
)


def with_julian_days(text, unix_s):
    """Return `text` with its days `n` as the `Jn` they are in the year of `unix_s`.

    CPython's zoneinfo counts `n` from 1, where POSIX says from 0 and the C library does so.
    """
    leap = calendar.isleap(dt.datetime.fromtimestamp(unix_s, tz=dt.UTC).year)

    def julian(found):
        n = int(found[1])
        return f",J{n if leap and n > 58 else n + 1}/"

    return re.sub(r",(\d+)/", julian, text)


@given(text=zones, unix_s=st.integers(FROM, TO))
@example(text="AAA0BBB1,249/0,J32/0", unix_s=3618953996)
def test_any_moment_in_made_up_zones(text, unix_s):
    assert Zone(text).offset(unix_s) == expected(reference(with_julian_days(text, unix_s)), unix_s)


@pytest.mark.parametrize(("year", "day"), [(2083, 7), (2084, 6)])
def test_days_are_counted_from_zero_and_with_29_february(year, day):
    zone = Zone("AAA0BBB-1,249/0,330/0")
    midnight = calendar.timegm((year, 9, day, 0, 0, 0))
    assert [zone.offset(midnight - 1), zone.offset(midnight)] == [0, 3600]


@given(text=st.one_of(st.text(max_size=40), st.text("AZaz0123456789<>+-,./:JM", max_size=40)))
def test_any_text_is_a_zone_or_refused(text):
    try:
        zone = Zone(text)
    except FormatError:
        return
    assert -25 * 3600 < zone.offset(1760000000) < 26 * 3600
    assert 0 <= zone.minute(1760000000) < 1440
