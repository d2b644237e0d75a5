"""PURE: the words of an update. Stored and sent as strings: append-only."""

from ota.core.update import ENDS

UNDER_WAY = ("requested", "downloading", "verified", "staged", "booted")
UNHAPPY = tuple(word for word in ENDS if word != "confirmed")
CANCELLED = "cancelled"  # the server's own (fleet/decisions/0005): no node says it
FINAL = (*ENDS, CANCELLED)
