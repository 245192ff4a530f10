"""A checkout whose kernels are not built says how to build them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = [["-c", "from sabotnb import col"], ["-m", "sabotnb", "doctor"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_kernels_that_are_not_built_are_named(command: list[str], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sabotnb", tmp_path / "sabotnb", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(ROOT / "setup.py", tmp_path)
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        f"the compiled kernels of sabotnb are not built; run in {tmp_path}: python setup.py build_ext --inplace"
    )
