"""PURE: the words of updates and rollouts. Stored and sent as strings: append-only."""

from ota.core.update import ENDS

UNDER_WAY = ("requested", "downloading", "verified", "staged", "booted")
BEFORE_STAGED = UNDER_WAY[:3]
UNHAPPY = tuple(word for word in ENDS if word != "confirmed")
# The server's own (fleet/decisions/0005, 0006): no node says them.
CANCELLED = "cancelled"
PENDING = "pending"  # its wave has not come, or the cap holds it back
UNREACHED = "unreached"  # silent until the deadline, and nothing was staged: no blame
SILENT = "silent"  # the reason of a failure: staged, and not heard of again until the deadline
OFFLINE = "installed by cable"  # the reason of what a release put on by cable replaced
FINAL = (*ENDS, CANCELLED, UNREACHED)

# Of a rollout.
ACTIVE = "active"
PAUSED = "paused"
ABORTED = "aborted"
FINISHED = "finished"
ROLLED_BACK = "rolled_back"
OPEN = (ACTIVE, PAUSED)
CLOSED = (ABORTED, ROLLED_BACK)  # what is still under way goes on to its end
