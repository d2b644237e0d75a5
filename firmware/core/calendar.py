"""The proleptic Gregorian calendar in whole days since 1970-01-01."""

DAYS_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)


def is_leap(year: int) -> bool:
    """Say whether February has 29 days."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def day(year: int, month: int = 1, of_month: int = 1) -> int:
    """Return a date's number of days since 1970-01-01."""
    last = year - 1
    days = (year - 1970) * 365 + last // 4 - last // 100 + last // 400 - 477
    return days + DAYS_BEFORE_MONTH[month - 1] + (month > 2 and is_leap(year)) + of_month - 1


def year_of(days: int) -> int:
    """Return the year that a day lies in."""
    year = 1970 + days * 400 // 146097
    while days < day(year):
        year -= 1
    while days >= day(year + 1):
        year += 1
    return year
