"""What needs an optional package that is not installed says so where it is written, and how to install it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sabotnb import extras

STREAM = "sb.Stream.from_rows([{'x': 1}])"
NEEDS = [
    ("polars", f"{STREAM}.to_polars()", "to_polars() needs polars", "polars"),
    ("polars", f"{STREAM}.map_batches(len, format='polars')", "format='polars' needs polars", "polars"),
    ("numba", "sb.udf('double', engine='numba')(abs)", "engine='numba' of abs needs numba", "numba"),
    ("datasketches", "sb.col('x').approx_n_unique()", "approx_n_unique() needs datasketches", "sketches"),
    ("datasketches", "sb.col('x').approx_quantile(0.5)", "approx_quantile() needs datasketches", "sketches"),
]


def said(package: str, code: str) -> str:
    """The last line of what Python says of ``code`` without ``package``."""
    script = f"import sys; sys.modules[{package!r}] = None; import sabotnb as sb; print({code})"
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    return (done.stderr or done.stdout).splitlines()[-1]


@pytest.mark.parametrize(("package", "code", "needs", "extra"), NEEDS, ids=[code for _, code, _, _ in NEEDS])
def test_a_missing_package_is_named_with_its_extra(package: str, code: str, needs: str, extra: str) -> None:
    assert said(package, code) == (
        f"sabotnb.errors.ModuleMissing: {needs}, which is not installed; run pip install 'sabotnb[{extra}]'"
    )


def test_doctor_lists_missing_packages() -> None:
    assert said("polars", "sb.doctor()") == (
        "  - polars, for to_polars() and format='polars': pip install 'sabotnb[polars]'"
    )


def test_every_extra_is_in_pyproject() -> None:
    declared = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    for package, (_, extra) in extras.USES.items():
        assert any(package in requirement for requirement in declared["optional-dependencies"][extra])
