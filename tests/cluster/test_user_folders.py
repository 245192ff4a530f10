"""What to set is said where a folder of this user cannot be used."""

import os

import dask
import pytest

from sabotnb.cluster.user_folders import runtime_folder, scratch_folder
from sabotnb.errors import EnvError


def test_what_is_refused_says_what_to_set(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "sabotnb").symlink_to(tmp_path)
    with pytest.raises(EnvError, match="or set XDG_RUNTIME_DIR to a folder of your own"):
        runtime_folder()
    (tmp_path / f"sabotnb-{os.getuid()}").touch()
    with dask.config.set({"temporary-directory": str(tmp_path)}), pytest.raises(EnvError, match="or set TMPDIR to a"):
        scratch_folder()
