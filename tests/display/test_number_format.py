"""The same cases as widgets/src/format.test.ts: a card and a widget format numbers alike."""

import pytest

from sabotnb.display import number_format


@pytest.mark.parametrize(
    ("write", "value", "written"),
    [
        (number_format.count, 0, "0"),
        (number_format.count, 336_776, "336,776"),
        (number_format.count, 12_345_678, "12.3M"),
        (number_format.short, 9_999, "9,999"),
        (number_format.short, 269_712, "269.7k"),
        (number_format.short, 999_999, "1.000M"),
        (number_format.short, 12_345_678, "12.35M"),
        (number_format.rate, 0, "0/s"),
        (number_format.rate, 0.4, "0.4/s"),
        (number_format.rate, 3.0, "3/s"),
        (number_format.rate, 310.4, "310/s"),
        (number_format.rate, 41_234, "41.2k/s"),
        (number_format.rate, 412_345, "412k/s"),
        (number_format.size, 512, "512 B"),
        (number_format.size, 1234, "1.2 kB"),
        (number_format.size, 34_500_000, "34.5 MB"),
        (number_format.seconds, 0.0031, "3 ms"),
        (number_format.seconds, 1.44, "1.4 s"),
        (number_format.seconds, 42.2, "42 s"),
        (number_format.seconds, 60, "1 min"),
        (number_format.seconds, 751, "12 min 31 s"),
        (number_format.seconds, 11_520, "3 h 12 min"),
        (number_format.seconds, 187_200, "2 d 4 h"),
        (number_format.ago, -0.2, "0 s ago"),
        (number_format.ago, 8.4, "8 s ago"),
        (number_format.ago, 65, "1 min 5 s ago"),
        (number_format.share, 0.958, "96 %"),
    ],
)
def test_numbers_are_formatted_as_in_the_widget(write, value, written):
    assert write(value) == written
