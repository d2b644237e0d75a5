"""`lamppost node provision`: a node gets its place, its network, its fleet."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ota.build.errors import FieldError
from ota.field import inputs, lock, server, session
from ota.field import provision as provisioning
from ota.field.cable import Cable
from ota.field.provision import Result, Wishes

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(short_help="Give a node its place, network and fleet.")
@session.PORT
@lock.KEY
@click.option(
    "--config",
    "config_path",
    type=_FILE,
    required=True,
    help="What posts of this kind have in common (JSON, see firmware/config.schema.json): parts,"
    " streams, light. The options below come on top.",
)
@click.option("--name", help="What people call the node.")
@click.option("--site", help="The site that it stands at.")
@click.option("--position", metavar="LAT,LON[,M]", help="Degrees, and the height in m.")
@click.option("--ssid", help="The Wi-Fi that it joins.")
@click.option(
    "--wifi-password-file",
    type=_FILE,
    help="File with the Wi-Fi's password; or LAMPPOST_WIFI_PASSWORD; else it is asked for.",
)
@click.option("--open-wifi", is_flag=True, help="The Wi-Fi has no password.")
@click.option(
    "--server",
    "address",
    metavar="HOST[:PORT]",
    help="Where the node reaches the server's device port. [default: the file's, else as the"
    " server says]",
)
@click.option(
    "--root",
    type=_FILE,
    help="TUF root metadata from the release manager (HOME/keys/root.json): whose releases the"
    " node takes. [default: the node keeps what its image gave it]",
)
@click.option(
    "--lock",
    "locks",
    metavar="CARD",
    multiple=True,
    help="Lock its console, but for the technician of this card (NAME.pub.json, of `lamppost ota"
    " keygen`), or NAME=HEX, a point of P-256; up to four times.",
)
@click.option("--unlocked", is_flag=True, help="Leave its console open to whoever has a cable.")
@click.option(
    "--claim-hours",
    type=click.IntRange(1, 168),
    default=24,
    show_default=True,
    help="How long the node has to enrol.",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.IntRange(0, 3600),
    default=120,
    show_default=True,
    help="Watch it enrol for so many seconds; 0: leave when it starts.",
)
@server.options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts.")
def provision(
    *,
    port: str,
    key: lock.Technician | None,
    config_path: Path,
    wait_s: int,
    as_json: bool,
    url: str | None,
    **rest: Any,
) -> None:
    """Provision the node at the cable: place, Wi-Fi, server, trust anchors, claim token.

    The node's id is read from its chip; the server, asked with your own expiring token, learns of
    the node and gives a claim token for this chip, which never shows. Everything is checked on
    the laptop by the firmware's own rules, goes over whole, and only then takes the place of what
    the node had; then the node starts, joins, makes its key and enrols. Whatever goes wrong before
    that, it runs on as it was, and the same command can be given again; each gets a fresh claim.
    Status 3: all is written, and the node has not enrolled within --wait seconds.

    Token and Wi-Fi password come from a file, the environment or a hidden prompt, never from the
    command line. `root.json` never comes from the server. Works on boards and emulated nodes.

    \b
    Example:
      export LAMPPOST_URL=https://fleet.example.org:8080
      lamppost node provision --port /dev/ttyUSB0 --config light-and-air.json \\
        --name "Pier 3" --site harbour --position 54.32,10.14 --ssid city-nodes
    """  # noqa: D301 - \b keeps click from joining lines
    if not url:
        raise FieldError("which server? Give --url or set LAMPPOST_URL")
    document = _document(config_path)
    wishes = _wishes(document, rest)
    token = server.token(rest["token_file"])
    with (
        server.Server(url, token, rest["ca"]) as office,
        Cable(port, key) as cable,
        session.bar("writing", quiet=as_json) as progress,
    ):
        result = provisioning.provision(cable, office, document, wishes, progress)
        if wait_s:
            result.enrolled = provisioning.watch(cable, wait_s)
    _tell(port, result, as_json)


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(inputs.read(path, "configuration"))
    except (ValueError, RecursionError) as error:
        raise FieldError(f"configuration {path} is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise FieldError(f"configuration {path} must be one JSON object")
    return document


def _wishes(document: dict[str, Any], given: dict[str, Any]) -> Wishes:
    wifi = document.get("wifi")
    ssid, password = given["ssid"], None
    if given["open_wifi"]:
        password = ""
    elif ssid is not None or not isinstance(wifi, dict) or "password" not in wifi:
        what = "Wi-Fi password"
        password = server.secret("LAMPPOST_WIFI_PASSWORD", given["wifi_password_file"], what)
        if not password:
            raise FieldError(
                "no Wi-Fi password: set LAMPPOST_WIFI_PASSWORD, give --wifi-password-file, or say"
                " --open-wifi"
            )
    if given["locks"] and given["unlocked"]:
        raise FieldError("--lock or --unlocked: not both")
    return Wishes(
        given["name"],
        given["site"],
        _position(given["position"]),
        ssid,
        password,
        _address(given["address"]),
        given["root"],
        given["claim_hours"],
        {} if given["unlocked"] else lock.holders(given["locks"]) or None,
    )


def _position(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        numbers = [float(each) for each in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3):
        raise FieldError(f"position {text!r}: expected LAT,LON in degrees, as in 54.32,10.14")
    return numbers


def _address(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "0")
    if not host or not port.isdecimal():
        raise FieldError(f"server {text!r}: expected HOST or HOST:PORT")
    return host, int(port)


def _tell(port: str, result: Result, as_json: bool) -> None:
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    if as_json:
        click.echo(json.dumps({"port": port, **vars(result)}))
    else:
        until = datetime.fromtimestamp(result.until, UTC)
        new = "registered" if result.registered else "known to the server before"
        click.echo(f"node      {result.id}, {result.board}, release {result.version}; {new}")
        click.echo(f"written   {result.name} at {result.site}; claim until {until:%F %H:%M} UTC")
        if result.enrolled is not None:
            word = "yes" if result.enrolled is True else f"not yet: {result.enrolled}"
            click.echo(f"enrolled  {word}")
    if isinstance(result.enrolled, str):
        raise NotEnrolledError(
            f"{result.id} has what it needs, but has not enrolled: {result.enrolled}. It goes on"
            " trying; is its network there? When the claim was refused, give this command again"
        )


class NotEnrolledError(FieldError):
    """All is written, and the node has not enrolled within the time."""

    exit_code = 3
