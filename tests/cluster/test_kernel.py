"""The synchronous client inside a real notebook kernel."""

import pytest
from jupyter_client.manager import start_new_kernel

pytestmark = pytest.mark.cluster

START = """
from sabotnb.cluster import local_cluster, submit_job, Task
cluster = local_cluster(2, 2)
"""

RUN = """
def double(data):
    return 2 * data
job = submit_job(cluster.jobs, "cells", [Task(str(n), "python", double, data=n) for n in range(5)])
print([result.value for result in job.results()])
"""

AWAIT = """
job = submit_job(cluster.jobs, "cells", [Task(str(n), "python", double, data=n) for n in range(3)])
print([result.value for result in await job])
"""


@pytest.fixture(scope="module")
def kernel():
    manager, client = start_new_kernel()
    yield client
    client.stop_channels()
    manager.shutdown_kernel()


def printed(kernel, code):
    """What a cell prints; AssertionError with its traceback if it raises."""
    texts = []

    def take(message):
        content = message["content"]
        assert message["msg_type"] != "error", "\\n".join(content.get("traceback", ()))
        if content.get("name") == "stdout":
            texts.append(content["text"])

    kernel.execute_interactive(code, output_hook=take, timeout=60)
    return "".join(texts)


def test_cells_run_jobs(kernel):
    assert printed(kernel, START) == ""
    assert printed(kernel, RUN) == "[0, 2, 4, 6, 8]\n"
    assert printed(kernel, AWAIT) == "[0, 2, 4]\n"
    assert printed(kernel, "cluster.close()") == ""
