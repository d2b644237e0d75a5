"""Wi-Fi of an emulated node: a link that is up when the host says so; sockets are the host's."""

import struct

import _host

STA_IF = 0
AP_IF = 1
STAT_IDLE = 1000
STAT_CONNECTING = 1001
STAT_GOT_IP = 1010
STAT_NO_AP_FOUND = 201
STAT_WRONG_PASSWORD = 202
STAT_BEACON_TIMEOUT = 200
STAT_ASSOC_FAIL = 203
STAT_HANDSHAKE_TIMEOUT = 204

_STATUS, _ACTIVE, _CONNECT, _DISCONNECT = range(4)
_hostname = "lamppost"


class WLAN:
    """The station interface; there is no access point."""

    IF_STA = STA_IF
    IF_AP = AP_IF
    PM_NONE = 0
    PM_PERFORMANCE = 1
    PM_POWERSAVE = 2

    def __init__(self, interface: int = STA_IF) -> None:
        if interface != STA_IF:
            raise ValueError("the emulated node has a station interface only")

    def active(self, on: bool | None = None) -> bool:
        """Switch the radio, or tell whether it is on."""
        if on is not None:
            _host.ask(_host.WIFI, bytes((_ACTIVE, on)))
        return bool(_ask()[0])

    def connect(self, ssid: str | None = None, key: str | None = None) -> None:
        """Begin to connect; `isconnected` tells when it is done."""
        name, key = (ssid or "").encode(), (key or "").encode()
        _host.ask(_host.WIFI, bytes((_CONNECT, len(name))) + name + key)

    def disconnect(self) -> None:
        """Leave the network."""
        _host.ask(_host.WIFI, bytes((_DISCONNECT,)))

    def isconnected(self) -> bool:
        """Tell whether the node has an address."""
        return self.status() == STAT_GOT_IP

    def status(self, param: str | None = None) -> int:
        """Status code, or with `"rssi"` the signal in dBm."""
        _, status, rssi = _ask()
        if param is None:
            return status
        if param == "rssi":
            return rssi
        raise ValueError("unknown status param")

    def config(self, *args: str, **kwargs: object) -> object:
        """Read "mac", "ssid" or a setting; settings are taken and make no difference here."""
        if not args:
            return None
        if args[0] == "mac":
            return mac
        if args[0] in ("hostname", "dhcp_hostname"):
            return _hostname
        if args[0] in ("pm", "txpower", "channel", "reconnects"):
            return 0
        raise ValueError("unknown config param")

    def ifconfig(self, *args: tuple) -> tuple:
        """Address, mask, gateway, name server: the host's loopback."""
        up = self.isconnected()
        address = "127.0.0.1" if up else "0.0.0.0"  # noqa: S104 - how lwIP says "no address"
        return (address, "255.0.0.0", address, address)

    def ipconfig(self, param: str | None = None, **kwargs: object) -> object:
        """As `ifconfig`, by name."""
        address, mask, gateway, _ = self.ifconfig()
        if param == "addr4":
            return (address, mask)
        if param == "gw4":
            return gateway
        return None


mac = b"\x02\x00\x00\x00\x00\x00"  # set from the host's word when the node starts


def hostname(name: str | None = None) -> str:
    """Set or get the name the node gives to its network."""
    global _hostname
    if name is not None:
        _hostname = name
    return _hostname


def country(code: str | None = None) -> str:
    """Taken; there is no radio to obey it."""
    return code or "XX"


def _ask() -> tuple:
    return struct.unpack("<BHb", _host.ask(_host.WIFI, bytes((_STATUS,))))
