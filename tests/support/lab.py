"""Run JupyterLab and Notebook 7 in a real Chromium, for browser tests and ``.ci/screenshot``.

One server serves both, as ``/lab/tree`` and ``/notebooks``. They have the same components, so one driver is enough.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page
from served import Served, browser

QUIET = {
    "apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false}',
    # a cell that is out of sight is laid out all the same
    "notebook-extension/tracker": '{"windowingMode": "none"}',
}
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+/lab\?token=\w+")
PATHS = {"lab": "lab/tree", "notebook": "notebooks"}
"""Path of notebooks in each application."""
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
"""Metadata of a notebook; without it Lab asks which kernel to use."""
CANCELED = "Canceled future for {} message before replies were done"
OWN_NOISE = {
    # Notebook 7 looks for the file browser that only Lab has
    "Cannot read properties of undefined (reading 'schema')",
    "Command 'filebrowser:open-path' not registered.",
    # a restart cancels questions that the page had asked the kernel
    f"Could not restore the debugger state: {CANCELED.format('debug_request')}",
    f"Error: {CANCELED.format('create_subshell_request')}",
}
"""Errors that the applications report whatever a notebook shows; any other error fails a test."""
MAX_PRESSES = 40


@contextmanager
def lab(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Lab]:
    """Start a JupyterLab that serves ``folder``, with its own settings and home folder, and a browser."""
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", f"--ServerApp.root_dir={folder}"]
    options += ["--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True"]
    options += ["--LabApp.extension_manager=readonly"]
    with tempfile.TemporaryDirectory(prefix="lab-") as home, browser() as chromium:
        own = _home(Path(home)) | dict(environment or {})
        server = Served("jupyterlab", options, ADDRESS, own)
        try:
            yield Lab(folder, server.address(), chromium)
        finally:
            server.stop()


def _home(folder: Path) -> dict[str, str]:
    """Return environment variables that keep all files of Jupyter in ``folder``, with the settings above."""
    for name, text in QUIET.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    folders = {"HOME": "", "IPYTHONDIR": "ipython", "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data"}
    folders |= {"JUPYTER_RUNTIME_DIR": "runtime", "JUPYTERLAB_SETTINGS_DIR": "settings"}
    folders |= {"JUPYTERLAB_WORKSPACES_DIR": "workspaces"}
    return {name: str(folder / subfolder) for name, subfolder in folders.items()}


@dataclass(frozen=True)
class Lab:
    """Opens notebooks of ``folder``."""

    folder: Path
    address: str
    browser: Browser

    @contextmanager
    def notebook(
        self, name: str, cells: Sequence[str] | None = None, app: str = "lab", **page: Any
    ) -> Iterator[Notebook]:
        """Open the notebook ``name`` in a new page and wait for its kernel; ``cells`` create the notebook.

        ``app``: lab or notebook. ``page``: options of Playwright for a new page, such as ``viewport``.
        """
        if cells is not None:
            created = nbformat.v4.new_notebook(
                cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=KERNEL
            )
            nbformat.write(created, self.folder / name)
        opened = Notebook(self.browser.new_page(**page))
        opened.open(self.address, name, app)
        try:
            yield opened
        finally:
            opened.close()

    @contextmanager
    def another_page(self, name: str, app: str = "lab") -> Iterator[Notebook]:
        """Open a notebook in a second page; its kernel keeps running when this page is closed."""
        opened = Notebook(self.browser.new_page())
        opened.open(self.address, name, app)
        try:
            yield opened
        finally:
            opened.page.close()


@dataclass
class Notebook:
    """An open notebook, driven through Lab's own commands.

    ``problems`` are the errors that the page reported, except those of the application itself (``OWN_NOISE``).
    """

    page: Page
    problems: list[str] = field(default_factory=list)

    def open(self, address: str, name: str, app: str) -> None:
        """Load the page and wait for the kernel."""
        self.page.on("pageerror", lambda error: self._note(str(error)))
        self.page.on("console", self._hear)
        parts = urlsplit(address)
        self.page.goto(f"{parts.scheme}://{parts.netloc}/{PATHS[app]}/{name}?{parts.query}&reset")
        self._wait_ready()

    def _wait_ready(self) -> None:
        """Wait for the kernel; the page shows it as idle before it is even connected."""
        self.page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel != null")
        self._in_lab("await panel.revealed; await panel.sessionContext.ready; await kernel.info")

    def close(self) -> None:
        """Shut down the kernel, and with it every cluster that it started; close the page."""
        self._in_lab("await panel.sessionContext.shutdown()")
        self.page.close()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(message.text, f" ({message.location['url']})")

    def _note(self, text: str, where: str = "") -> None:
        if text not in OWN_NOISE:
            self.problems.append(text + where)

    def _in_lab(self, script: str, argument: object = None) -> Any:
        """Run JavaScript in the page, with the variables ``app``, ``panel``, ``notebook`` and ``kernel``."""
        names = (
            "const app = window.jupyterapp, panel = app.shell.currentWidget, notebook = panel.content, "
            "kernel = panel.sessionContext?.session?.kernel;"
        )
        return self.page.evaluate(f"async (argument) => {{ {names} {script} }}", argument)

    def command(self, name: str, arguments: Mapping[str, object] | None = None) -> None:
        """Run a command of Lab to its end."""
        self._in_lab("await app.commands.execute(argument[0], argument[1])", [name, dict(arguments or {})])

    def start(self, cell: int) -> None:
        """Start a code cell and wait until the kernel is busy with it."""
        self._in_lab(
            "notebook.activeCellIndex = argument;"
            "const busy = new Promise(done => kernel.statusChanged.connect((_, status) => status == 'busy' && done()));"
            "app.commands.execute('notebook:run-cell'); await busy",
            cell,
        )

    def wait_idle(self) -> None:
        """Wait until every cell that was started has ended."""
        self._in_lab("await Promise.all(notebook.widgets.map(cell => cell.outputArea?.future?.done.catch(() => 0)))")

    def run(self, cell: int) -> str:
        """Run a code cell to its end; returns the text of its outputs."""
        self._in_lab("notebook.activeCellIndex = argument; await app.commands.execute('notebook:run-cell')", cell)
        return self.text(cell)

    def select(self, cell: int) -> None:
        """Make a cell the active one, in command mode and with the focus, as a click beside it does."""
        self._in_lab("notebook.activeCellIndex = argument; notebook.mode = 'command'; notebook.activate()", cell)

    def run_all(self) -> None:
        """Run all cells to their end."""
        self.command("notebook:run-all-cells")

    def interrupt(self) -> None:
        """Interrupt the kernel, as the stop button does."""
        self.command("notebook:interrupt-kernel")

    def restart(self) -> None:
        """Restart the kernel; its state is lost, and the page keeps its outputs."""
        self._in_lab("await kernel.restart(); await kernel.info")
        # the ending kernel closes widgets that the page no longer has
        self.problems[:] = [text for text in self.problems if not text.startswith("Comm not found for comm id ")]

    def save(self) -> None:
        """Write the notebook to its file."""
        self._in_lab("await panel.context.save()")

    def reload(self) -> None:
        """Reload the page, which reads the notebook from its file; the kernel keeps running."""
        self.page.reload()
        self._wait_ready()

    def press(self, *keys: str) -> None:
        """Press one key after the other: ``Tab``, ``Enter``, ``Control+s``."""
        for key in keys:
            self.page.keyboard.press(key)

    def press_until(self, key: str, reached: Locator) -> None:
        """Press ``key`` until ``reached`` has the focus, as people without a mouse do."""
        focused = "node => node.getRootNode().activeElement === node"
        for _ in range(MAX_PRESSES):
            self.press(key)
            if reached.evaluate(focused):
                return
        raise AssertionError(f"{reached} did not get the focus after {MAX_PRESSES} times {key}")

    def theme(self, name: str) -> None:
        """Change to the theme ``JupyterLab Light`` or ``JupyterLab Dark`` and wait until it shows."""
        paper = "() => getComputedStyle(document.body).getPropertyValue('--jp-layout-color1')"
        before = self.page.evaluate(paper)
        if self.page.evaluate("document.body.dataset.jpThemeName") != name:
            self.command("apputils:change-theme", {"theme": name})
            self.page.wait_for_function(f"before => ({paper})() != before", arg=before)

    def cell(self, index: int) -> Locator:
        """A cell by its index; cells of text count too."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def outputs(self, index: int) -> Locator:
        """The outputs of a cell."""
        return self.cell(index).locator(".jp-OutputArea-output")

    def text(self, index: int) -> str:
        """The text of a cell's outputs."""
        return "\n".join(output.inner_text() for output in self.outputs(index).all())
