"""Whatever is typed at a locked console, it opens nothing, fails in nothing and keeps no more."""

from types import SimpleNamespace

from hypothesis import example, given
from hypothesis import strategies as st
from outcomes import finish

from firmware.tasks import lock

KEYS = {"anna": "04" + "6b17d1f2" + "00" * 60}
WORDS = [
    b"unlock",
    b"answer",
    b" ",
    b"6b17d1f2",
    b"\r",
    b"\n",
    b"\x03",
    b"3006020101020101",
    b"\0",
]
TYPED = st.one_of(
    st.binary(max_size=400),
    st.lists(st.sampled_from(WORDS) | st.binary(max_size=3), max_size=40).map(b"".join),
)


@given(typed=TYPED)
@example(b"unlock\ranswer 6b17d1f2 zz\runlock\ranswer 6b17d1f2 3006020101020101\r")
@example(b"unlock\ranswer " + b"f" * 10_000 + b"\r")
@example(b"\n" * 10_000)
def test_no_bytes_open_it(typed):
    now = []
    clock = SimpleNamespace(uptime_s=lambda: 9 * len(now))
    node = SimpleNamespace(id="240ac4fffe000001", random=bytes, errand="", clock=clock)
    made = lock.Lock(KEYS)
    for byte in typed:
        now.append(byte)
        said = made.hear(byte, node)
        assert len(made._line) <= lock._LINE_BYTES
        assert not said or said.startswith(("locked to anna", "challenge ", "refused"))
        assert said.isprintable()
        if made.desk and made.desk.answer:
            assert finish(made.desk.verify()) == ""
            made.desk = None
