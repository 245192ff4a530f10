"""Settings that packages share; the environment variable ``SABOTNB_<NAME>`` of a process overrides each."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields, replace


@dataclass(frozen=True, slots=True)
class Config:
    """Settings that a user may have a reason to change. Sizes are in bytes, times in seconds."""

    batch_rows: int = 65_536
    """Rows of a batch that a source makes: enough to amortise Python, few enough for the L2 cache."""

    key_groups: int = 128
    """Key groups of a new job (its max_parallelism); stored with the job, never changed afterwards."""

    gate_bytes: int = 32 << 20
    """Input budget of a task: unread bytes in all of its channels together."""

    coalesce_bytes: int = 256 << 10
    """A pending slice of this size is sent without waiting for more rows."""

    coalesce_rows: int = 4096
    """A pending slice of this many rows is sent without waiting for more."""

    coalesce_seconds: float = 0.010
    """A pending slice of this age is sent, whatever its size."""

    broadcast_bytes: int = 10 << 20
    """A bounded join side below this size is broadcast instead of hashed."""

    sort_bytes: int = 256 << 20
    """Rows that a task of a sort holds in memory; more of them are sorted and go to temporary files (TMPDIR)."""

    state_bytes: int = 1 << 30
    """State that an operator holds in a task: more key groups than fit go to a temporary file (TMPDIR), if the input
    ends. Grouping, distinct and hash joins."""

    collect_bytes: int = 16 << 20
    """Unread results that a collecting task holds for the client."""

    preview_rows: int = 10_000
    """Rows that ``head`` reads from each source."""

    function_bytes: int = 20 << 20
    """Pickled size above which a function is refused."""

    full_tracebacks: int = 0
    """1 keeps the frames of sabotnb in tracebacks of its own exceptions."""

    heartbeat_seconds: float = 5.0
    agent_lost_seconds: float = 10.0

    session_lost_seconds: float = 60.0
    """A job whose rows only its session reads is canceled when that session has been lost for so long."""

    reader_lost_seconds: float = 15.0
    """A task of a live table waits so long for a client that does not ask for its last rows; one that reads asks every
    five seconds."""

    commit_wait_seconds: float = 60.0
    """A job without an agent that can commit or remove its output, or on which it can start again, fails then."""

    restart_wait_seconds: float = 3.0
    """A job that starts again with too few slots waits so long for more, then its tasks share slots: a worker that was
    killed is back in two."""

    store: str = field(default="", repr=False)
    """The job store, as the URL of a database; empty for the file in the user's data folder."""

    kept_days: float = 7.0
    """Days after which a run that has ended is dropped from the job store, with its checkpoints."""

    dashboard_hosts: str = ""
    """Host names, separated by commas, of a proxy for Dask's pages, which else accept names of the loopback only."""

    def hosts(self) -> tuple[str, ...]:
        """Return the names in ``dashboard_hosts``, in lower case."""
        return tuple(name.strip().lower() for name in self.dashboard_hosts.split(",") if name.strip())

    @classmethod
    def from_environment(cls) -> Config:
        """Return the defaults, each replaced by ``SABOTNB_<NAME>`` if that is set; ValueError if it is not a number."""
        overrides = {name: os.environ[f"SABOTNB_{name.upper()}"] for name in _names() & _set_names()}
        defaults = cls()
        return replace(defaults, **{name: type(getattr(defaults, name))(text) for name, text in overrides.items()})


def _names() -> set[str]:
    return {setting.name for setting in fields(Config)}


def _set_names() -> set[str]:
    return {key.removeprefix("SABOTNB_").lower() for key in os.environ if key.startswith("SABOTNB_")}
