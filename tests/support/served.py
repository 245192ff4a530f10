"""Run a notebook server as a separate process, and a browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-proxy-server", "--font-render-hinting=none")
START = 60.0
"""Seconds that a server may take to start or stop."""


def chromium() -> str | None:
    """Return the path of the browser, which ``.ci/system-packages`` installs; None if there is none."""
    return next(filter(None, (shutil.which(name) for name in BROWSERS)), None)


@contextmanager
def browser() -> Iterator[Browser]:
    """Run Chromium without a window."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        try:
            yield launched
        finally:
            launched.close()


class Served:
    """A process of ``python -m <module> <options>`` that prints its address when it is ready."""

    def __init__(
        self, module: str, options: Sequence[str], address: re.Pattern[str], environment: Mapping[str, str]
    ) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self._module = module
        self._address = address
        self._log: list[str] = []
        self._url: str | None = None
        self._settled = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *options],
            env=inherited | dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._log.append(line)
            if self._url is None and (match := self._address.search(line)):
                self._url = match.group()
                self._settled.set()
        self._settled.set()

    def address(self) -> str:
        """Wait until the server is ready; returns its address."""
        self._settled.wait(START)
        if self._url is None:
            raise RuntimeError(f"{self._module} did not start:\n" + "".join(self._log))
        return self._url

    def stop(self) -> None:
        """Terminate the server and wait, so that it ends its kernels."""
        self._process.terminate()
        self._process.wait(START)
        self._reader.join()
