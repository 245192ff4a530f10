"""As widgets/src/format.test.ts has them: a card and a widget write numbers alike."""

import pytest

from sabotnb.display import figures


@pytest.mark.parametrize(
    ("write", "value", "written"),
    [
        (figures.count, 0, "0"),
        (figures.count, 336_776, "336,776"),
        (figures.count, 12_345_678, "12.3M"),
        (figures.short, 9_999, "9,999"),
        (figures.short, 269_712, "269.7k"),
        (figures.short, 999_999, "1.000M"),
        (figures.short, 12_345_678, "12.35M"),
        (figures.rate, 0, "0/s"),
        (figures.rate, 0.4, "0.4/s"),
        (figures.rate, 3.0, "3/s"),
        (figures.rate, 310.4, "310/s"),
        (figures.rate, 41_234, "41.2k/s"),
        (figures.rate, 412_345, "412k/s"),
        (figures.size, 512, "512 B"),
        (figures.size, 1234, "1.2 kB"),
        (figures.size, 34_500_000, "34.5 MB"),
        (figures.seconds, 0.0031, "3 ms"),
        (figures.seconds, 1.44, "1.4 s"),
        (figures.seconds, 42.2, "42 s"),
        (figures.seconds, 60, "1 min"),
        (figures.seconds, 751, "12 min 31 s"),
        (figures.seconds, 11_520, "3 h 12 min"),
        (figures.seconds, 187_200, "2 d 4 h"),
        (figures.share, 0.958, "96 %"),
    ],
)
def test_numbers_are_written_as_the_widget_writes_them(write, value, written):
    assert write(value) == written
