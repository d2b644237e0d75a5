"""PURE: the words of a heartbeat. Sent by nodes and stored: append-only.

A heartbeat is DDI configData, so every value is a string (fleet/decisions/0007). Counts of starts
are since the node's flash was formatted, `dropped` since its outbox was, all other counts since
its start.
"""

_MOST = 2**31 - 1  # what an INTEGER holds

CAUSES = ("power_on", "planned", "crash", "watchdog", "hard", "soft")
UNPLANNED = ("crash", "watchdog", "hard")
STARTS = "starts."
ERRORS = "errors."
CLOCK = "clock"
# The least and the greatest that is believed.
COUNT = (0, _MOST)
NUMBERS = {
    "uptime_s": COUNT,
    "heap_free": COUNT,  # bytes
    "idf_free": COUNT,  # bytes
    "idf_largest": COUNT,  # bytes
    "outbox": COUNT,  # windows waiting
    "dropped": COUNT,  # windows that the bounded outbox let go
    "set_aside": COUNT,  # records that the server refused
    "rssi": (-150, 20),  # dBm
}
DROPPED, SET_ASIDE = "dropped", "set_aside"
FLASH = ("drift", "fell")  # among the errors: a slot's files changed; the node left a slot
# Clocks that only know what it is later than; any other word is a time server's.
UNSYNCED = ("rtc", "seen", "built")

# What is written to a node's timeline.
RESTART = "restart"
RECOUNT = "recount"
VERSION = "version"
CLOCK_LOST = "clock_lost"
CLOCK_BACK = "clock_back"
EVENTS = (RESTART, RECOUNT, VERSION, CLOCK_LOST, CLOCK_BACK, DROPPED, SET_ASIDE, *FLASH)
