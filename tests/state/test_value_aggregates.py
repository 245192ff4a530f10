import math

import numpy as np
import pyarrow as pa
import pytest

from sabotnb.state.value_aggregates import quantile

INF = math.inf


@pytest.mark.parametrize(
    ("values", "q", "expected"),
    [
        ([INF, INF], 0.5, INF),
        ([-INF, -INF, 1.0], 0.25, -INF),
        ([-INF, 1.0], 0.5, -INF),
        ([1.0, INF], 0.5, INF),
        ([-INF, INF], 0.5, math.nan),
        ([-1.7e308, 1.7e308], 0.5, 0.0),
        ([1.0, 2.0, INF], 0.5, 2.0),
        ([1.0, 2.0], 0.25, 1.25),
        ([], 0.5, None),
    ],
)
def test_quantiles_between_infinities(values: list[float], q: float, expected: float | None):
    (found,) = quantile(q)(pa.array(values, pa.float64()), np.array([0, len(values)])).to_pylist()
    assert found == pytest.approx(expected, nan_ok=True)
