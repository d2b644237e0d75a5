"""Whatever is typed at a locked console, it opens nothing, fails in nothing and keeps no more."""

from hypothesis import example, given
from hypothesis import strategies as st

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
    made = lock.Lock("240ac4fffe000001", KEYS, bytes)
    size = len(made._line)
    for now_s, byte in enumerate(typed):
        if made.take(byte):
            made.said = ""
            for _ in made.hear(now_s * 9):
                pass
            assert not made.said or made.said.startswith(
                ("locked to anna", "challenge ", "wait ", "refused")
            )
            assert made.said.isprintable()
    assert not made.opened
    assert len(made._line) == size
