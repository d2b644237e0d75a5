"""What the operator API says of heartbeats."""

from pydantic import BaseModel


class HeartbeatOut(BaseModel):
    """A node's last values; null is unknown. Sizes in bytes, times in unix seconds, rssi in dBm.

    starts: counts by cause since the flash was formatted. restarts: the unplanned ones that the
    server saw; they never fall. refused: values of the last heartbeat that made no sense.
    """

    at: int
    uptime_s: int | None
    starts: dict[str, int]
    restarts: int | None
    heap_free: int | None
    idf_free: int | None
    idf_largest: int | None
    outbox: int | None
    dropped: int | None
    set_aside: int | None
    rssi: int | None
    clock: str | None
    errors: dict[str, int]
    refusals: int
    refused: dict[str, str]
