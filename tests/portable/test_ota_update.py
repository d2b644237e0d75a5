"""The update state machine, step by step, on both interpreters."""

from ota.core import limits, update

NOW = 1_795_000_000
DIGEST = "ab" * 32


def after(*events):
    """Return (state, effects of the last event)."""
    state, effects = update.fresh(), []
    for event in events:
        before = dict(state)
        given = state
        state, effects = update.step(state, event)
        assert given == before, "the given state was changed"
    return state, effects


OFFER = ("offer", "7", "1.1.0", "1.0.0", NOW)
GENUINE = ("genuine", DIGEST, "1.0.0", 7)
STAGED = ("staged", NOW)
WAY = (OFFER, GENUINE, ("filled",), STAGED)
TRYING = ("boot", "7", "1.1.0", "trying", "")
BOOTED = (OFFER, GENUINE, ("filled",), STAGED, TRYING)


def test_a_new_node_has_no_update_and_no_installs():
    state = update.fresh()
    for key in ("action", "version", "word", "digest"):
        assert state[key] == "", key
    for key in ("since", "day", "installs", "targets", "count"):
        assert state[key] == 0, key
    assert state["floor"] == "0.0.0"


def test_the_whole_way():
    expected = (
        [("report", "7", "requested", ""), ("fetch", "1.1.0")],
        [("report", "7", "downloading", ""), ("fill",)],
        [("report", "7", "verified", ""), ("stage",)],
        [("report", "7", "staged", ""), ("reset",)],
    )
    for i in range(4):
        assert after(*WAY[: i + 1])[1] == expected[i]
    assert after(*BOOTED)[1] == [("report", "7", "booted", "")]
    assert after(*BOOTED, TRYING)[1] == []
    state, effects = after(*BOOTED, ("boot", "7", "1.1.0", "confirmed", ""))
    assert effects == [("report", "7", "confirmed", ""), ("told",)]
    assert (state["word"], state["floor"], state["installs"]) == ("confirmed", "1.0.0", 1)
    assert (state["version"], state["digest"]) == ("1.1.0", DIGEST)


def test_an_offer_again_goes_on_where_it_was():
    for events in (WAY[:1], WAY[:2], WAY[:3]):
        assert after(*events, OFFER)[1] == [("fetch", "1.1.0")]
    assert after(*WAY, OFFER)[1] == [("reset",)]
    assert after(*BOOTED, OFFER)[1] == []  # its trial runs


def test_the_end_is_told_again_when_asked():
    end = ("failed", "BadHash")
    assert after(OFFER, end)[1] == [("report", "7", "failed", "BadHash"), ("clean",)]
    assert after(OFFER, end, OFFER)[1] == [("report", "7", "failed", "asked again")]


def test_another_offer_takes_over_before_it_is_staged():
    other = ("offer", "8", "1.2.0", "1.0.0", NOW)
    state, effects = after(OFFER, GENUINE, other)
    assert effects == [("report", "8", "requested", ""), ("fetch", "1.2.0")]
    assert (state["action"], state["version"], state["digest"]) == ("8", "1.2.0", "")


def test_a_trial_ends_before_another_offer_begins():
    other = ("offer", "8", "1.2.0", "1.1.0", NOW)
    assert after(*WAY, other)[1] == [("reset",)]
    state, effects = after(*BOOTED, other)
    assert (state["action"], effects) == ("7", [])


def test_the_running_version_is_confirmed_at_once():
    assert after(("offer", "7", "1.0.0", "1.0.0", NOW))[1] == [
        ("report", "7", "confirmed", "runs already")
    ]


def test_events_that_come_too_late_change_nothing():
    for late in (GENUINE, ("filled",), STAGED, ("failed", "x"), ("delayed", "x", NOW * 2)):
        for way in (WAY, (OFFER, ("failed", "y")), ()):
            state, effects = after(*way, late)
            assert effects == []
            assert state == after(*way)[0]


def test_delays_end_when_the_offer_expires():
    soon = NOW + limits.UPDATE_S
    assert after(OFFER, ("delayed", "Timeout", soon))[1] == []
    assert after(OFFER, ("delayed", "Timeout", soon + 1))[1] == [
        ("report", "7", "expired", "Timeout"),
        ("clean",),
    ]


def test_cancelled():
    cancel = ("cancel", "9", "7")
    for way in (WAY[:1], WAY[:2], WAY[:3]):
        state, effects = after(*way, cancel)
        assert effects == [("answer", "9", True), ("clean",)]
        for key in ("action", "version", "word", "digest"):
            assert state[key] == "", key
    assert after(*WAY, cancel)[1] == [("answer", "9", False)]
    assert after(*BOOTED, cancel)[1] == [("answer", "9", False)]
    assert after(cancel)[1] == [("answer", "9", True)]
    assert after(OFFER, ("failed", "x"), cancel)[1] == [("answer", "9", True)]


def test_gone():
    assert after(OFFER, ("gone", "7"))[1] == [("clean",)]
    assert after(OFFER, ("gone", "6"))[1] == []
    assert after(*WAY, ("gone", "7"))[1] == []


def test_installs_a_day_are_counted_when_staged():
    state = update.fresh()
    reports = 0
    for i in range(limits.INSTALLS_PER_DAY + 2):
        running = "1.0.%d" % i
        offer = ("offer", str(i), "1.0.%d" % (i + 1), running, NOW)
        state, effects = update.step(state, offer)
        if ("fetch", "1.0.%d" % (i + 1)) not in effects:
            assert i >= limits.INSTALLS_PER_DAY
            assert effects == [("report", str(i), "requested", "4 installs today")]
            assert update.step(state, offer)[1] == []
            reports += 1
            continue
        for event in (GENUINE, ("filled",), STAGED, ("boot", str(i), "x", "confirmed", "")):
            state, _ = update.step(state, event)
    assert reports == 2
    tomorrow = ("offer", "9", "1.1.0", "1.0.0", NOW + 86400)
    assert ("fetch", "1.1.0") in update.step(state, tomorrow)[1]


def step_all(state, *events):
    """Return (state, effects of the last event)."""
    for event in events:
        state, effects = update.step(state, event)
    return state, effects


def test_the_count_starts_anew_with_the_day():
    last = (NOW // 86400 + 1) * 86400 - 1
    state = update.fresh()
    way = (GENUINE, ("filled",), ("staged", last), ("boot", "x", "x", "confirmed", ""))
    for i in range(limits.INSTALLS_PER_DAY):
        state, _ = step_all(state, ("offer", str(i), "1.1.%d" % i, "1.0.0", last), *way)
    assert (state["day"], state["installs"]) == (NOW // 86400, limits.INSTALLS_PER_DAY)
    assert update.step(state, ("offer", "9", "2.0.0", "1.0.0", last))[1] == [
        ("report", "9", "requested", "4 installs today")
    ]
    early = ("offer", "9", "2.0.0", "1.0.0", last + 1)
    assert update.step(state, early)[1][-1] == ("fetch", "2.0.0")
    state, effects = step_all(state, early, GENUINE, ("filled",), ("staged", last + 1))
    assert effects == [("report", "9", "staged", ""), ("reset",)]
    assert (state["day"], state["installs"]) == (NOW // 86400 + 1, 1)


def test_installs_under_one_list_are_counted_whatever_the_clock_says():
    state = update.fresh()
    for i in range(limits.INSTALLS_PER_LIST):
        day = NOW + i * 86400
        offer = ("offer", str(i), "1.1.%d" % i, "1.0.0", day)
        state, effects = step_all(state, offer, GENUINE, ("filled",), ("staged", day))
        assert effects[-1] == ("reset",)
        assert (state["targets"], state["count"]) == (7, i + 1)
        state, _ = update.step(state, ("boot", str(i), "x", "confirmed", ""))
    offer = ("offer", "99", "2.0.0", "1.0.0", NOW + 90 * 86400)
    state, _ = update.step(state, offer)
    assert update.step(state, GENUINE)[1] == [
        ("report", "99", "failed", "16 installs under targets 7"),
        ("clean",),
    ]
    state, effects = update.step(state, ("genuine", DIGEST, "1.0.0", 8))
    assert effects == [("report", "99", "downloading", ""), ("fill",)]
    assert (state["targets"], state["count"]) == (8, 0)


def test_the_floor_only_rises():
    state, _ = after(OFFER, ("genuine", DIGEST, "1.10.0", 7), ("failed", "x"))
    assert state["floor"] == "1.10.0"
    for event in (("offer", "8", "1.2.0", "1.0.0", NOW), ("genuine", DIGEST, "1.9.0", 7)):
        state, _ = update.step(state, event)
    assert state["floor"] == "1.10.0"


def test_the_boot_record_is_believed():
    back = ("boot", "7", "1.1.0", "rolled_back", "watchdog")
    for way in ((), WAY[:2], WAY, BOOTED):
        state, effects = after(*way, back)
        assert effects == [("report", "7", "rolled_back", "watchdog"), ("told",)]
        assert (state["action"], state["word"]) == ("7", "rolled_back")
        assert state["version"] == "1.1.0"
        assert after(*way, back, back)[1] == [("told",)]
    deferred = ("boot", "7", "1.1.0", "deferred", "no network")
    assert after(*WAY, deferred)[1] == [
        ("report", "7", "requested", "deferred: no network"),
        ("told",),
    ]
    assert after(*WAY, deferred, OFFER)[1] == [("fetch", "1.1.0")]
    state, effects = after(*WAY[:2], ("boot", "5", "0.9.0", "fell", "damaged"))
    assert effects == [("told",)]
    assert state == after(*WAY[:2])[0]
    assert after(("boot", "", "", "confirmed", ""))[1] == [("told",)]
    state, effects = after(*WAY[:2], ("boot", "5", "0.9.0", "trying", ""))
    assert effects == [("report", "5", "booted", "")]
    assert (state["version"], state["digest"]) == ("0.9.0", "")
