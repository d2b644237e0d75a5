"""`lamppost ota publish`: a release is listed, signed and handed over; so is a root."""

import json
from pathlib import Path
from typing import Any

import click
from tuf.api.metadata import Metadata, Root, Targets

from ota.build import bundle, ceremony, options, repository, signing
from ota.build.errors import BuildError, UploadError
from ota.build.release import Release
from ota.build.upload import upload, upload_root


@click.command(short_help="Sign a bundle and hand it, or a root, to the server.")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@options.HOME
@click.option(
    "--signed",
    is_flag=True,
    help="FILE is signed already (on the offline machine): only hand it over.",
)
@options.KEY
@click.option(
    "--withdraw",
    multiple=True,
    metavar="VERSION",
    help="No longer list this release of the same board; may be repeated.",
)
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=repository.KEEP,
    show_default=True,
    help="How many releases of this board stay installable, this one included.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the signed bundle goes. [default: FILE with .signed.zip]",
)
@click.option("--url", envvar="LAMPPOST_URL", help="The fleet server; also LAMPPOST_URL.")
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with an operator's token; or LAMPPOST_TOKEN.",
)
@click.option(
    "--ca",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="LAMPPOST_CA",
    help="PEM of the CA behind an https server (HOME/server/pki/ca.pem); also LAMPPOST_CA.",
)
@options.JSON
def publish(path: Path, url: str | None, as_json: bool, **rest: Any) -> None:
    """Sign FILE, a bundle, with HOME's targets key and hand it to the fleet server.

    Without --url (and LAMPPOST_URL) it only signs, so that the key can stay on a machine without
    a network; carry the signed bundle over and run `lamppost ota publish FILE --signed --url …`
    there. The server can check the signature but cannot make one. It offers the release to no
    node before `lamppost rollout`.

    Where several holders must sign a release, the signed bundle passes from one to the next
    (`lamppost ota sign`) before it is handed over with --signed.

    FILE may also be a root as `lamppost ota sign` left it (HOME/keys/root-2.json): the server
    checks it against the root before and takes it in force; nodes walk on to it by themselves.
    """
    if path.suffix == ".json":
        _publish_root(path, url, as_json, **rest)
        return
    token = options.token(rest["token_file"]) if url is not None else ""
    if rest["signed"]:
        if url is None:
            raise UploadError("--signed needs --url or LAMPPOST_URL: where to hand it over")
        release, signed, data = bundle.load(path), path, bundle.read(path)
        targets = bundle.targets(data)
        if targets is None:
            raise BuildError(f"bundle {path} is not signed")
        if rest["home"] is not None:
            signing.remember(repository.Home(rest["home"]), targets)
        left: dict[str, Any] = {"missing": 0}
    else:
        release = bundle.load(path)
        targets, left = _sign(release, **rest)
        data = bundle.pack(release, targets)
        signed = rest["out"] or path.with_suffix(".signed.zip")
        bundle.write(signed, data)
    uploaded = url is not None and not left["missing"]
    result: dict[str, Any] = {
        "version": release.header.version,
        "board": release.header.board,
        "signed": str(signed),
        "uploaded": uploaded,
        "missing": left["missing"],
    }
    if url is not None and uploaded:
        result["answer"] = upload(url, token, data, rest["ca"])
    if as_json:
        click.echo(json.dumps(result))
        return
    click.echo(f"signed    {signed}")
    if left["missing"]:
        click.echo(f"uploaded  no: {left['missing']} more of {', '.join(left['open'])} must sign")
        click.echo(
            f"next      there: lamppost ota sign {signed.name} --key KEY.pem --root root.json"
        )
        return
    click.echo(f"uploaded  {f'to {url}' if url else 'no: neither --url nor LAMPPOST_URL given'}")


def _publish_root(path: Path, url: str | None, as_json: bool, **rest: Any) -> None:
    if url is None:
        raise UploadError(f"--url or LAMPPOST_URL: where to hand {path} over")
    answer = upload_root(url, options.token(rest["token_file"]), bundle.read(path), rest["ca"])
    if as_json:
        click.echo(json.dumps({"uploaded": True, "answer": answer}))
        return
    click.echo(f"uploaded  root {answer.get('root')} to {url}: in force there")


def _sign(
    release: Release,
    *,
    home: Path | None,
    names: tuple[str, ...],
    withdraw: tuple[str, ...],
    keep: int,
    **_: Any,
) -> tuple[bytes, dict[str, Any]]:
    place = options.place(home)
    root = repository.read(place.keys / "root.json", Root).signed
    ceremony.require_none(place)
    wanted = root.roles["targets"].keyids
    ring = options.keyring(place)
    if names:
        signers = ring.named(names, wanted, f"releases under root {root.version}")
    else:
        signers = list(ring.at_hand(wanted, ["targets"]))
    data = repository.list_release(place, release, signers, withdraw=withdraw, keep=keep)
    return data, signing.missing(root, Metadata[Targets].from_bytes(data))
