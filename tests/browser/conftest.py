"""One JupyterLab and one Chromium for all browser tests."""

import os

import lab
import pytest
from served import chromium

from sabotnb.cluster.detached import end_detached


@pytest.fixture(scope="session", autouse=True)
def needs_chromium():
    """Skip the tests of this folder without Chromium; in CI they fail."""
    if chromium() is None:
        missing = "Chromium is not installed: .ci/system-packages installs it"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)


@pytest.fixture(scope="module")  # per module: Playwright runs an event loop in this thread until it ends
def jupyterlab(tmp_path_factory):
    """A running JupyterLab with a detached cluster of its own."""
    runtime = tmp_path_factory.mktemp("runtime")
    with lab.lab(tmp_path_factory.mktemp("notebooks"), {"XDG_RUNTIME_DIR": str(runtime)}) as running:
        yield running
    end_detached(runtime / "sabotnb")
