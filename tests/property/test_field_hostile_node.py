"""Whatever a board answers to a technician's commands, each ends with one printable line."""

import contextlib
import json

import desk
from hypothesis import given, settings
from hypothesis import strategies as st

from ota.build.errors import FieldError
from ota.build.offline import Offline
from ota.build.release import Header
from ota.field import asking, deploy, session, wipe

KINDS = ("hello", "get", "say", "end", "fault", "at", "about", "ok", "restart")
ABOUT = desk.ABOUT | {"id": "240ac4123456"}  # of the line: the MAC
HELLO = {"slot": "/data/a", "version": "1.0.0", "board": "esp32", "now": 0, "have": []}
OFFLINE = Offline(
    Header("1.1.0", "esp32", "1.0.0", "1.27.0", 0, 20), {}, 1, {"manifest.jsonl": b"x" * 500}
)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 2**63])
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\x1b[2J", "\ud800", "/data/a", "1.1.0", "zzzzzzzzzzzz"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


def changed(whole):
    """Yield what a node tells with some of its members otherwise, or lost."""
    return st.dictionaries(st.sampled_from([*whole, "more"]), values, max_size=3).flatmap(
        lambda other: st.sets(st.sampled_from(list(whole)), max_size=1).map(
            lambda lost: {key: value for key, value in (whole | other).items() if key not in lost}
        )
    )


said = (
    st.tuples(st.sampled_from(KINDS) | values, st.lists(values, max_size=4)).map(
        lambda line: [line[0], *line[1]]
    )
    | st.tuples(st.just("about"), changed(ABOUT))
    | st.tuples(st.just("hello"), changed(HELLO))
    | st.tuples(st.just("get"), st.integers(), st.integers(), st.sampled_from(["plan", "", "x"]))
    | st.tuples(st.just("end"), st.booleans(), st.text(), st.text(), st.text())
)
lines = said.map(lambda line: "@" + json.dumps(line)) | st.text(max_size=20)


class Wire:
    """A cable whose node prints these lines."""

    port = "/dev/ttyUSB0"

    def __init__(self, said):
        self._said = said

    def run(self, program, *, fresh=True):
        pass

    def lines(self, silence_s):  # noqa: ARG002 - a cable's
        yield from self._said

    def send(self, line):
        pass

    console = lines


def answered(said):
    """Have every command hear these lines; yield what each comes to."""
    about = session._about(ABOUT)
    for command in (
        session.about,
        session.restart,
        lambda wire: session.put(wire, about, {"/etc/claim": b"x"}, [], lambda *_: None),
        lambda wire: wipe.wipe(wire, about, None, lambda *_: None),
        lambda wire: deploy.deploy(wire, OFFLINE, lambda *_: None, 1),
        lambda wire: list(asking.answers(wire, "probe", fresh=False)),
    ):
        with contextlib.suppress(FieldError):
            yield command(Wire(said))


@settings(deadline=None, max_examples=300)
@given(st.lists(lines, max_size=4))
def test_whatever_a_node_says_a_command_ends_with_its_own_error(said):
    for found in answered(said):
        if isinstance(found, session.About):
            texts = (found.name, found.site, found.machine, found.version, *found.locked)
            assert all(each.isprintable() for each in texts)
            assert len(found.roots) == 2
        if isinstance(found, deploy.Result):
            assert (found.before + found.board).isprintable()


def test_what_a_node_says_steers_no_terminal():
    for message in ("\x1b[2Jowned\r\n", "two\nlines", "\ud800"):
        assert FieldError(message).format_message().isprintable()
    assert FieldError("two\nlines").message == "two lines"
