"""`lamppost ota bundle-export`: a release as one file, for nodes without a network."""

import json
import ssl
from datetime import UTC, datetime
from pathlib import Path

import click
import httpx2

from ota.build import bundle, offline, options
from ota.build.boards import BOARDS
from ota.build.errors import BuildError

_TIMEOUT_S = 30.0


@click.command("bundle-export", short_help="A published release as one file to carry.")
@click.option("--version", required=True, help="The release, as 1.2.0: published before.")
@click.option("--board", type=click.Choice(list(BOARDS)), default="esp32", show_default=True)
@options.HOME
@click.option(
    "--url",
    envvar="LAMPPOST_DEVICE_URL",
    help="The fleet server as nodes reach it (https://fleet.example.org:8443), instead of"
    " HOME/server; also LAMPPOST_DEVICE_URL.",
)
@click.option(
    "--ca",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="LAMPPOST_CA",
    help="PEM of the CA behind --url (HOME/server/pki/ca.pem); also LAMPPOST_CA.",
)
@click.option("--sbom", is_flag=True, help="Add the release's SBOM (from HOME/server only).")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write. [default: lamppost-BOARD-VERSION.offline.zip]",
)
@options.JSON
def export(
    *,
    version: str,
    board: str,
    home: Path | None,
    url: str | None,
    ca: Path | None,
    sbom: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Put a published release and the metadata that vouches for it into one file.

    A technician carries it to a node and installs it over the cable (`lamppost node deploy`). The
    file needs no protection: the node checks it as it checks what comes over the air.

    It is good until its timestamp expires, a day or two after the server signed it: export it on
    the day it is used. Nothing is signed here, and no key is needed.

    \b
    Examples:
      lamppost ota bundle-export --version 1.2.0 --home /var/lib/lamppost
      lamppost ota bundle-export --version 1.2.0 --url https://fleet.example.org:8443 --ca ca.pem
    """  # noqa: D301 - \b keeps click from joining lines
    if url is not None:
        with _client(ca) as client:
            made = offline.collect(_server(client, url), board, version, sbom=sbom)
    else:
        made = offline.collect(
            offline.folder(options.place(home).folder / "server"), board, version, sbom=sbom
        )
    path = out or Path(f"lamppost-{board}-{version}.offline.zip")
    data = offline.pack(made)
    bundle.write(path, data)
    until = datetime.fromtimestamp(made.until, UTC)
    if as_json:
        figures = {"bytes": len(data), "files": len(made.files), "until": made.until}
        click.echo(json.dumps({"bundle": str(path), "board": board, "version": version} | figures))
        return
    click.echo(f"bundle    {path}, {len(data)} bytes")
    click.echo(f"release   {version} for {board}, {len(made.files)} files")
    click.echo(f"good      until {until:%Y-%m-%d %H:%M} UTC")


def _client(ca: Path | None) -> httpx2.Client:
    try:
        verify = True if ca is None else ssl.create_default_context(cafile=str(ca))
    except OSError as error:
        raise BuildError(f"--ca {ca}: {error}") from error
    return httpx2.Client(verify=verify, timeout=_TIMEOUT_S)


def _server(client: httpx2.Client, url: str) -> offline.Source:
    """Return the source that asks a fleet server, with the node's own caps."""

    def get(path: str, limit: int) -> bytes | None:
        data = b""
        try:
            with client.stream("GET", f"{url.rstrip('/')}/{path}") as response:
                if response.status_code in (403, 404):
                    return None
                if response.status_code != 200:
                    raise BuildError(f"{url}/{path}: status {response.status_code}")
                for piece in response.iter_bytes():
                    data += piece
                    if len(data) > limit:
                        break
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError) as error:
            raise BuildError(f"{url}: {error}") from error
        return data

    return get
