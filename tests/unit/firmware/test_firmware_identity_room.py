"""Making a key takes the room of TLS: a board renews its certificate in a start of its own."""

import asyncio

import faketime
import pytest
from est import DUE, Est, enrolled, good, play

from firmware.tasks import errands, measuring
from ota.core import errors


class Board:
    """A node that has no room to make a key beside measuring."""

    def __init__(self, monkeypatch, est, files, *, errand="", write=None):
        self._play = monkeypatch, est, files
        self._errand, self._write = errand, write
        self.node = None

    def until_it_restarts(self, seconds):
        """Return why it did."""
        with pytest.raises(faketime.Restarted) as restarted:
            play(*self._play, seconds, self._cramp)
        return str(restarted.value)

    def runs(self, seconds):
        return play(*self._play, seconds, self._cramp)

    def _cramp(self, node):
        self.node = node
        node.memory.figures = lambda: {"heap_free": 14_000}
        node.errand = self._errand
        node.measuring = [] if self._errand else [asyncio.create_task(asyncio.Event().wait())]
        node.storage.write = self._write or node.storage.write
        node.clock.set(DUE, "sntp")


def test_without_room_it_leaves_measuring_to_renew_and_not_at_once(monkeypatch):
    est = Est(good)
    board = Board(monkeypatch, est, enrolled(monkeypatch))
    assert board.until_it_restarts(2 * 3600) == "room for enrolment"
    assert est.asked == []
    assert board.node.clock.uptime_s() >= 3600
    assert board.node.storage.files[measuring.FLAG] == b"enrolment"


@pytest.mark.parametrize(
    ("answer", "new"), [(good, True), (lambda _: errors.Unreachable("away"), False)]
)
@pytest.mark.parametrize(
    ("claim", "operation"),
    [({}, "simplereenroll"), ({"/etc/claim": b"new"}, "simpleenroll")],
)
def test_in_a_start_of_its_own_it_tries_once_and_measures_again(
    monkeypatch, answer, new, claim, operation
):
    files = enrolled(monkeypatch)
    est = Est(answer)
    board = Board(monkeypatch, est, {**files, **claim}, errand=measuring.ENROLMENT)
    assert board.until_it_restarts(60) == "measuring again"
    assert [path for path, _, _ in est.asked] == ["/.well-known/est/" + operation]
    assert (board.node.storage.files["/etc/identity"] != files["/etc/identity"]) == new
    assert not board.node.enrolled.is_set()  # nobody else has spoken to the server meanwhile


def test_an_identity_that_cannot_be_used_is_said_and_costs_no_crash(monkeypatch):
    est = Est(good)
    board = Board(
        monkeypatch, est, {"/etc/identity": b"\0\x03keybroken"}, errand=measuring.ENROLMENT
    )
    assert board.until_it_restarts(60) == "measuring again"
    assert board.node.console.texts("error") == ["/etc/identity cannot be used: invalid cert"]
    assert est.asked == []


@pytest.mark.parametrize("claim", [{}, {"/etc/claim": b"new"}])
def test_half_of_a_days_errands_are_left_to_updates(monkeypatch, claim):
    spent = b"%d 6" % (DUE // 86400)
    files = {**enrolled(monkeypatch), **claim, errands.ERRANDS: spent}
    node = Board(monkeypatch, Est(good), files).runs(9 * 3600)
    assert node.storage.files[errands.ERRANDS] == spent


def test_a_flash_that_takes_no_flag_has_it_measure_on(monkeypatch):
    def full(path, _):
        raise OSError(28, path)

    node = Board(monkeypatch, Est(good), enrolled(monkeypatch), write=full).runs(2.5 * 3600)
    assert len(node.console.texts("error")) == 2
    assert node.console.texts("error")[0].startswith("flash: ")
    assert len(node.measuring) == 1
