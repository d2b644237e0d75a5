"""POSIX TZ strings (POSIX.1 §8.3, with RFC 8536's hours up to 167): local time of a site.

`CET-1CEST,M3.5.0,M10.5.0/3`: standard time's name and offset west of Greenwich, then daylight
saving time's name, its offset if not an hour more, and when in a year it starts and ends.
"""

from firmware.core.calendar import DAYS_BEFORE_MONTH, day, is_leap, year_of
from firmware.core.errors import FormatError

_DAY_S = 86400
_TIME_LIMIT_H = 167


class Zone:
    """A time zone; FormatError says where `text` is not a POSIX TZ string."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._name()
        self._standard = self._saving = -self._time(24)
        self._start = self._end = None
        if self._at < len(text):
            self._name()
            self._saving = self._standard + 3600
            if self._peek() != ",":
                self._saving = -self._time(24)
            self._start = self._rule()
            self._end = self._rule()
        if self._at < len(text):
            raise self._error()

    def offset(self, unix_s: int) -> int:
        """Return local time minus UTC at `unix_s`, in seconds."""
        if self._start is None or self._end is None:
            return self._standard
        year = year_of((unix_s + self._standard) // _DAY_S)
        start = _moment(self._start, year) - self._standard
        end = _moment(self._end, year) - self._saving
        if start < end:
            return self._saving if start <= unix_s < end else self._standard
        # South of the equator it spans the turn of the year.
        return self._standard if end <= unix_s < start else self._saving

    def minute(self, unix_s: int) -> int:
        """Return the minute of the local day, 0 to 1439."""
        return (unix_s + self.offset(unix_s)) % _DAY_S // 60

    def _error(self) -> FormatError:
        return FormatError("no POSIX TZ string from character %d on" % (self._at + 1))

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, wanted: str) -> bool:
        if self._peek() != wanted:
            return False
        self._at += 1
        return True

    def _expect(self, wanted: str) -> None:
        if not self._take(wanted):
            raise self._error()

    def _name(self) -> None:
        start = self._at
        quoted = self._take("<")
        while _is_letter(self._peek()) or (quoted and self._peek() in tuple("0123456789+-")):
            self._at += 1
        if self._at - start - quoted < 3:
            raise self._error()
        if quoted:
            self._expect(">")

    def _number(self, least: int, greatest: int) -> int:
        start = self._at
        while self._peek() and self._peek() in "0123456789":
            self._at += 1
        digits = self._text[start : self._at]
        if not 0 < len(digits) < 4 or not least <= int(digits) <= greatest:
            raise self._error()
        return int(digits)

    def _time(self, hours: int) -> int:
        sign = 1
        if self._take("-"):
            sign = -1
        else:
            self._take("+")
        seconds = self._number(0, hours) * 3600
        if self._take(":"):
            seconds += self._number(0, 59) * 60
            if self._take(":"):
                seconds += self._number(0, 59)
        return sign * seconds

    def _rule(self) -> tuple:
        self._expect(",")
        if self._take("M"):
            date = [self._number(1, 12)]
            self._expect(".")
            date.append(self._number(1, 5))
            self._expect(".")
            date.append(self._number(0, 6))
        elif self._take("J"):
            date = [self._number(1, 365)]
        else:
            date = [0, self._number(0, 365)]
        return date, self._time(_TIME_LIMIT_H) if self._take("/") else 7200


def _is_letter(text: str) -> bool:
    return "a" <= text <= "z" or "A" <= text <= "Z"


def _moment(rule: tuple, year: int) -> int:
    """Return when a rule falls in `year`: local seconds since 1970-01-01 00:00."""
    date, time = rule
    if len(date) == 1:  # Jn: 29 February is never counted
        at = day(year) + date[0] - 1 + (is_leap(year) and date[0] > 59)
    elif len(date) == 2:  # n: it is
        at = day(year) + date[1]
    else:  # Mm.w.d: the w-th weekday d of month m, w = 5 being the last
        month, week, weekday = date
        at = day(year, month)
        length = DAYS_BEFORE_MONTH[month] - DAYS_BEFORE_MONTH[month - 1]
        length += month == 2 and is_leap(year)
        later = (weekday - at - 4) % 7 + 7 * (week - 1)  # 1970-01-01 was a Thursday
        at += later if later < length else later - 7
    return at * _DAY_S + time
