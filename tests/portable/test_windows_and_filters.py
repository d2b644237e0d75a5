from firmware.core import filters, ranges, senml, windows
from firmware.core.windows import Window


def window(expected, *values):
    made = Window(expected)
    for value in values:
        made.add(value)
    return made


def test_a_window_holds_count_mean_and_extremes():
    made = window(4, 3, 1, 2, 6)
    assert (made.count, made.mean(), made.least, made.greatest) == (4, 3, 1, 6)
    made.reset()
    assert (made.count, made.mean(), made.least, made.greatest) == (0, None, None, None)


def test_three_quarters_of_the_samples_make_a_window_complete():
    assert not window(4).is_complete()
    assert not window(4, 1, 1).is_complete()
    assert window(4, 1, 1, 1).is_complete()
    assert not window(60, *[1] * 44).is_complete()
    assert window(60, *[1] * 45).is_complete()
    assert not window(0).is_complete()


def test_completeness_means_the_same_to_window_and_wire():
    for expected in (1, 2, 3, 4, 5, 60, 61):
        for count in range(expected + 2):
            made = window(expected, *[0] * count)
            assert made.is_complete() is not senml.is_gap(count, expected)


def test_windows_end_on_multiples_of_their_length():
    assert windows.end_of(1200, 600) == 1800
    assert windows.end_of(1799, 600) == 1800
    assert windows.end_of(1800, 600) == 2400


def test_a_long_window_of_pressures_keeps_its_hundredths():
    made = window(600, *[101325.25, 101325.75] * 300)
    assert abs(made.mean() - 101325.5) < 0.01


def test_the_range_gate_is_inclusive_and_refuses_no_numbers():
    for stream, (least, greatest) in ranges.GATES.items():
        assert filters.accept(stream, least)
        assert filters.accept(stream, greatest)
        assert not filters.accept(stream, least - 1)
        assert not filters.accept(stream, greatest + 1)
        assert not filters.accept(stream, float("nan"))
        assert not filters.accept(stream, float("inf"))
    assert not filters.accept("ozone", 1)


def test_every_stream_has_a_gate_and_a_unit():
    assert sorted(ranges.GATES) == sorted(senml.UNITS)
