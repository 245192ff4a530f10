import subprocess
import sys

import pytest

CALL = "from sabotnb.cluster.main_guard import check_main_guard\n"

GUARDED = {
    "in the guard": CALL + "if __name__ == '__main__':\n    check_main_guard()\n    print('ok')\n",
    "in a function called from the guard": CALL
    + "def main():\n    check_main_guard()\n    print('ok')\n\nif __name__ == '__main__':\n    main()\n",
    "from another thread": CALL
    + "import threading\nthread = threading.Thread(target=lambda: (check_main_guard(), print('ok')))\n"
    + "thread.start()\nthread.join()\n",
    "in a cell, which is compiled alone": CALL
    + "def cell():\n    check_main_guard()\n    print('ok')\n\n"
    + "code = compile('\\n\\n' + 'check_main_guard()\\nprint(\"ok\")', __file__, 'exec')\n"
    + "if True:\n    exec(code)\n",
    "in a cell that has no file": CALL + "exec(compile('check_main_guard(); print(\"ok\")', 'cell-1', 'exec'))\n",
}

BARE = {
    "at the top": CALL + "check_main_guard()\n",
    "in a function called from the top": CALL + "def main():\n    check_main_guard()\n\n\nmain()\n",
    "under another if": CALL + "import sys\nif sys.argv:\n    check_main_guard()\n",
}


def run(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("script", GUARDED.values(), ids=GUARDED)
def test_guarded_scripts_pass(tmp_path, script):
    path = tmp_path / "job.py"
    path.write_text(script)
    assert run(str(path)).stdout == "ok\n"


@pytest.mark.parametrize("script", BARE.values(), ids=BARE)
def test_bare_scripts_are_told_what_to_write(tmp_path, script):
    path = tmp_path / "job.py"
    path.write_text(script)
    told = run(str(path)).stderr
    assert f"{path}, line {len(script.splitlines())} starts worker processes outside of a guard" in told
    assert 'if __name__ == "__main__":\n        main()' in told
    assert "sb.local(detached=True)" in told


def test_a_command_line_needs_no_guard():
    assert run("-c", CALL + "check_main_guard(); print('ok')").stdout == "ok\n"


def test_a_spawned_process_that_imports_the_script_is_told_too(tmp_path):
    path = tmp_path / "job.py"
    path.write_text(
        "import multiprocessing\n"
        + CALL
        + "if __name__ != '__main__':\n    check_main_guard()\n"
        + "if __name__ == '__main__':\n"
        + "    process = multiprocessing.get_context('spawn').Process(target=print)\n"
        + "    process.start()\n    process.join()\n"
    )
    assert "was called while a worker process imported the script" in run(str(path)).stderr
