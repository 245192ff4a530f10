"""The files of a job are shared by the tasks of two processes, as far as each one gets."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cluster_jobs import collected, line, mapped, submit

from sabotnb import connectors
from sabotnb.graph import Operator

pytestmark = pytest.mark.cluster

FILES = 50


def test_a_task_that_is_stuck_in_its_first_file_leaves_the_others_to_the_other_task(cluster, tmp_path):
    files, pipe = tmp_path / "files", tmp_path / "pipe"
    files.mkdir()
    os.mkfifo(pipe)
    for number in range(FILES):
        pq.write_table(pa.table({"n": [number]}), files / f"{number:02}.parquet")

    def stuck(batch):
        (number,) = batch["n"].to_pylist()
        if number == 0:
            with pipe.open():  # until the other end is opened, by the task that reads the last file but one
                pass
        if number == FILES - 2:
            with pipe.open("w"):
                pass
        return batch.append_column("process", pa.array([os.getpid()], pa.int64()))

    schema = pa.schema({"n": pa.int64(), "process": pa.int64()})
    source = Operator("files", connectors.parquet(files))
    run = submit(cluster, "shared-files", line(source, mapped(stuck, schema), collected()))
    rows = run.table().sort_by("n")
    run.wait()
    processes = rows["process"].to_pylist()
    assert rows["n"].to_pylist() == list(range(FILES))
    assert [number for number, process in enumerate(processes) if process == processes[0]][:2] in ([0], [0, FILES - 1])
