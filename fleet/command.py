"""`lamppost`: one command whose subcommands each package names in its entry points.

A subcommand's module is imported when it is run, so that a server without the extras lists and
runs what it has; what is missing is named in one line.
"""

from importlib import metadata

import click

GROUP = "lamppost.commands"
# One line each, so that `--help` need not import anything. A command missing here shows its own.
_SHORT = {
    "init": "Make LAMPPOST_HOME: fleet CA, database, folders.",
    "serve": "Run the fleet server: device port, operator port, SNTP.",
    "token": "Make, list and revoke operators' tokens (on the server's machine).",
    "device": "Register, claim, list, read and revoke nodes.",
    "release": "List releases and upload signed bundles.",
    "rollout": "Offer a release to nodes and see what became of it.",
    "audit": "Read the append-only record of consequential acts.",
    "ota": "Build, sign and publish releases.",
    "node": "Make nodes and work on them over their cable.",
    "demo": "Watch a small city: eight emulated nodes and a real server.",
    "sim": "Run emulated nodes against any fleet server.",
}


class _Missing(click.ClickException):
    exit_code = 2


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all installed subcommands, in a teaching order."""
        del ctx
        found = {point.name for point in metadata.entry_points(group=GROUP)}
        return [name for name in _SHORT if name in found] + sorted(found - set(_SHORT))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one subcommand."""
        points = metadata.entry_points(group=GROUP, name=cmd_name)
        if not points:
            return None
        del ctx
        try:
            command = next(iter(points)).load()
        except ModuleNotFoundError as error:
            raise _Missing(
                f"`lamppost {cmd_name}` needs {error.name}: install an extra, "
                "from the clone, as in pip install '.[sim]'"
            ) from error
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List every subcommand with its line, without importing those that have one here."""
        rows = []
        for name in self.list_commands(ctx):
            line = _SHORT.get(name)
            if line is None:
                command = self.get_command(ctx, name)
                line = command.get_short_help_str(60) if command is not None else ""
            rows.append((name, line))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lamppost", prog_name="lamppost")
def lamppost() -> None:
    """Air-quality and street-lighting nodes, updated over the air, and the server they report to.

    Operators' commands talk to the server at LAMPPOST_URL with LAMPPOST_TOKEN; `init`, `serve`
    and `token` work on LAMPPOST_HOME. `lamppost COMMAND --help` tells more.
    """


def main() -> None:
    """Run the command line: wrong use and what the operator can mend end with status 2."""
    lamppost(prog_name="lamppost")
