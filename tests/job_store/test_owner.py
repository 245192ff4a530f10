"""A process is known to be gone by its pid and its start, which no change of a clock moves."""

import os
import subprocess
import sys
from dataclasses import replace

from sabotnb.job_store.owner import new_owner, process_start


def test_an_owner_is_alive_until_it_ends():
    owner = new_owner()
    assert not owner.gone
    owner.end()
    assert owner.gone


def test_a_process_that_has_ended_is_gone_also_before_it_is_reaped():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        owner = replace(new_owner(), id="other", pid=process.pid, process_start=process_start(process.pid))
        assert not owner.gone
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert owner.gone  # a zombie
    assert owner.gone


def test_a_later_process_with_the_same_pid_is_another_one():
    owner = replace(new_owner(), process_start="1")
    assert owner.gone


def test_an_owner_on_another_machine_may_be_alive():
    assert not replace(new_owner(), machine="elsewhere", pid=0).gone
