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


LIMITS = """
import resource
from sabotnb.cluster.process import MOST_DESCRIPTORS, raise_descriptor_limit
hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 2000)
resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
raise_descriptor_limit()
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
raise_descriptor_limit()
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
"""


def test_a_process_may_have_as_many_descriptors_as_the_system_allows():
    subprocess.run([sys.executable, "-c", LIMITS], check=True)


def test_a_worker_may_have_children_and_more_descriptors(cluster):
    def look():
        import multiprocessing
        import resource

        return multiprocessing.current_process().daemon, resource.getrlimit(resource.RLIMIT_NOFILE)

    for daemon, (soft, hard) in cluster.client.run(look).values():
        assert not daemon
        assert soft == min(hard, 65_536)
