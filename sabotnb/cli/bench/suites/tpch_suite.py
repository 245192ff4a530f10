"""TPC-H: ten of its 22 queries over tables of the public generator (tpchgen-cli), validation parameters.

The ten cover the shapes: Q1 one large aggregate, Q3 join and top ten, Q5 and Q9 joins of six tables, Q6 filters alone,
Q7 two meetings with one small table, Q12 conditional sums, Q13 an outer join, Q18 a group per order,
Q21 existence and its opposite. All 22 can be expressed; left out for time are those whose shape is there already:
Q4, Q16, Q20, Q22 (existence, as Q21), Q8, Q10 (joins, as Q5), Q14, Q19 (one join, as Q12), and Q2, Q11, Q15, Q17
(an aggregate that is joined back, as in Q18).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from sabotnb.cli.bench.compare.ordinary_files import rows_per_file, sliced, write_table
from sabotnb.cli.bench.compare.suite import FileKind, QueryCase, Suite
from sabotnb.errors import EnvError

GENERATOR = "tpchgen-cli"
FILES = {
    "lineitem": 40,
    "orders": 20,
    "partsupp": 20,
    "customer": 20,
    "part": 20,
    "supplier": 1,
    "nation": 1,
    "region": 1,
}


def generator() -> str | None:
    """The path of the data generator, if it is installed."""
    return shutil.which(GENERATOR) or shutil.which(GENERATOR, path=str(Path(sys.executable).parent))


def _write(folder: Path, scale: float, kind: FileKind) -> None:
    """Generate with ``tpchgen-cli``, then let the writer of ``kind`` write the files that are read."""
    program = generator()
    if program is None:
        raise EnvError(f"TPC-H data are made by {GENERATOR}, which is not installed: pip install {GENERATOR}")
    with tempfile.TemporaryDirectory(prefix="sabotnb-tpch-") as made:
        command = [program, "parquet", "-s", f"{scale:g}", "-o", made]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        for name, files in FILES.items():
            with pq.ParquetFile(Path(made) / f"{name}.parquet") as file:
                rows = rows_per_file(file.metadata.num_rows, files)
                write_table(folder / name, sliced(file.iter_batches(), rows), kind)


SUITE = Suite(
    name="tpch",
    cases=(
        QueryCase("Q1", "pricing summary", ("lineitem",), weight=2),
        QueryCase("Q3", "shipping priority", ("customer", "orders", "lineitem")),
        QueryCase("Q5", "local supplier volume", ("customer", "orders", "lineitem", "supplier", "nation", "region")),
        QueryCase("Q6", "forecast revenue change", ("lineitem",)),
        QueryCase("Q7", "volume shipping", ("supplier", "lineitem", "orders", "customer", "nation")),
        QueryCase(
            "Q9", "product type profit", ("part", "supplier", "lineitem", "partsupp", "orders", "nation"), weight=2
        ),
        QueryCase("Q12", "shipping modes and priority", ("orders", "lineitem")),
        QueryCase("Q13", "customer distribution", ("customer", "orders")),
        QueryCase("Q18", "large volume customers", ("customer", "orders", "lineitem"), weight=2),
        QueryCase("Q21", "suppliers who kept orders waiting", ("supplier", "lineitem", "orders", "nation"), weight=2),
    ),
    queries={
        "sabotnb": "sabotnb.cli.bench.suites.tpch_streams",
        "polars": "sabotnb.cli.bench.suites.tpch_polars",
        "duckdb": "sabotnb.cli.bench.suites.tpch_sql",
    },
    write=_write,
    size=1,
    unit="scale",
    kind="duckdb-snappy",
    version=1,
)
