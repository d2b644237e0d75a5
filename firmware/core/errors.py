"""What can go wrong on a node, one class per party at fault.

The operator's fault is a ConfigError, a peer's (or a flash cell's) a FormatError, a part's a
PartError or FrameError, a release's a SelfTestError.
"""


class FirmwareError(Exception):
    """Root of everything that firmware raises by intent."""


class ConfigError(FirmwareError):
    """A config document is not valid: `field` is its path (`parts.air.uart`), `message` why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field + ": " + message)
        self.field = field
        self.message = message


class FormatError(FirmwareError):
    """Bytes from outside are not what their standard says."""


class PartError(FirmwareError):
    """A part is silent, absent or another one than expected: there is no reading."""


class FrameError(PartError):
    """A part answered, but not with a whole and sound frame: there is no reading."""


class SelfTestError(FirmwareError):
    """The running release found itself unfit."""
