"""The h2o questions as lazy frames of polars."""

from __future__ import annotations

import polars as pl
from polars import col

QUERIES = {
    "g1": lambda t: t.groups.group_by("id1").agg(col("v1").sum()),
    "g2": lambda t: t.groups.group_by("id1", "id2").agg(col("v1").sum()),
    "g3": lambda t: t.groups.group_by("id3").agg(col("v1").sum(), col("v3").mean()),
    "g4": lambda t: t.groups.group_by("id4").agg(col("v1", "v2", "v3").mean()),
    "g5": lambda t: t.groups.group_by("id6").agg(col("v1", "v2", "v3").sum()),
    "g6": lambda t: t.groups.group_by("id4", "id5").agg(
        col("v3").median().alias("median"), col("v3").std().alias("sd")
    ),
    "g7": lambda t: t.groups.group_by("id3").agg((col("v1").max() - col("v2").min()).alias("range")),
    "g8": lambda t: t.groups.group_by("id6").agg(col("v3").top_k(2).alias("largest2")).explode("largest2"),
    "g9": lambda t: t.groups.group_by("id2", "id4").agg((pl.corr("v1", "v2") ** 2).alias("r2")),
    "g10": lambda t: t.groups.group_by("id1", "id2", "id3", "id4", "id5", "id6").agg(
        col("v3").sum(), pl.len().alias("n")
    ),
    "j1": lambda t: t.x.join(t.small, on="id1"),
    "j2": lambda t: t.x.join(t.medium, on="id2"),
    "j3": lambda t: t.x.join(t.medium, on="id2", how="left"),
    "j4": lambda t: t.x.join(t.medium, on="id5"),
    "j5": lambda t: t.x.join(t.big, on="id3"),
}
