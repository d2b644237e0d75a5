"""`--report DIR`: what ran on a rig, as DIR/report.html and DIR/junit.xml; the nodes' logs beside.

The page is one file without scripts, and asks no network: it can be sent and kept. What a node
said is hostile: it is shown with its control characters written out, and escaped.
"""

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hil_tests.rigs.rig import HilNode

TAIL_LINES = 60
_LINE_MAX = 500
_SKIPPED = "Skipped: "
_WORST = ("failed", "error", "skipped", "passed")

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
td, th { border-top: 1px solid #8884; padding: .4rem .6rem; text-align: left; vertical-align: top }
pre { background: #8881; overflow-x: auto; padding: .6rem; white-space: pre-wrap }
.passed { color: #17692c } .failed, .error { color: #b3001b; font-weight: bold }
.skipped { color: #7a5a00 } .s { text-align: right; white-space: nowrap }
"""


@dataclass
class Row:
    """One test: its outcome, s it took, what it told, why it was skipped or failed."""

    outcome: str = "passed"
    seconds: float = 0.0
    told: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    sections: dict[str, str] = field(default_factory=dict)

    def take(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        """Add what one of its phases came to."""
        self.seconds += getattr(report, "duration", 0.0)
        self.told |= {name: str(value) for name, value in getattr(report, "user_properties", [])}
        self.sections |= {title: text for title, text in report.sections if text.strip()}
        outcome = _outcome(report)
        if _WORST.index(outcome) < _WORST.index(self.outcome):
            self.outcome = outcome
            self.reason = _reason(report)


def printable(text: str) -> str:
    """Return text of which no character does anything: control characters are written out."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text.replace("\r\n", "\n")
    )


def tamed(report: pytest.TestReport) -> pytest.TestReport:
    """Return a report whose error steers no terminal: a node's words may stand in it, too."""
    if report.failed:
        text = report.longreprtext.replace("\r\n", "\n")
        tame = "\t".join(map(printable, text.split("\t")))
        if tame != text:
            report.longrepr = tame
    return report


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a console, printable, none longer than a screen can bear."""
    last = text.splitlines()[-lines:]
    return "\n".join(printable(line[:_LINE_MAX]) for line in last)


def clear(folder: Path) -> None:
    """Make the folder, or forget the run before; UsageError when that cannot be done."""
    try:
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        for old in (folder / "logs").glob("*.log"):
            old.unlink()
    except OSError as error:
        raise pytest.UsageError(f"--report {folder}: {error.strerror}") from error


class Report:
    """The plugin: collects what ran; `folder`: where it is written, None: nowhere."""

    def __init__(self, folder: Path | None, title: str) -> None:
        self._folder = folder
        self._title = title
        self._began = datetime.now().astimezone()
        self.rows: dict[str, Row] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take one phase of a test."""
        self.rows.setdefault(report.nodeid, Row()).take(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take what could not be collected."""
        if report.failed:
            self.rows.setdefault(report.nodeid, Row()).take(report)

    def pytest_sessionfinish(self) -> None:
        """Write the page."""
        if self._folder:
            logs = sorted(each.name for each in (self._folder / "logs").glob("*.log"))
            page = rendered(self._title, self._began, self.rows, logs)
            (self._folder / "report.html").write_text(page, "utf-8")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the figures that were told, and where the report is."""
        told = {name: value for row in self.rows.values() for name, value in row.told.items()}
        if told:
            terminalreporter.section(f"figures ({self._title})")
        for name, value in told.items():
            terminalreporter.write_line(printable(f"{name}: {value}"))
        if self._folder:
            terminalreporter.write_line(f"report: {self._folder / 'report.html'}")


def show_consoles(item: pytest.Item, when: str, nodes: Mapping[str, HilNode]) -> None:
    """Put the end of each node's console beside a failure; pytest shows it, junit.xml keeps it."""
    for name, node in nodes.items():
        if text := tail(node.console.text):
            item.add_report_section(when, f"stdout of node {name},", text)


def keep_logs(folder: Path, test: str, nodes: Mapping[str, HilNode]) -> None:
    """Write each node's whole console to DIR/logs/TEST--NODE.log."""
    for name, node in nodes.items():
        path = folder / "logs" / _log_name(test, name)
        path.write_text(node.console.text, "utf-8", errors="replace")


def rendered(title: str, began: datetime, rows: Mapping[str, Row], logs: Iterable[str]) -> str:
    """Return the page."""
    counts = {each: sum(row.outcome == each for row in rows.values()) for each in _WORST}
    total = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    body = [
        f"<h1>{_text(title)}</h1>",
        f"<p>{began:%Y-%m-%d %H:%M %z}: {total or 'nothing ran'}</p>",
        "<table><tr><th>test<th>outcome<th class=s>s<th>told",
        *(_table_row(test, row) for test, row in rows.items()),
        "</table>",
        *(_failure(test, row, logs) for test, row in rows.items() if row.outcome in _WORST[:2]),
    ]
    head = f"<meta charset=utf-8><title>{_text(title)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(body)}</body></html>\n"


def _table_row(test: str, row: Row) -> str:
    told = [f"{name}: {value}" for name, value in row.told.items()]
    if row.outcome == "skipped":
        told.append(row.reason)
    elif row.outcome == "passed":
        told += [text.strip() for title, text in row.sections.items() if "stdout call" in title]
    shown = "<br>".join(_text(each).replace("\n", "<br>") for each in told)
    name = _text(test)
    if row.outcome in _WORST[:2]:
        name = f"<a href='#{_text(_slug(test))}'>{name}</a>"
    return (
        f"<tr><td>{name}<td class={row.outcome}>{row.outcome}"
        f"<td class=s>{row.seconds:.1f}<td>{shown}"
    )


def _failure(test: str, row: Row, logs: Iterable[str]) -> str:
    parts = [f"<h2 id='{_text(_slug(test))}'>{_text(test)}</h2><pre>{_text(row.reason)}</pre>"]
    for title, text in row.sections.items():
        parts.append(f"<h3>{_text(title)}</h3><pre>{_text(text)}</pre>")
    links = [each for each in logs if each.startswith(_slug(test) + "--")]
    parts += [
        f"<p><a href='logs/{_text(each)}'>whole log: {_text(each)}</a></p>" for each in links
    ]
    return "".join(parts)


def _text(text: str) -> str:
    return html.escape(printable(text))


def _slug(test: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", test.removeprefix("hil_tests/")).strip("-")


def _log_name(test: str, node: str) -> str:
    return f"{_slug(test)}--{_slug(node)}.log"


def _outcome(report: pytest.TestReport | pytest.CollectReport) -> str:
    if report.failed and getattr(report, "when", None) != "call":
        return "error"
    return report.outcome


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    if report.skipped and isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix(_SKIPPED)
    return report.longreprtext
