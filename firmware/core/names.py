"""A node's one name: the EUI-64 of its MAC address in 16 lower-case hex digits (RFC 9039 §4.1)."""

from binascii import hexlify

URN = "urn:dev:mac:"


def device_id(mac: bytes) -> str:
    """Return the device id of a 6-byte MAC address."""
    return hexlify(mac[:3] + b"\xff\xfe" + mac[3:6]).decode()


def is_device_id(text: str) -> bool:
    """Say whether `text` is a device id."""
    return len(text) == 16 and all(c in "0123456789abcdef" for c in text)
