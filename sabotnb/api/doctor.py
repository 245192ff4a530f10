"""``sb.doctor()``: find what this machine or the open env lacks to run jobs, and say what to do about it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from sabotnb import extras
from sabotnb.api import env as envs

SHOWN = ("sabotnb", "pyarrow", "dask", "distributed")


@dataclass(frozen=True, slots=True)
class Checkup:
    """The result of ``doctor``. ``problems`` each end with what to do; ``missing`` lists optional packages."""

    facts: tuple[str, ...]
    problems: tuple[str, ...]
    missing: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.problems

    def __repr__(self) -> str:
        problems = [f"  ! {problem}" for problem in self.problems] or ["  no problems found"]
        optional = [f"  {len(self.missing)} optional packages are missing:"] if self.missing else []
        return "\n".join([*self.facts, *problems, *optional, *(f"  - {extra}" for extra in self.missing)])


def doctor() -> Checkup:
    """Check this machine, and the newest env if one is open. It asks the cluster, so it may take a second."""
    problems = list(_of_this_process())
    env = envs.current()
    if env is not None:
        problems += [str(finding) for finding in env.check()]
    return Checkup(tuple(_facts(env)), tuple(problems), tuple(_missing()))


def _facts(env: envs.Env | None) -> Iterator[str]:
    packages = ", ".join(f"{name} {_version(name)}" for name in SHOWN)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    yield f"Python {platform.python_version()} on {machine}; {packages}"
    yield repr(env) if env is not None else "no env is open: sb.local() starts one"


def _of_this_process() -> Iterator[str]:
    try:
        import sabotnb.native  # noqa: F401  tests whether it can be imported
    except ImportError as error:
        yield f"the compiled kernels cannot be loaded ({error}): pip install --force-reinstall sabotnb"
    if (os.cpu_count() or 1) < 2:
        yield "this machine has one core, so tasks take turns: give it more, or expect no speed-up"


def _missing() -> Iterator[str]:
    for package in extras.missing():
        yield f"{package}, for {extras.USES[package][0]}: {extras.remedy(package)}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "is missing"
