from firmware.core.calendar import day, year_of
from firmware.core.errors import FormatError
from firmware.core.timezone import Zone
from outcomes import refused

BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
SYDNEY = "AEST-10AEDT,M10.1.0,M4.1.0/3"


def utc(*date_and_time):
    year, month, of_month, hour, minute, second = date_and_time
    return day(year, month, of_month) * 86400 + hour * 3600 + minute * 60 + second


def test_days_are_counted_from_1970():
    assert day(1970) == 0
    assert day(2000, 3, 1) == 11017
    assert day(2025, 10, 9) == 20370
    assert day(1969, 12, 31) == -1
    assert [year_of(day(y)) for y in (1968, 1970, 2000, 2100)] == [1968, 1970, 2000, 2100]
    assert [year_of(day(y) - 1) for y in (1968, 1970, 2000, 2100)] == [1967, 1969, 1999, 2099]


def test_summer_time_begins_and_ends_to_the_second():
    zone = Zone(BERLIN)
    assert zone.offset(utc(2025, 3, 30, 0, 59, 59)) == 3600
    assert zone.offset(utc(2025, 3, 30, 1, 0, 0)) == 7200
    assert zone.offset(utc(2025, 10, 26, 0, 59, 59)) == 7200
    assert zone.offset(utc(2025, 10, 26, 1, 0, 0)) == 3600


def test_summer_time_spans_the_turn_of_the_year_in_the_south():
    zone = Zone(SYDNEY)
    assert zone.offset(utc(2025, 12, 31, 23, 59, 59)) == 39600
    assert zone.offset(utc(2026, 1, 1, 0, 0, 0)) == 39600
    assert zone.offset(utc(2026, 7, 1, 0, 0, 0)) == 36000
    assert zone.offset(utc(2026, 4, 4, 15, 59, 59)) == 39600
    assert zone.offset(utc(2026, 4, 4, 16, 0, 0)) == 36000


def test_the_local_minute_is_of_the_local_day():
    zone = Zone(BERLIN)
    assert zone.minute(utc(2025, 1, 1, 0, 0, 0)) == 60
    assert zone.minute(utc(2025, 7, 1, 22, 30, 59)) == 30
    assert Zone("<-03>3").minute(utc(2025, 7, 1, 1, 0, 0)) == 22 * 60


def test_all_kinds_of_days_are_understood():
    assert Zone("XXX0YYY,J60/0,J61/0").offset(utc(2024, 3, 1, 12, 0, 0)) == 3600
    assert Zone("XXX0YYY,J60/0,J61/0").offset(utc(2025, 3, 1, 12, 0, 0)) == 3600
    assert Zone("XXX0YYY,59/0,60/0").offset(utc(2024, 2, 29, 12, 0, 0)) == 3600
    assert Zone("XXX0YYY,59/0,60/0").offset(utc(2025, 3, 1, 12, 0, 0)) == 3600
    assert Zone("XXX0YYY-2,M2.5.4/0,M2.5.5/-1").offset(utc(2024, 2, 29, 12, 0, 0)) == 7200


def test_daylight_saving_for_ever_is_understood():
    zone = Zone("XXX3EDT4,0/0,J365/23")  # RFC 8536 §3.3.1
    for month in range(1, 13):
        assert zone.offset(utc(2025, month, 1, 3, 30, 0)) == -4 * 3600


def test_what_is_no_time_zone_is_refused():
    for text in (
        "",
        "CET",
        "CE-1",
        "CET-25",
        "CET-1:60",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J1",
        "CET-1CEST,366,1",
        "CET-1CEST,M3.5.0,M10.5.0/168",
        "CET-1CEST,M3.5.0,M10.5.0,",
        "CET-1 ",
        "<CET-1",
        "<>-1",
        "Europe/Berlin",
        "CET--1",
        "CET-0001",
    ):
        refused(FormatError, Zone, text)
