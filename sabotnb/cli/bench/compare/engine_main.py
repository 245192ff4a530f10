"""The process in which one engine runs: reads requests from stdin, writes one JSON line for each to stdout.

Every engine has a process of its own, so its threads, its CPU time and its memory are its own.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from typing import Any

import pyarrow as pa

from sabotnb.cli.bench.compare.engines import ENGINES, Answer, RunQuery, to_table
from sabotnb.cli.bench.compare.process_tree import cpu_seconds, peak_mb, reset_peaks
from sabotnb.cli.bench.compare.suite import load_queries


def main() -> None:
    """Serve the engine, suite and tables named by the first argument until stdin ends."""
    request = json.loads(sys.argv[1])
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever an engine prints must not be read as a reply
    queries = load_queries(request["suite"]).engine_queries(request["engine"])
    with ENGINES[request["engine"]].start(request["paths"], request["threads"]) as run:
        _reply(replies, {"cases": list(queries)})
        for line in sys.stdin:
            asked = json.loads(line)
            _reply(replies, _measured(run, queries[asked["case"]], asked["answer"]))


def _measured(run: RunQuery, query: Any, answer_path: str | None) -> dict[str, Any]:
    """Run the query once; the answer goes to ``answer_path``, after the measurement."""
    gc.collect()
    pid = os.getpid()
    reset_peaks(pid)
    cpu = cpu_seconds(pid)
    start = time.perf_counter()
    try:
        answer = run(query)
    except Exception as error:  # noqa: BLE001  an engine may fail in any way: that is a result
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}
    seconds = time.perf_counter() - start
    measured = {"seconds": seconds, "cpu_seconds": cpu_seconds(pid) - cpu, "peak_mb": peak_mb(pid)}
    if answer_path is not None:
        _save(answer, answer_path)
    return measured


def _save(answer: Answer, path: str) -> None:
    table = to_table(answer)
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _reply(replies: Any, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
