"""Approximate aggregates with Apache DataSketches: mergeable, with a bounded size per key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sabotnb.errors import ModuleMissing
from sabotnb.native import hash_rows
from sabotnb.state.objects import without_nulls
from sabotnb.state.values import doubles

LG_K = 12
"""Registers of a HyperLogLog sketch as a power of two: relative error about 1.6 %."""

KLL_K = 800
"""Size of a KLL sketch: rank error about 0.4 %, enough for a 99th percentile."""


def _datasketches(what: str) -> Any:
    try:
        import datasketches
    except ImportError as error:
        raise ModuleMissing(f"{what} needs datasketches on every agent: pip install 'sabotnb[sketches]'") from error
    return datasketches


class DistinctSketch:
    """HyperLogLog over the hashes of values.

    P. Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm", AofA 2007.
    """

    def __init__(self) -> None:
        self._lib = _datasketches("approx_n_unique")

    def make(self) -> Any:
        return self._lib.hll_sketch(LG_K, self._lib.tgt_hll_type.HLL_8)

    def copy(self, target: Any) -> Any:
        return self.restore(self.dump(target))

    def add(self, target: Any, values: pa.Array) -> None:
        values = without_nulls(values)
        if len(values):
            for value in np.unique(hash_rows([values]).to_numpy().view(np.int64)).tolist():
                target.update(value)

    def merge(self, target: Any, other: Any) -> Any:
        union = self._lib.hll_union(LG_K)
        union.update(target)
        union.update(other)
        return union.get_result(self._lib.tgt_hll_type.HLL_8)

    def dump(self, target: Any) -> bytes:
        return bytes(target.serialize_updatable())

    def restore(self, data: bytes) -> Any:
        return self._lib.hll_sketch.deserialize(data)

    def results(self, targets: Sequence[Any]) -> pa.Array:
        return pa.array([round(target.get_estimate()) for target in targets], pa.int64())


class QuantileSketch:
    """KLL over doubles; NaN counts as the largest value and is stored as infinity.

    Z. Karnin, K. Lang, E. Liberty, "Optimal quantile approximation in streams", FOCS 2016.
    """

    def __init__(self, q: float) -> None:
        self._q = q
        self._lib = _datasketches("approx_quantile")

    def make(self) -> Any:
        return self._lib.kll_doubles_sketch(KLL_K)

    def copy(self, target: Any) -> Any:
        return self.restore(self.dump(target))

    def add(self, target: Any, values: pa.Array) -> None:
        numbers = doubles(without_nulls(values)).to_numpy()
        if len(numbers):
            target.update(np.where(np.isnan(numbers), np.inf, numbers))

    def merge(self, target: Any, other: Any) -> Any:
        target.merge(other)
        return target

    def dump(self, target: Any) -> bytes:
        return bytes(target.serialize())

    def restore(self, data: bytes) -> Any:
        return self._lib.kll_doubles_sketch.deserialize(data)

    def results(self, targets: Sequence[Any]) -> pa.Array:
        return pa.array([None if t.is_empty() else t.get_quantile(self._q) for t in targets], pa.float64())
