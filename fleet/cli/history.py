"""PURE: a node's timeline in sentences."""

from typing import Any

from rich.text import Text

from fleet.cli.common import when
from fleet.cli.nodes import counted

_STYLES = {
    "confirmed": "green",
    "rolled_back": "red",
    "failed": "red",
    "expired": "red",
    "unreached": "yellow",
    "dropped": "red",
    "set_aside": "red",
    "drift": "red",
    "fell": "red",
    "clock_lost": "yellow",
    "recount": "yellow",
}
_SENTENCES = {
    "version": "runs {to}, before {from}",
    "clock_lost": "lost its time server ({from}); its clock goes by {to}",
    "clock_back": "has its time from {to} again",
    "dropped": "{count} windows dropped, {total} in all",
    "set_aside": "{count} records set aside, {total} since its start",
    "drift": "found a slot's files changed on its flash",
    "fell": "left a slot that is damaged or crashes, and runs the other",
}
_BLAMED = ("crash", "watchdog", "hard")


def line(entry: dict[str, Any]) -> Text:
    """Return one entry of `GET /devices/{id}/timeline` for people."""
    text = Text().append(f"{when(entry['at'])}  ", style="dim")
    return text.append(_sentence(entry), style=_style(entry))


def _style(entry: dict[str, Any]) -> str | None:
    what = entry["what"]
    if entry["outcome"] == "refused":
        return "red"
    if what == "restart" and any(entry["detail"]["causes"].get(cause) for cause in _BLAMED):
        return "yellow"
    return _STYLES.get(what)


def _sentence(entry: dict[str, Any]) -> str:
    if entry["source"] == "act":
        return _act(entry)
    if entry["source"] == "update":
        return _update(entry["what"], entry["detail"])
    return _event(entry["what"], entry["detail"])


def _act(entry: dict[str, Any]) -> str:
    known = {key: value for key, value in entry["detail"].items() if value is not None}
    particulars = ", ".join(f"{key}={value}" for key, value in known.items())
    refused = "" if entry["outcome"] == "done" else f" {entry['outcome']}"
    who = "" if entry["actor"].startswith("node:") else f" by {entry['actor']}"
    return f"{entry['what']}{refused}{who}" + (f" ({particulars})" if particulars else "")


def _update(word: str, detail: dict[str, Any]) -> str:
    said = [text for text in detail["details"] if not text.startswith("state=")]
    reason = "".join(f", {text.removeprefix('reason=')}" for text in said)
    return f"update to {detail['version']} (rollout {detail['rollout']}): {word}{reason}"


def _event(what: str, detail: dict[str, Any]) -> str:
    if what == "restart":
        return f"restarted: {counted(detail['causes']) or 'of unknown cause'}"
    if what == "recount":
        return "its counts of starts began anew: the flash was formatted or changed"
    sentence = _SENTENCES.get(what)
    return what if sentence is None else sentence.format(**detail)
