"""Random lives of a boot record: cuts, damage and resets in any order never lose the node."""

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.root import partition
from ota.core import bootrecord as br

APPS = {"aim": lambda record, cause: partition.aim(br, record, cause), "met": partition.met}
CAUSES = st.sampled_from(["power_on", "hard", "watchdog", "soft", "deep_sleep"])
MANIFESTS = st.sampled_from(["%064x" % (i << 200) for i in range(5)])
TEXT = st.text(max_size=120)
STEP = st.one_of(
    st.tuples(st.just("boot"), CAUSES, TEXT),
    st.tuples(st.just("stage"), MANIFESTS, TEXT),
    st.tuples(st.sampled_from(["confirm", "fail", "defer", "fall"]), TEXT),
    st.tuples(st.sampled_from(["planned", "healthy", "reported", "spend", "met"])),
    st.tuples(st.just("aim"), CAUSES),
    # damage: which copy, and what becomes of it
    st.tuples(st.just("damage"), st.integers(0, 1), st.binary(max_size=600) | st.none()),
)


class Flash:
    """Two copies and the rules' way to them; a write that is cut leaves the old copy."""

    def __init__(self, n):
        self.copies = [None, None]
        record = br.fresh()
        record["n"] = n
        self.write(record, cut=False)

    def read(self):
        return br.newest(self.copies)

    def write(self, record, *, cut):
        index, data, _ = br.seal(record)
        assert len(data) <= br.LIMIT_BYTES
        if not cut:
            self.copies[index] = data


def apply(record, step):
    """One transition, as its caller would make it; refusals leave the record as it is."""
    name, *args = step
    try:
        if name == "boot":
            return br.decide(record, *args)
        if name == "stage":
            return br.stage(record, br.other(record["slot"]), args[0], args[1], args[1])
        if name == "confirm":
            return br.confirm(record)
        if name == "spend":
            return br.spend(record, 5)
        return (APPS.get(name) or getattr(br, name))(record, *args)
    except ValueError:
        return record


@settings(max_examples=100)
@given(n=st.integers(0, 0xFFFFFFFF), life=st.lists(st.tuples(STEP, st.booleans()), max_size=40))
def test_any_life_leaves_a_bootable_record(n, life):
    flash = Flash(n)
    for step, cut in life:
        if step[0] == "damage":
            flash.copies[step[1]] = step[2]
            continue
        before = flash.read()
        after = apply(before, step)
        if after != before:
            flash.write(after, cut=cut)
        found = flash.read()
        assert br.running(found) in ("a", "b")
        assert found["state"] in ("steady", "staged", "trying")
        assert (found["trial"] == "") == (found["state"] == "steady")
        assert found["trial"] != found["slot"]
        assert br.decode(br.encode(found)) == found
        assert set(found) == set(br.fresh()), "a transition brought a key of its own"


@settings(max_examples=100)
@given(life=st.lists(STEP.filter(lambda s: s[0] != "damage"), max_size=60))
def test_the_confirmed_slot_changes_only_by_confirmation_or_fall(life):
    record = br.fresh()
    for step in life:
        after = apply(record, step)
        if after["slot"] != record["slot"]:
            assert after["outcome"] in ("confirmed", "fell")
            if after["outcome"] == "confirmed":
                assert record["state"] == "trying"
                assert step[0] == "confirm"
        if record["state"] != "trying" and after["state"] == "trying":
            assert record["state"] == "staged"
        if step[0] == "boot" and record["state"] == "trying" and step[1] == "watchdog":
            assert br.running(after) == record["slot"]
        record = after


@settings(max_examples=60)
@given(causes=st.lists(CAUSES, min_size=60, max_size=60))
def test_no_sequence_of_resets_keeps_a_node_in_a_trial(causes):
    """Whatever happens, a trial that nobody confirms ends, and in the old slot."""
    record = br.decide(br.stage(br.fresh(), "b", "ab" * 32), "hard")
    starts = 0
    for cause in causes:
        if record["state"] == "steady":
            break
        starts += cause != "soft"
        record = br.decide(record, cause)
    if record["state"] == "steady":
        assert br.running(record) == "a"
    else:
        assert starts <= br.BOOTS_MAX


@settings(max_examples=100)
@given(st.binary(max_size=600))
def test_noise_is_no_record(data):
    assert br.decode(data) is None
