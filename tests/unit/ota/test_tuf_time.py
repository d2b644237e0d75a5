"""Updates without a clock to trust: whatever it says, the node stays whole and comes right again.

The clock is the firmware's own, over ticks and an RTC as they lie; the node is one with its
flash in a folder, and the repository that of the reference library.
"""

import datetime as dt
import email.utils
from types import SimpleNamespace

import faketime
import pytest
from updating import EVEN_NEWER, NEW, NOW, OLD

from firmware.ports import common
from firmware.tasks import clock

DAY_S = 86_400
YEAR_2000, YEAR_2050 = 946_684_800, 2_524_608_000
BUILT = NOW - 30 * DAY_S


class Clocked:
    """The node of test_updater, its time that of the firmware's clock."""

    def __init__(self, node, fleet, make_release):
        self.node = node
        self.fleet = fleet
        self.make_release = make_release
        self.actions = 0
        self.power_on(YEAR_2000)

    def power_on(self, rtc_s, seen_s=0):
        """Start: the RTC's time, the release's build time, the last time seen."""
        self.ticks = 0
        self.clock = common.Clock(lambda: self.ticks, rtc_s, lambda _: None)
        self.clock.at_least(BUILT, "built")
        self.clock.at_least(seen_s, "seen", False)
        self.keeper = SimpleNamespace(
            clock=self.clock,
            outbox=None,
            console=faketime.Console(),
            date_s=0,
        )

    def date(self, unix_s):
        """The server's Date, over TLS."""
        clock.take_date(self.keeper, {"date": email.utils.formatdate(unix_s, usegmt=True)})

    def sntp(self, unix_s):
        return clock.take(self.keeper, unix_s, "sntp")

    def offered(self, version="1.1.0"):
        """Poll with a new action; True if the node installs it."""
        self.actions += 1
        self.fleet.offered = (str(self.actions), version)
        self.node.now = self.clock.now()
        if not self.node.poll():
            return False
        self.node.start()
        self.node.end_trial()
        return True

    def refused(self, why="Expired"):
        """Assert that an offer is refused, and reported so, and that the node stays as it was."""
        before = self.node.record["slot"], self.node.version
        assert not self.offered()
        details = self.fleet.feedback[-1]
        assert details[1:3] == ("closed", "failure")
        assert why in details[3][1]
        assert (self.node.record["slot"], self.node.version) == before
        assert self.node.record["state"] != "trying"
        assert self.make_release("1.0.0", OLD).lies_in(self.node.slot("a"))

    def kept(self):
        folder = self.node.data / "tuf"
        return (
            {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}
        )

    def whole(self, version, files):
        """Assert that the node runs a release, and runs it whole."""
        assert self.node.version == version
        slot = self.node.slot(self.node.record["slot"])
        assert self.make_release(version, files).lies_in(slot)


@pytest.fixture
def city(node, fleet, make_release):
    return Clocked(node, fleet, make_release)


def expires(repository, unix_s, *roles):
    for role in roles:
        getattr(repository, role).expires = dt.datetime.fromtimestamp(unix_s, dt.UTC)


def test_a_clock_in_2000_starts_at_the_build_time_and_updates(city):
    assert city.clock.now() == BUILT
    assert city.offered()
    city.whole("1.1.0", NEW)


def test_a_clock_in_2000_takes_nothing_that_had_expired_when_its_release_was_built(city):
    expires(city.fleet.repository, BUILT - 1, "timestamp")
    city.fleet.repository.publish()
    city.refused()
    city.whole("1.0.0", OLD)


def test_a_clock_in_2050_refuses_and_comes_right_by_the_servers_date(city):
    city.power_on(YEAR_2050)
    city.refused()
    assert "time" not in city.kept()
    city.date(NOW)
    assert city.offered()
    city.whole("1.1.0", NEW)
    assert city.kept()["time"] == b"%d" % NOW


def test_a_time_server_that_lies_ahead_stops_updates_until_the_date_is_heard(city):
    city.sntp(NOW)
    assert city.offered()
    assert city.sntp(NOW + 40 * DAY_S)
    city.fleet.offered = None
    assert city.kept()["time"] == b"%d" % NOW
    city.actions += 1
    city.fleet.offered = (str(city.actions), "1.0.0")
    city.node.now = city.clock.now()
    assert not city.node.poll()
    assert city.fleet.words(str(city.actions))[-1] == "failed"
    assert city.kept()["time"] == b"%d" % NOW  # the lie is not kept
    city.whole("1.1.0", NEW)
    city.date(NOW + 60)
    assert city.offered("1.0.0")
    city.whole("1.0.0", OLD)


def test_a_lie_that_passes_as_fresh_ends_with_the_next_timestamp(city):
    """Ahead, but not beyond any expiry: the lie is kept, and at most a timestamp's life long."""
    ahead = NOW + 29 * DAY_S
    city.sntp(ahead)
    assert city.offered()
    city.date(NOW)
    city.fleet.publish(city.make_release("1.2.0", EVEN_NEWER))
    assert city.offered("1.2.0")  # still judged against the lie, and fresh
    expires(city.fleet.repository, NOW + 60 * DAY_S, "timestamp", "snapshot", "targets", "root")
    city.fleet.repository.next_root()
    city.fleet.repository.publish()
    city.power_on(ahead + DAY_S)
    assert city.offered("1.1.0")
    city.whole("1.1.0", NEW)


@pytest.mark.parametrize("how", ["sntp", "date"])
def test_a_clock_set_back_does_not_bring_expired_metadata_to_life(city, how):
    """A freeze: the server's old metadata, and a time at which it was good."""
    repository = city.fleet.repository
    expires(repository, NOW + 2 * DAY_S, "timestamp")
    repository.publish()
    city.sntp(NOW)
    assert city.offered()
    frozen = dict(repository.files)
    expires(repository, NOW + 20 * DAY_S, "timestamp")
    repository.publish()
    city.power_on(YEAR_2000)
    city.sntp(NOW + 10 * DAY_S)
    assert city.offered("1.0.0")
    city.power_on(YEAR_2000)
    getattr(city, how)(NOW)
    assert city.clock.now() == NOW
    (city.node.data / "tuf" / "timestamp.json").unlink()  # even without its memory of versions
    repository.files.clear()
    repository.files.update(frozen)
    city.actions += 1
    city.fleet.offered = (str(city.actions), "1.1.0")
    city.node.now = city.clock.now()
    assert not city.node.poll()
    assert "Expired" in city.fleet.feedback[-1][3][1]
    city.whole("1.0.0", OLD)


def test_a_time_before_the_build_is_no_time(city):
    assert not city.sntp(BUILT - 1)
    city.date(BUILT - 1)
    assert not city.clock.synced
    assert city.clock.now() == BUILT


@pytest.mark.parametrize("hears", [None, "sntp", "date"])
def test_months_in_a_drawer(city, hears):
    """All that is kept has expired, every key was changed, and the clock stands in 2000."""
    city.sntp(NOW)
    assert city.offered()
    repository = city.fleet.repository
    later = NOW + 400 * DAY_S
    for role, spare in zip(
        ("timestamp", "snapshot", "targets", "root"), repository.spare, strict=True
    ):
        old = repository.rotate(role, spare)
        expires(repository, later + 30 * DAY_S, "root")
        repository.next_root([old, spare] if role == "root" else None)
    expires(repository, later + 7 * DAY_S, "timestamp", "snapshot", "targets")
    city.fleet.publish(city.make_release("1.2.0", EVEN_NEWER))
    city.power_on(YEAR_2000, seen_s=NOW)
    if hears:
        getattr(city, hears)(later)
    assert city.offered("1.2.0")
    city.whole("1.2.0", EVEN_NEWER)
    assert int(city.kept()["time"]) == (later if hears else NOW)


def test_one_start_judges_a_whole_refresh(city):
    """What expires while it is being fetched was fresh at the start."""
    city.sntp(NOW)
    expires(city.fleet.repository, NOW + 1, "targets")
    city.fleet.repository.publish()
    answer = city.fleet.answer

    def slowly(*request):
        city.ticks += 60_000
        return answer(*request)

    city.fleet.answer = slowly
    assert city.offered()
    assert city.clock.now() > NOW + 60
    city.whole("1.1.0", NEW)


@pytest.mark.parametrize("text", [b"", b"soon", b"\xff\xff", b"-5", b"9" * 16])
def test_a_garbled_note_of_the_last_start_is_none(city, text):
    city.sntp(NOW)
    assert city.offered()
    (city.node.data / "tuf" / "time").write_bytes(text)
    assert city.offered("1.0.0")
    city.whole("1.0.0", OLD)
    assert city.kept()["time"] == b"%d" % NOW
