"""What jobs are called that were given no name."""

import pytest

from sabotnb.api import job_naming

ADDRESS = "vscode-notebook-cell:/home/me/a.ipynb#W"


class Shell:
    """An IPython in which a test says which cell runs, and how often cells have run."""

    def __init__(self) -> None:
        self.cell = ""
        self.execution_count = 0

    def runs(self, cell: str) -> str:
        """Name of a job in the next run of ``cell``."""
        self.cell = cell
        self.execution_count += 1
        return job_naming.job_name()


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Shell:
    shell = Shell()
    monkeypatch.setattr(job_naming, "running_shell", lambda: shell)
    monkeypatch.setattr(job_naming, "cell_id", lambda: shell.cell)
    monkeypatch.setattr(job_naming, "_given", {})
    return shell


@pytest.mark.parametrize(
    "cells",
    [
        (f"{ADDRESS}0sZmlsZQ%3D%3D", f"{ADDRESS}1sZmlsZQ%3D%3D"),
        ("quickstart-load", "quickstart-plot"),
        ("1f0c7a64-9d0e-4a53-8a1e-6f4a2f0d9b11", "2f0c7a64-9d0e-4a53-8a1e-6f4a2f0d9b11"),
        ("a1b2c3d4", "a1b2c3d5"),
    ],
)
def test_every_cell_has_a_name_of_its_own_that_stays(shell: Shell, cells: tuple[str, str]) -> None:
    names = [shell.runs(cell) for cell in (*cells, *cells)]
    assert names[:2] == names[2:]
    assert len(set(names)) == 2
    assert all(len(name) == len("cell-a1b2c3d4") for name in names)


def test_a_random_id_is_recognised_in_the_name(shell: Shell) -> None:
    assert shell.runs("1f0c7a64-9d0e-4a53-8a1e-6f4a2f0d9b11") == "cell-1f0c7a64"


def test_a_second_job_of_the_same_run_is_numbered(shell: Shell) -> None:
    first = shell.runs("a1b2c3d4")
    assert job_naming.job_name() == f"{first}-2"
    assert shell.runs("a1b2c3d4") == first
