"""Job stores that are open in processes of their own, which tests stop, kill and ask.

Run as a program, it imports the store once and forks the processes, which is quick enough for fifty of them.
"""

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

from sabotnb.errors import SabotnbError, StoreUnavailable
from sabotnb.job_store import JobStore


class StoreProcess:
    """A process with an open store."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.pid = connection.recv()
        self._ended = os.pidfd_open(self.pid)

    def tell(self, method: str, *arguments) -> None:
        """Let it call a method of its store; ``answer`` returns the result."""
        self._connection.send((method, arguments))

    def answer(self):
        """The result of the call that was told first; raises what it raised."""
        result = self._connection.recv()
        if isinstance(result, SabotnbError):
            raise result
        return result

    def ask(self, method: str, *arguments):
        self.tell(method, *arguments)
        return self.answer()

    def signal(self, number: int) -> None:
        signal.pidfd_send_signal(self._ended, number)
        if number == signal.SIGKILL:
            select.select([self._ended], [], [])

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        os.close(self._ended)
        self._connection.close()


@contextmanager
def store_processes(url: str, count: int) -> Iterator[list[StoreProcess]]:
    """Processes that open the store at once."""
    with tempfile.TemporaryDirectory() as folder, Listener(f"{folder}/socket") as listener:
        command = [sys.executable, str(Path(__file__)), listener.address, url, str(count)]
        with subprocess.Popen(command, start_new_session=True) as parent:
            processes = [StoreProcess(listener.accept()) for _ in range(count)]
            try:
                for process in processes:
                    process.tell("runs")
                for process in processes:
                    process.answer()
                yield list(processes)
            finally:
                for process in processes:
                    process.end()
                parent.wait()


def _serve(connection: Connection, url: str) -> None:
    connection.send(os.getpid())
    store = None
    while True:
        method, arguments = connection.recv()
        result = None
        while result is None:
            try:
                store = store or JobStore.open(url)
                result = (getattr(store, method)(*arguments),)
            except StoreUnavailable:  # fifty others held it for ten seconds: ask again, as a scheduler does
                continue
            except SabotnbError as error:
                result = (error,)
        connection.send(*result)


def _fork(address: str, url: str, count: int) -> None:
    for _ in range(count):
        if os.fork() == 0:
            try:
                with Client(address) as connection:
                    _serve(connection, url)
            finally:
                os._exit(0)  # what other threads of the parent held is never released here
    for _ in range(count):
        os.wait()


if __name__ == "__main__":
    _fork(sys.argv[1], sys.argv[2], int(sys.argv[3]))
