"""The command line as a shell starts it."""

import subprocess
import sys

import sabotnb as sb


def ran(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], check=False, capture_output=True, text=True)


def test_the_version_is_that_of_the_module() -> None:
    assert ran("-m", "sabotnb", "--version").stdout == f"sabotnb {sb.__version__}\n"


def test_the_module_is_the_command_line() -> None:
    done = ran("-m", "sabotnb", "doctor")
    assert done.returncode == 0
    assert "no problems found" in done.stdout


def test_the_demo_asks_for_duckdb_before_it_runs_a_job() -> None:
    code = "import sys; sys.modules['duckdb'] = None; from sabotnb.cli import app; app(['demo', '--quiet'])"
    done = ran("-c", code)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "the demo, which compares its output with DuckDB's, needs duckdb, which is not installed; "
        "run pip install 'sabotnb[demo]'\n"
    )


def test_worker_processes_import_the_module_without_running_the_command_line() -> None:
    done = ran("-c", "import runpy; runpy.run_module('sabotnb', run_name='__mp_main__')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
