"""Sessions from scripts: guarded processes, clusters that outlive their script, leaving a ``with`` block."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sabotnb.cluster import end_detached

pytestmark = pytest.mark.cluster

BLOCK = """
import sabotnb as sb

def main():
    with sb.local(workers=2):
        rows = sb.Stream.from_rows([{"x": x} for x in range(10)])
        rows.sink_parquet("out").run("script")
        sb.Stream.from_rate(10).run("endless")
        print(rows.agg(n=sb.count()).to_rows())

if __name__ == "__main__":
    main()
"""
UNGUARDED = """
import sabotnb as sb
sb.local(workers=1)
"""
FIRST = """
import sabotnb as sb
sb.local(workers=1, detached=True)
print(sb.Stream.from_rate(10).sink_live().run("outlives").run_id)
"""
SECOND = """
import sabotnb as sb
sb.local(workers=1, detached=True)
job = sb.attach("outlives")
print(job.run_id, job.status.state)
job.cancel()
"""


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(code)
    runtime = folder / "runtime"
    runtime.mkdir(exist_ok=True)
    env = {**os.environ, "XDG_RUNTIME_DIR": str(runtime)}
    call = [sys.executable, script]
    return subprocess.run(call, cwd=folder, env=env, capture_output=True, text=True, timeout=90, check=False)


def test_leaving_the_block_waits_for_its_bounded_jobs(tmp_path: Path) -> None:
    done = run(BLOCK, tmp_path)
    assert done.stdout == "[{'n': 10}]\n", done.stderr
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert len(list(tmp_path.glob("out/*.parquet"))) > 0


def test_a_script_without_a_guard_is_told_what_to_write(tmp_path: Path) -> None:
    done = run(UNGUARDED, tmp_path)
    assert "EnvError" in done.stderr
    assert 'if __name__ == "__main__":' in done.stderr


def test_a_detached_job_is_found_by_the_next_session(tmp_path: Path) -> None:
    try:
        first = run(FIRST, tmp_path)
        second = run(SECOND, tmp_path)
    finally:
        end_detached(tmp_path / "runtime" / "sabotnb")
    assert second.stdout == f"{first.stdout.strip()} RUNNING\n", first.stderr + second.stderr


UNCOMMITTED = """
import sabotnb as sb

def main():
    env = sb.local(workers=1)
    job = sb.Stream.from_rate(1_000).sink_parquet("out").run("endless")
    sb.Stream.from_rate(10).run("shown")
    while not job.status.rows_out:
        job.wait_changed(0.1)
    {leave}

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize("leave", ["env.close()", "with env: pass", "pass"])
def test_leaving_a_cluster_warns_of_rows_that_are_lost_with_it(tmp_path: Path, leave: str) -> None:
    done = run(UNCOMMITTED.replace("{leave}", leave), tmp_path)
    assert done.returncode == 0
    warned = [line for line in done.stderr.splitlines() if "were not committed" in line]
    assert len(warned) == 1
    assert "job 'endless' was RUNNING when its cluster was closed" in warned[0]
    assert warned[0].endswith("To keep them, call job.stop() and job.wait() before env.close()")


def test_leaving_a_cluster_says_nothing_of_jobs_that_go_on_or_have_committed(tmp_path: Path) -> None:
    stopped = run(UNCOMMITTED.replace("{leave}", "job.stop(); job.wait()"), tmp_path)
    assert "were not committed" not in stopped.stderr
