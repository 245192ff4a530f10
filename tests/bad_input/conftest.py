"""Real worker processes that each module shares, and what its tests look at."""

import os

import pytest

import sabotnb as sb


@pytest.fixture(scope="module")
def env():
    env = sb.local(workers=2, slots=4)
    yield env
    env.close()


@pytest.fixture
def written(tmp_path):
    """Lists every file below ``out``, hidden ones too, and those of hidden folders beside it."""

    def files(below, names):
        return [str(path.relative_to(below)) for path in tmp_path.glob(names) if path.is_file()]

    return lambda: sorted([*files(tmp_path / "out", "out/**/*"), *files(tmp_path, ".sabotnb-*/**/*")])


@pytest.fixture
def half_written(tmp_path):
    """Returns when a running job has begun to write."""

    def wait(job):
        # os.walk, as tasks rename folders meanwhile, which rglob does not stand
        while not any(name.endswith(".partial") for _, _, names in os.walk(tmp_path) for name in names):
            assert job.status.state in ("PENDING", "DEPLOYING", "RUNNING")

    return wait
