"""The Date of HTTP (IMF-fixdate, RFC 9110 section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`."""

from firmware.core.calendar import day

_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def parse(text: str) -> int | None:
    """Return unix seconds; None for anything that is no IMF-fixdate."""
    try:
        _, of_month, name, year, time, zone = text.split(" ")
        at = _MONTHS.find(name)
        if zone != "GMT" or len(name) != 3 or at % 3:
            return None
        hour, minute, second = [int(part) for part in time.split(":")]
        days = day(int(year), at // 3 + 1, int(of_month))
    except ValueError:
        return None
    return ((days * 24 + hour) * 60 + minute) * 60 + second
