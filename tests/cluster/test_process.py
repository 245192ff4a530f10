import os
import subprocess
import sys

import pytest

MAPPED_COLUMNS = """
import resource
import numpy as np
from sabotnb.cluster.process import keep_freed_memory
keep_freed_memory()
for _ in range(100):
    np.ones(65_536)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""
PAGES = 65_536 * 8 // 4096


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_a_column_reuses_the_memory_of_the_one_before():
    environment = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"}  # what Dask's nanny sets
    faults = {}
    for code in (MAPPED_COLUMNS, MAPPED_COLUMNS.replace("range(100)", "range(1)")):
        run = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
        faults[code] = int(run.stdout)
    many, one = faults.values()
    assert many - one < 20 * PAGES
