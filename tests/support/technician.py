"""`lamppost node` as a technician gives it."""

from click.testing import CliRunner

from ota.field.cli import node


def lamppost(*words, status=0):
    """Return what a command printed once it has ended so; no traceback is in it."""
    done = CliRunner().invoke(node, [*map(str, words)])
    assert done.exit_code == status, done.output + repr(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert "Traceback" not in done.output
    return done.output
