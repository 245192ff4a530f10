"""The h2o questions as streams of sabotnb."""

from __future__ import annotations

from typing import Any

import sabotnb as sb
from sabotnb import col
from sabotnb.cli.bench.compare.engines import OpenTables


def _sums(*columns: str) -> dict[str, Any]:
    return {name: col(name).sum() for name in columns}


def _means(*columns: str) -> dict[str, Any]:
    return {name: col(name).mean() for name in columns}


def _regression(t: OpenTables[sb.Stream]) -> sb.Stream:
    """There is no correlation aggregate yet: it is calculated from sums."""
    x, y = col("v1").cast("double"), col("v2").cast("double")
    moments = (
        t.groups.with_columns(x=x, y=y)
        .with_columns(xx=col("x") * col("x"), yy=col("y") * col("y"), xy=col("x") * col("y"))
        .group_by("id2", "id4")
        .agg(n=sb.count(), **_sums("x", "y", "xx", "yy", "xy"))
    )
    covariance = col("n") * col("xy") - col("x") * col("y")
    variances = (col("n") * col("xx") - col("x") * col("x")) * (col("n") * col("yy") - col("y") * col("y"))
    return moments.select("id2", "id4", r2=covariance * covariance / variances)


QUERIES = {
    "g1": lambda t: t.groups.group_by("id1").agg(**_sums("v1")),
    "g2": lambda t: t.groups.group_by("id1", "id2").agg(**_sums("v1")),
    "g3": lambda t: t.groups.group_by("id3").agg(**_sums("v1"), **_means("v3")),
    "g4": lambda t: t.groups.group_by("id4").agg(**_means("v1", "v2", "v3")),
    "g5": lambda t: t.groups.group_by("id6").agg(**_sums("v1", "v2", "v3")),
    "g6": lambda t: t.groups.group_by("id4", "id5").agg(median=col("v3").quantile(0.5), sd=col("v3").std()),
    "g7": lambda t: (
        t.groups.group_by("id3")
        .agg(most=col("v1").max(), least=col("v2").min())
        .select("id3", range=col("most") - col("least"))
    ),
    "g8": lambda t: t.groups.group_by("id6").top(2, by="v3").select("id6", largest2=col("v3")),
    "g9": _regression,
    "g10": lambda t: t.groups.group_by("id1", "id2", "id3", "id4", "id5", "id6").agg(n=sb.count(), **_sums("v3")),
    "j1": lambda t: t.x.join(t.small, on="id1"),
    "j2": lambda t: t.x.join(t.medium, on="id2"),
    "j3": lambda t: t.x.join(t.medium, on="id2", how="left"),
    "j4": lambda t: t.x.join(t.medium, on="id5"),
    "j5": lambda t: t.x.join(t.big, on="id3"),
}
