import io
import json

import pytest
from rich.console import Console

from sabotnb.cli.bench.recovery.recovery_plan import RecoveryPlan, cases, measure

KEYS = 2000
FIGURES = {
    "writes": {"state change, median", "checkpoint, median"},
    "cut of 2,000 keys": {"pause", "longest batch behind the cut / median", "state file"},
    "restore of 2,000 keys": {"restore", "savepoint"},
    "edit at 2,000 keys": {"edit"},
    "SIGKILL": {"first new result", "caught up"},
    "throughput at 2,000 keys": {"throughput lost", "checkpoints stored"},
}
SLOW = {"SIGKILL", "throughput at 2,000 keys"}


def measured(folder, only, **more):
    """The result, printed text and JSON object of one case at a tiny size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        text, lines = io.StringIO(), folder / "lines.json"
        plan = RecoveryPlan(keys=(KEYS,), only=only, repeat=1, rows_per_second=1000, **more)
        (result,) = measure(plan, lines, Console(file=text, width=200))
        left = list((folder / "sabotnb").iterdir())
    assert left == []
    return result, text.getvalue(), json.loads(lines.read_text())


@pytest.mark.cluster
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in FIGURES]
)
def test_each_case_has_its_figures_and_leaves_no_file(tmp_path, name):
    result, text, line = measured(tmp_path, name)
    assert (result.status, result.detail, line["status"], line["runs"]) == ("ok", "", "ok", 1)
    found = {measurement["name"]: measurement for measurement in line["measurements"]}
    assert FIGURES[name] <= found.keys()
    for measurement in found.values():
        assert measurement["values"] == [measurement["median"]]
        assert measurement["reached"] == (
            None if measurement["most"] is None else measurement["median"] <= measurement["most"]
        )
    assert all(f" {measurement} " in text for measurement in found)


def test_there_is_a_case_for_each_size(tmp_path):
    names = [case.name for case in cases(RecoveryPlan(), tmp_path)]
    assert names == [
        "writes",
        "SIGKILL",
        "SIGSTOP",
        "throughput at 1,000,000 keys",
        "cut of 1,000,000 keys",
        "cut of 10,000,000 keys",
        "restore of 1,000,000 keys",
        "restore of 10,000,000 keys",
        "edit at 1,000,000 keys",
    ]


def test_a_case_without_time_is_not_run_and_says_so(tmp_path):
    result, text, line = measured(tmp_path, "SIGSTOP", minutes=0)
    assert (result.status, line["status"], line["measurements"]) == ("not run", "not run", [])
    assert "SIGSTOP: the time was over; give more --minutes" in text
