"""What a release manager or a technician can get wrong: one root, one line each, exit status 2."""

import click


class FieldError(click.ClickException):
    """The operator's fault: bad input, a missing file, a release that does not fit.

    The message is one line that says what was expected and what came. As a click exception it is
    printed without a stack trace and ends the command with exit status 2.
    """

    exit_code = 2


class BuildError(FieldError):
    """A release cannot be made of these sources."""


class SigningKeyError(FieldError):
    """A signing key cannot be made, read or unlocked."""


class RepositoryError(FieldError):
    """The TUF repository is not there, or would become one that a node refuses."""


class UploadError(FieldError):
    """The fleet server did not take the bundle."""
