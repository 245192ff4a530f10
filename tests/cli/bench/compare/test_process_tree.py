import os
import subprocess
import sys
from pathlib import Path

import pytest

from sabotnb.cli.bench.compare.process_tree import cpu_seconds, kill, peak_mb, reset_peaks

BUSY = "import time\nwhile time.process_time() < 0.3: pass\n"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}]); print('done', flush=True); input()"


def test_the_time_of_children_counts_while_they_run_and_after():
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        parent.stdout.readline()
        assert cpu_seconds(parent.pid) >= 0.3
        parent.communicate("\n")
    assert cpu_seconds(parent.pid) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot reset a peak")
def test_a_peak_is_of_the_time_since_its_reset():
    block = bytearray(200_000_000)
    with_block = peak_mb(os.getpid())
    del block
    reset_peaks(os.getpid())
    assert peak_mb(os.getpid()) < with_block - 150


def test_a_process_ends_with_its_children():
    code = "import subprocess, sys; print(subprocess.Popen(['sleep', '600']).pid, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        child = int(parent.stdout.readline())
        kill(parent.pid)
        parent.wait()
    assert cpu_seconds(child) == 0 or not Path(f"/proc/{child}/exe").exists()
