"""What a node told on its serial port, held against what the server has."""

import re
import sqlite3
from collections import Counter

from sim import flashfiles

_WINDOW = re.compile(r"sample: window (\d+) of ")


def told(text: str) -> Counter[int]:
    """Count the windows that a node said it wrote, by sequence number.

    A box that ended (its last line was torn by a power cut) makes way for one that begins at 1
    again: a number told twice is two windows.
    """
    return Counter(int(seq) for seq in _WINDOW.findall(text))


def arrivals(city, node, stream: str = "pm25") -> list[tuple[int, str, int]]:
    """Return (unix time, box, seq) of each window of a stream in the order in which it came."""
    database = sqlite3.connect(city.home / "server" / "lamppost.db")
    query = (
        "SELECT time, box, seq FROM observations WHERE device_id = ? AND stream = ? ORDER BY rowid"
    )
    try:
        return database.execute(query, (node.id, stream)).fetchall()
    finally:
        database.close()


def wait_arrived(city, node, deadline_s: float) -> list[tuple[int, str, int]]:
    """Wait until every window that the node has told of so far is with the server."""
    wanted = told(node.console.text)

    def found() -> list[tuple[int, str, int]] | None:
        came = arrivals(city, node)
        return came if not wanted - Counter(seq for _, _, seq in came) else None

    return city.wait(
        found, deadline_s, f"{wanted.total()} windows", lambda: node.console.text[-3000:]
    )


def each_once(city, node) -> list[tuple[int, str, int]]:
    """Assert, of a node without power, that no window is lost and none is there twice."""
    came = arrivals(city, node)
    stored = {(box, seq) for _, box, seq in came}
    assert len(stored) == len(came)
    unsent = set()
    if node.flash_path:
        produced, unsent = flashfiles.outbox(node.flash_path)
        assert stored | unsent == produced
    wanted = told(node.console.text)
    assert not wanted - Counter(seq for _, seq in stored | unsent)
    return came
