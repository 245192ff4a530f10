import pytest

from sabotnb.cli.bench.recovery.case_measurements import Measurement, medians


@pytest.mark.parametrize(
    ("values", "most", "median", "verdict"),
    [
        ([3.0, 9.0, 4.0], 4.0, 4.0, "reached"),
        ([3.0, 9.0, 6.0], 4.0, 6.0, "missed: 1.5 x"),
        ([3.0, 4.0], None, 3.5, ""),
    ],
)
def test_the_median_of_the_runs_decides_about_the_target(values, most, median, verdict):
    (measurement,) = medians([[Measurement("restore", value, "s", most)] for value in values])
    assert (measurement.median, measurement.verdict, measurement.values) == (median, verdict, tuple(values))
