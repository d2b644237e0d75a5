"""How a repository stands, as data and in words: who signed, what expires when, what is next."""

from datetime import datetime
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from ota.build import cards, draft, repository
from ota.build.repository import Home

# How many days before its end a role is spoken of; the server signs the last two by itself.
WARN_DAYS = {"root": 90, "targets": 60, "snapshot": 10, "timestamp": 1}


def of(home: Home, now: datetime) -> dict[str, Any]:
    """Return the state of HOME as plain data: roles, draft, next steps.

    RepositoryError when there is no repository.
    """
    open_draft = draft.load(home.draft) if home.draft.exists() else None
    roles: dict[str, Any] = {}
    if (home.keys / "root.json").exists() or open_draft is None:
        root = repository.read(home.keys / "root.json", Root)
        roles["root"] = _role(home, root.signed, "root", root, now)
        targets = repository.read(home.keys / "targets.json", Targets)
        roles["targets"] = _role(home, root.signed, "targets", targets, now)
        for role, metadata in _online(home).items():
            roles[role] = _role(home, root.signed, role, metadata, now)
    state = {
        "home": str(home.folder),
        "roles": roles,
        "draft": None if open_draft is None else _draft(home, open_draft),
    }
    return state | {"next": _next(home, state)}


def words(state: dict[str, Any]) -> list[str]:
    """Return the state as lines for people."""
    lines = []
    for name, role in state["roles"].items():
        threshold = f"{role['threshold']} of {len(role['keys'])} keys must sign"
        when = "signed by the server" if role["expires"] is None else _when(role)
        lines.append(f"{name:<10} {when}; {threshold}")
        for key in role["keys"]:
            marks = ["signed" if key["signed"] else "", "key is here" if key["here"] else ""]
            told = ", ".join(mark for mark in marks if mark)
            lines.append(f"{'':<10}   {key['holder']:<16} {key['keyid'][:8]}  {told}".rstrip())
    if state["draft"] is not None:
        lines += ["", *draft_words(state["draft"])]
    lines.append("")
    lines += [f"next       {step}" for step in state["next"]] or ["next       nothing to do"]
    return lines


def draft_words(found: dict[str, Any]) -> list[str]:
    """Return what a draft changes and who has still to sign it, as lines for people."""
    lines = [f"draft      root {found['root']}, not in force yet: {found['file']}"]
    lines += [f"{'':<10}   {line}" for line in found["changes"]]
    return lines + need_words(found)


def need_words(found: dict[str, Any]) -> list[str]:
    """Return who has signed a draft and who has still to, as lines for people."""
    lines = []
    for need in found["needs"]:
        signed = ", ".join(need["signed"]) or "nobody"
        left = f"; {need['missing']} more of {', '.join(need['open'])}" if need["missing"] else ""
        lines.append(
            f"{'':<10}   {need['what']}: needs {need['threshold']}, signed by {signed}{left}"
        )
    return lines


def describe(made: draft.Draft, file: Path) -> dict[str, Any]:
    """Return a draft as plain data."""
    return {
        "file": str(file),
        "root": made.version,
        "changes": made.changes(),
        "complete": made.complete(),
        "needs": [
            {
                "what": need.what,
                "threshold": need.threshold,
                "signed": list(need.signed),
                "open": list(need.open),
                "missing": need.missing,
            }
            for need in made.needs()
        ],
    }


def steps(found: dict[str, Any]) -> list[str]:
    """Return what to do next with a draft."""
    file = found["file"]
    if found["complete"]:
        return [f"lamppost ota sign {file} --home HOME   (where HOME/keys is: puts it in force)"]
    who = sorted({name for need in found["needs"] if need["missing"] for name in need["open"]})
    there = f"lamppost ota sign {Path(file).name} --key KEY.pem"
    return [f"carry {file} to {' or '.join(who)}; there: {there}"]


def _role(
    home: Home, root: Root, role: str, metadata: Metadata[Any] | None, now: datetime
) -> dict[str, Any]:
    entry = root.roles[role]
    signed: dict[str, Any] = {}
    if metadata is not None:
        found = root.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
        signed = found.signed
    return {
        "version": None if metadata is None else metadata.signed.version,
        "expires": None if metadata is None else f"{metadata.signed.expires:%Y-%m-%dT%H:%M:%SZ}",
        "days": None if metadata is None else (metadata.signed.expires - now).days,
        "threshold": entry.threshold,
        "keys": [
            {
                "holder": cards.name_of(root.keys[keyid]),
                "keyid": keyid,
                "scheme": root.keys[keyid].scheme,
                "signed": keyid in signed,
                "here": keyid in _here(home.folder_of(role)),
            }
            for keyid in entry.keyids
        ],
    }


def _here(folder: Path) -> set[str]:
    """Return the ids of the keys whose cards and private halves lie in a folder."""
    found = [(path, cards.read(path)) for path in folder.glob(f"*{cards.SUFFIX}")]
    return {
        card.key.keyid
        for path, card in found
        if card.uri or path.with_name(path.name.removesuffix(cards.SUFFIX) + ".pem").exists()
    }


def _serves(home: Home) -> bool:
    """Say whether this is the server's own HOME: elsewhere its metadata are but a first copy."""
    return (home.folder / "server" / "pki").exists() and home.metadata.exists()


def _online(home: Home) -> dict[str, Metadata[Any] | None]:
    place = home.metadata / "timestamp.json"
    if not _serves(home):
        return dict.fromkeys(repository.ONLINE)
    timestamp = repository.read(place, Timestamp)
    name = f"{timestamp.signed.snapshot_meta.version}.snapshot.json"
    return {
        "snapshot": repository.read(home.metadata / name, Snapshot),
        "timestamp": timestamp,
    }


def _draft(home: Home, made: draft.Draft) -> dict[str, Any]:
    return describe(made, home.draft)


def _next(home: Home, state: dict[str, Any]) -> list[str]:
    found: list[str] = steps(state["draft"]) if state["draft"] else []
    roles = state["roles"]
    if not roles:
        return found
    version = roles["root"]["version"]
    served = home.metadata / f"{version}.root.json"
    if _serves(home) and not served.exists():
        found.append(f"lamppost ota publish {home.carried(version)} --url URL   (to the server)")
    what = {
        "root": "lamppost ota sign --renew   (same keys, later expiry)",
        "targets": "lamppost ota publish BUNDLE of the newest release, again   (later expiry)",
    }
    for role, step in what.items():
        if roles[role]["days"] <= WARN_DAYS[role] and not (role == "root" and state["draft"]):
            found.append(step)
    for role in repository.ONLINE:
        days = roles[role]["days"]
        if days is not None and days < WARN_DAYS[role]:
            found.append(f"{role} is old: is `lamppost serve` running on this HOME?")
    return found


def _when(role: dict[str, Any]) -> str:
    days = role["days"]
    left = f"in {days} days" if days >= 0 else f"{-days} days ago: EXPIRED"
    return f"version {role['version']}, expires {role['expires'][:10]} ({left})"
