"""PURE: the JSON documents of the DDI contract that the server sends."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fleet.releases.service import Release

CHUNK_PART = "os"


def sleep(seconds: int) -> str:
    """Return HH:MM:SS."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def base(
    root: str,
    sleep_s: int,
    *,
    action: int | None,
    cancelling: bool,
    wants_config: bool,
    installed: int | None = None,
) -> dict[str, Any]:
    """Return the base poll's answer: how long to sleep, and where to go on. *root*: own URL.

    installed: the action that the node last confirmed.
    """
    links = {}
    if installed is not None:
        links["installedBase"] = {"href": f"{root}/installedBase/{installed}"}
    if action is not None:
        kind = "cancelAction" if cancelling else "deploymentBase"
        links[kind] = {"href": f"{root}/{kind}/{action}"}
    if wants_config:
        links["configData"] = {"href": f"{root}/configData"}
    return {"config": {"polling": {"sleep": sleep(sleep_s)}}, "_links": links}


def filename(release: "Release") -> str:
    """Return the name of the release's one artifact."""
    return f"{release.version}.jsonl"


def deployment(root: str, action: int, release: "Release") -> dict[str, Any]:
    """Return a deploymentBase document with the manifest as its one artifact."""
    name = filename(release)
    href = f"{root}/softwaremodules/{release.id}/artifacts/{name}"
    artifact = {
        "filename": name,
        "hashes": {"sha1": release.sha1, "md5": release.md5, "sha256": release.sha256},
        "size": release.length,
        "_links": {"download": {"href": href}, "md5sum": {"href": f"{href}.MD5SUM"}},
    }
    chunk = {
        "part": CHUNK_PART,
        "name": release.kind,
        "version": release.version,
        "artifacts": [artifact],
    }
    return {
        "id": str(action),
        "deployment": {"download": "forced", "update": "forced", "chunks": [chunk]},
    }


def cancellation(action: int) -> dict[str, Any]:
    """Return a cancelAction document."""
    return {"id": str(action), "cancelAction": {"stopId": str(action)}}
