"""What can go wrong with an update, one root per party at fault.

RepositoryError: what was published (or put in its place) is not acceptable; asking again will
not help. ServerError: the server answered, with a refusal. NetworkError: no whole answer came.
NodeError: this node cannot do it. The class name is the reason that a node reports.
"""


class OtaError(Exception):
    """Root of everything raised by intent in ota.core and ota.device."""


class RepositoryError(OtaError):
    """Metadata, manifest or file that must not be installed."""


class BadFormat(RepositoryError):  # noqa: N818 - the field's word, reported by this name
    """Not what its format says."""


class BadSignature(RepositoryError):  # noqa: N818
    """Fewer good signatures than the threshold."""


class BadLength(RepositoryError):  # noqa: N818
    """More or fewer bytes than signed, or than the cap."""


class BadHash(RepositoryError):  # noqa: N818
    """Other bytes than signed."""


class Expired(RepositoryError):  # noqa: N818
    """Metadata whose time is over: a freeze, or a neglected repository."""


class Rollback(RepositoryError):  # noqa: N818
    """A version lower than one already seen, or than the security floor."""


class Unsuited(RepositoryError):  # noqa: N818
    """A genuine release, for another board, runtime or version than offered."""


class NodeError(OtaError):
    """This node is not able to carry the update out."""


class FlashFull(NodeError):  # noqa: N818
    """No blocks left."""


class Refused(NodeError):  # noqa: N818
    """The node's own rules forbid this install (failed trials, a trial that goes on)."""


class NetworkError(OtaError):
    """No whole, well-formed answer came; to be tried again."""


class Unreachable(NetworkError):  # noqa: N818
    """No connection: no address, no route, nobody listens."""


class Untrusted(NetworkError):  # noqa: N818
    """TLS found a peer that the anchors do not vouch for."""


class Timeout(NetworkError):  # noqa: N818
    """The deadline passed: silence, or a slow trickle."""


class Closed(NetworkError):  # noqa: N818
    """The connection ended within an exchange."""


class BadResponse(NetworkError):  # noqa: N818
    """Not the HTTP that this client speaks."""


class TooLong(NetworkError):  # noqa: N818
    """More bytes than the caller asked for at most."""


class ServerError(OtaError):
    """The server answered with a status that is no success."""

    def __init__(self, status: int, retry_after_s: int = 0) -> None:
        super().__init__("status %d" % status)
        self.status = status
        self.retry_after_s = retry_after_s


def reason(error: BaseException) -> str:
    """Put an error into at most 96 characters for a report."""
    return ("%s: %s" % (type(error).__name__, error))[:96]
