"""The access point a node's radio hears, and the station in the node."""

from sim.hardware.parts import Time

IDLE, CONNECTING, GOT_IP = 1000, 1001, 1010
NO_ACCESS_POINT, WRONG_PASSWORD = 201, 202
JOIN_S = 0.05  # scan, handshake and DHCP; a board takes seconds, tests do not


class Wifi:
    """One access point (`ssid`, `password`) and one station; `in_reach` is for link loss."""

    def __init__(
        self, clock: Time, *, ssid: str = "", password: str = "", rssi_dbm: int = -61
    ) -> None:
        self._clock = clock
        self.ssid = ssid
        self.password = password
        self.rssi_dbm = rssi_dbm
        self.in_reach = True
        self.reset()

    def reset(self) -> None:
        """Switch the station's radio off, as a reset of the chip does."""
        self.active = False
        self._asked: tuple[str, str] | None = None
        self._since = 0.0

    def connect(self, ssid: str, password: str) -> None:
        """Begin to join."""
        self._asked = (ssid, password)
        self._since = self._clock.now()

    def disconnect(self) -> None:
        """Leave."""
        self._asked = None

    def status(self) -> int:
        """One of MicroPython's STAT_ codes."""
        if not self.active or self._asked is None:
            return IDLE
        ssid, password = self._asked
        if not self.in_reach or ssid != self.ssid:
            return NO_ACCESS_POINT
        if password != self.password:
            return WRONG_PASSWORD
        return CONNECTING if self._clock.now() - self._since < JOIN_S else GOT_IP
