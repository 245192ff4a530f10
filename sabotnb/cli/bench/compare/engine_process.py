"""The benchmark's side of an engine's process: start it, ask it for runs, end it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sabotnb.cli.bench.compare import process_tree
from sabotnb.cli.bench.compare.engines import ENGINES

START_SECONDS = 120.0
END_SECONDS = 20.0


class EngineFailed(Exception):  # noqa: N818  says what happened, as those of sabotnb.errors do
    """An engine raised, died or gave no answer in time."""


@dataclass(frozen=True)
class TimedRun:
    """One run of a case: wall time, CPU time of all processes of the engine, their peak memory."""

    seconds: float
    cpu_seconds: float
    peak_mb: float | None


class EngineProcess:
    """An engine over the tables of one suite, in a process of its own. A context manager.

    The process starts at once; ``cases`` are known when it is ready.
    """

    cases: frozenset[str] = frozenset()

    def __init__(self, engine: str, suite: str, paths: Mapping[str, str], threads: int) -> None:
        self.engine = engine
        self._request = {"engine": engine, "suite": suite, "paths": dict(paths), "threads": threads}
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        variable = ENGINES[engine].variable
        self._environment = os.environ | ({variable: str(threads)} if variable else {})
        self._start()

    def _start(self) -> None:
        self._written = os.fstat(self._stderr.fileno()).st_size
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "sabotnb.cli.bench.compare.engine_main", json.dumps(self._request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=self._environment,
        )

    def wait_ready(self) -> None:
        """Wait until the engine has started; EngineFailed if it does not."""
        self.cases = frozenset(self._reply(START_SECONDS)["cases"])

    def run(self, case: str, timeout: float, answer: Path | None = None) -> TimedRun:
        """Run a case once; with ``answer`` write its answer to that file (Arrow IPC)."""
        if self._process.poll() is not None:
            self._start()
            self.wait_ready()
        assert self._process.stdin is not None
        asked = {"case": case, "answer": None if answer is None else str(answer)}
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        self._written = os.fstat(self._stderr.fileno()).st_size
        self._process.stdin.flush()
        reply = self._reply(timeout)
        if "error" in reply:
            raise EngineFailed(reply["error"])
        return TimedRun(**reply)

    def _reply(self, timeout: float) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        readable, _, _ = select.select([stdout], [], [], timeout)
        if not readable:
            self._kill()
            raise EngineFailed(f"no answer within {timeout:.0f} s")
        line = stdout.readline()
        if not line:
            self._kill()
            raise EngineFailed(f"the process ended with exit code {self._process.poll()}{self._last_words()}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _last_words(self) -> str:
        """The last line that the engine wrote to stderr since the request."""
        written = os.pread(self._stderr.fileno(), 1 << 20, self._written)
        lines = written.decode(errors="replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    def _kill(self) -> None:
        process_tree.kill(self._process.pid)
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End of stdin ends the engine in its own way; what is left after that is killed."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._stderr.close()
