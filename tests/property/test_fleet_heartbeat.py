"""Whatever a node says of itself: it never breaks the server, and the last good values stay."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fleet import limits
from fleet.heartbeat import changes, parse, words

KEYS = [*words.NUMBERS, *(words.STARTS + cause for cause in words.CAUSES), words.CLOCK]
keys = st.one_of(
    st.sampled_from([*KEYS, "errors.tls", "errors.", "starts.magic", "version", "hw"]),
    st.text(max_size=12),
    st.text(max_size=8).map("errors.".__add__),
)
texts = st.one_of(
    st.integers(-(2**40), 2**40).map(str),
    st.sampled_from(["", "-", "+1", " 1", "1.0", "1e3", "0x10", "٣", "²", "sntp", "1\n", "nan"]),
    st.text(max_size=60),
)
heartbeats = st.dictionaries(keys, texts, max_size=50)


@given(heartbeats)
def test_every_value_is_taken_kept_apart_or_not_ours(data):
    said = parse.read(data)
    taken = {
        *said.numbers,
        *(words.STARTS + cause for cause in said.starts),
        *(words.ERRORS + name for name in said.errors),
        *([words.CLOCK] if said.clock else []),
    }
    assert taken | set(said.refused) == {key for key in data if parse.is_ours(key)}
    assert not taken & set(said.refused)
    assert len(said.errors) <= limits.ERROR_NAMES
    assert all(len(text) <= limits.REFUSED_CHARS for text in said.refused.values())
    for key, number in said.numbers.items():
        least, most = words.NUMBERS[key]
        assert least <= number <= most < 2**31
    assert all(0 <= count < 2**31 for count in (*said.starts.values(), *said.errors.values()))
    assert bool(said) == any(parse.is_ours(key) for key in data)


@given(heartbeats, st.booleans())
def test_nonsense_leaves_the_last_good_values(data, whole):
    good = parse.read(
        {key: "sntp" if key == words.CLOCK else "7" for key in KEYS if key != "rssi"}
        | {"rssi": "-60", "errors.tls": "2"}
    )
    assert not good.refused
    before, _ = changes.follow(None, good, "1.0.0", whole=True)
    said = parse.read(data)
    after, _ = changes.follow(before, said, None, whole=whole)
    for key in said.refused:
        if key in words.NUMBERS:
            assert after.numbers[key] == before.numbers[key]
        if key.startswith(words.STARTS):
            cause = key.removeprefix(words.STARTS)
            assert after.starts[cause] == before.starts[cause]
        if key == words.CLOCK:
            assert after.clock == before.clock
    assert after.refusals == len(said.refused)
    assert after.version == "1.0.0"


class Restarts(RuleBasedStateMachine):
    """A node that starts for all causes, loses its counts, and tells of it now and then."""

    def __init__(self):
        super().__init__()
        self.counts = dict.fromkeys(words.CAUSES, 0)
        self.known = None
        self.formatted = self.garbled = False

    @rule(cause=st.sampled_from(words.CAUSES), times=st.integers(1, 3))
    def starts(self, cause, times):
        self.counts[cause] += times

    @rule()
    def is_formatted(self):
        self.counts = dict.fromkeys(words.CAUSES, 0)
        self.counts["power_on"] = 1
        self.formatted = True

    @rule(garbled=st.sets(st.sampled_from(words.CAUSES), max_size=2))
    def tells(self, garbled):
        data = {
            words.STARTS + cause: "?" if cause in garbled else str(count)
            for cause, count in self.counts.items()
        }
        self.garbled = self.garbled or bool(garbled)
        before = self.known
        self.known, events = changes.follow(before, parse.read(data), None, whole=True)
        kinds = [event.kind for event in events]
        assert kinds in ([], [words.RESTART], [words.RECOUNT])
        if before is not None and before.restarts is not None:
            assert self.known.restarts >= before.restarts
        if before is not None and not self.formatted and not self.garbled:
            assert (kinds == [words.RESTART]) == (self.known.starts != before.starts)
            assert self.known.restarts == self.unplanned

    @property
    def unplanned(self):
        return sum(self.counts[cause] for cause in words.UNPLANNED)

    @invariant()
    def no_restart_is_made_up(self):
        if self.known is not None and self.known.restarts is not None and not self.formatted:
            assert self.known.restarts <= self.unplanned


TestRestarts = Restarts.TestCase
