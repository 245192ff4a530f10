"""Real worker processes that each module shares, and what its tests look at."""

import pytest

import sabotnb as sb


@pytest.fixture(scope="module")
def env():
    env = sb.local(workers=2, slots=4)
    yield env
    env.close()


@pytest.fixture
def written(tmp_path):
    """Lists every file below ``out``, hidden ones too."""
    return lambda: sorted(
        str(path.relative_to(tmp_path / "out")) for path in tmp_path.glob("out/**/*") if path.is_file()
    )


@pytest.fixture
def half_written(written):
    """Returns when a running job has begun to write below ``out``."""

    def wait(job):
        while not any(name.endswith(".partial") for name in written()):
            assert job.status.state in ("PENDING", "DEPLOYING", "RUNNING")

    return wait
