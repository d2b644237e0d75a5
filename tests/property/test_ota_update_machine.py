"""The update state machine under any sequence of events."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from ota.core import limits, update, versions

NOW = 1_795_000_000
WORDS = {
    "": {"", "requested", "confirmed"},
    "requested": {"requested", "downloading", "failed", "expired", "", "confirmed"},
    "downloading": {"downloading", "verified", "requested", "failed", "expired", "", "confirmed"},
    "verified": {"verified", "staged", "requested", "downloading", "failed", "expired"}
    | {"", "confirmed"},
    "staged": {"staged"},
    "booted": {"booted"},
    "confirmed": {"confirmed", "requested"},
    "rolled_back": {"rolled_back", "requested", "confirmed"},
    "failed": {"failed", "requested", "confirmed"},
    "expired": {"expired", "requested", "confirmed"},
}
FIRST = ("report", "answer")

actions = st.sampled_from(["1", "2", "3"])
names = st.sampled_from(["1.0.0", "1.1.0", "2.0.0"])
times = st.integers(0, 20 * 86400).map(lambda s: NOW + s)
outcomes = st.sampled_from(["trying", "confirmed", "rolled_back", "deferred", "fell"])
events = st.one_of(
    st.tuples(st.just("offer"), actions, names, names, times),
    st.tuples(st.just("genuine"), st.just("ab" * 32), names, st.integers(1, 3)),
    st.tuples(st.just("filled")),
    st.tuples(st.just("staged"), times),
    st.tuples(st.just("failed"), st.text(max_size=8)),
    st.tuples(st.just("delayed"), st.text(max_size=8), times),
    st.tuples(st.just("cancel"), st.just("c"), actions),
    st.tuples(st.just("gone"), actions),
    st.tuples(st.just("boot"), st.one_of(st.just(""), actions), names, outcomes, st.just("")),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(events, max_size=30))
def test_words_only_move_along_their_edges(sequence):
    state = update.fresh()
    for event in sequence:
        after, effects = update.step(state, event)
        if event[0] != "boot":
            assert after["word"] in WORDS[state["word"]]
            # What is confirmed without a trial is only what runs already.
            if after["word"] == "confirmed" != state["word"]:
                assert event[0] == "offer"
                assert event[2] == event[3]
        kinds = [effect[0] for effect in effects]
        assert kinds == sorted(kinds, key=lambda kind: kind not in FIRST)
        for effect in effects:
            if effect[0] == "report":
                assert effect[1:3] == (after["action"], after["word"])
        assert ("stage",) not in effects or event == ("filled",)
        assert "fill" not in kinds or event[0] == "genuine"
        assert "fetch" not in kinds or event[0] == "offer"
        if "clean" in kinds:
            assert after["word"] in ("failed", "expired", "")
        assert versions.key(after["floor"]) >= versions.key(state["floor"])
        assert after["installs"] - state["installs"] <= 1
        if "fetch" in kinds and after["day"] == event[4] // 86400:
            assert after["installs"] < limits.INSTALLS_PER_DAY
        if "fill" in kinds:
            assert after["count"] < limits.INSTALLS_PER_LIST
        assert after["count"] <= limits.INSTALLS_PER_LIST
        assert json.loads(json.dumps(after)) == after
        assert {name: type(value) for name, value in after.items()} == {
            name: type(value) for name, value in update.fresh().items()
        }
        state = after


@settings(max_examples=50, deadline=None)
@given(st.lists(events, max_size=20), events)
def test_an_event_twice_says_nothing_new(sequence, event):
    """A power cut between journal and effects repeats events: the state stays."""
    state = update.fresh()
    for each in sequence:
        state, _ = update.step(state, each)
    once, _ = update.step(state, event)
    twice, effects = update.step(once, event)
    same = {name: value for name, value in twice.items() if name != "since"}
    assert same == {name: value for name, value in once.items() if name != "since"}
    assert not any(effect[0] == "stage" for effect in effects)
