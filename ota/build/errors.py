"""What a release manager or a technician can get wrong: one root, one line each, exit status 2."""

import click


def printable(text: object) -> str:
    """Return text as it may go to a terminal: escape sequences of a node steer none here."""
    return "".join(each if each.isprintable() else "?" for each in str(text))


class FieldError(click.ClickException):
    """The operator's fault: bad input, a missing file, a release that does not fit.

    The message is one line that says what was expected and what came; a node's, a server's or a
    file's words in it are made printable. As a click exception it is printed without a stack
    trace and ends the command with exit status 2.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(printable(" ".join(message.splitlines())))


class BuildError(FieldError):
    """A release cannot be made of these sources."""


class SigningKeyError(FieldError):
    """A signing key cannot be made, read or unlocked."""


class RepositoryError(FieldError):
    """The TUF repository is not there, or would become one that a node refuses."""


class UploadError(FieldError):
    """The fleet server did not take the bundle."""
