"""One JupyterLab and one Chromium for all browser tests."""

import os

import lab
import pytest


@pytest.fixture(scope="module")  # Playwright keeps an event loop running in this thread until it is over
def jupyterlab(tmp_path_factory):
    """A running JupyterLab. Without Chromium the tests are skipped; in CI they fail."""
    if lab.chromium() is None:
        missing = "Chromium is not installed: .ci/system-packages installs it"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with lab.lab(tmp_path_factory.mktemp("notebooks")) as running:
        yield running
