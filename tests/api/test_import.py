"""What ``import sabotnb`` costs: a notebook that only looks at names loads nothing heavy."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sabotnb as sb

HEAVY = ("dask", "distributed", "pandas", "polars", "ipywidgets", "pyarrow.dataset", "pyarrow.acero")


def loaded_after(code: str) -> set[str]:
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("code", ["import sabotnb", "import sabotnb as sb; sb.col; sb.Stream; sb.local; sb.count"])
def test_names_load_nothing_heavy(code: str) -> None:
    assert loaded_after(code).isdisjoint(HEAVY)


def test_importing_loads_next_to_nothing() -> None:
    assert loaded_after("import sabotnb").isdisjoint({"numpy", "pyarrow", "asyncio"})


def test_describing_loads_nothing_heavy(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    stream = (
        f"sb.Stream.from_parquet({str(tmp_path / 'a.parquet')!r}).filter(col('a') > 0).group_by('a').agg(n=sb.count())"
    )
    assert loaded_after(f"import sabotnb as sb; from sabotnb import col; {stream}").isdisjoint(HEAVY)


def test_every_public_name_exists() -> None:
    assert [name for name in sb.__all__ if getattr(sb, name, None) is None] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'locla'"):
        _ = sb.locla  # type: ignore[attr-defined]
