"""PURE: the words of an update. Stored and sent as strings: append-only."""

# The first nine are the node's words, the last is the server's.
WORDS = (
    "requested",
    "downloading",
    "verified",
    "staged",
    "booted",
    "confirmed",
    "rolled_back",
    "failed",
    "expired",
    "cancelled",
)
FINAL = ("confirmed", "rolled_back", "failed", "expired", "cancelled")
UNDER_WAY = ("requested", "downloading", "verified", "staged", "booted")
UNHAPPY = ("rolled_back", "failed", "expired")
