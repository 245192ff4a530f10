"""Settings that rooms share, each overridable by ``SABOTNB_<NAME>`` in the environment of its process."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Config:
    """Numbers that somebody may have a reason to change. Sizes are bytes, times are seconds."""

    batch_rows: int = 65_536
    """Rows of a batch that a source makes: large enough to amortise Python, small enough for the L2 cache."""

    key_groups: int = 128
    """Key groups of a new job (its max_parallelism); stored with the job, never changed afterwards."""

    gate_bytes: int = 32 << 20
    """Input budget of one task: unread bytes in all its channels together."""

    coalesce_bytes: int = 256 << 10
    """A pending slice of this size leaves its output partition without waiting for more."""

    coalesce_rows: int = 4096
    """A pending slice of this many rows leaves without waiting for more."""

    coalesce_seconds: float = 0.010
    """A pending slice of this age leaves, whatever its size."""

    broadcast_bytes: int = 10 << 20
    """A bounded join side below this size is broadcast instead of hashed."""

    collect_bytes: int = 16 << 20
    """Unread results that one collecting task holds for the client."""

    preview_rows: int = 10_000
    """Rows that ``head`` reads from each source."""

    function_bytes: int = 20 << 20
    """Pickled size above which a function is refused."""

    full_tracebacks: int = 0
    """1 shows the frames of sabotnb in the errors that it raises on purpose."""

    heartbeat_seconds: float = 5.0
    agent_lost_seconds: float = 10.0

    session_lost_seconds: float = 60.0
    """A job whose rows only a session takes is canceled when that has been gone for so long."""

    commit_wait_seconds: float = 60.0
    """A job whose output is written, but which no agent is left to publish, fails after so long."""

    dashboard_hosts: str = ""
    """Host names, separated by commas, of a proxy before Dask's pages: these answer to the loopback's names only."""

    def hosts(self) -> tuple[str, ...]:
        """The names in ``dashboard_hosts``."""
        return tuple(name.strip().lower() for name in self.dashboard_hosts.split(",") if name.strip())

    @classmethod
    def from_environment(cls) -> Config:
        """The defaults, each replaced by its ``SABOTNB_<NAME>`` where that is set; ValueError if it is no number."""
        given = {name: os.environ[f"SABOTNB_{name.upper()}"] for name in _names() & _set_names()}
        defaults = cls()
        return replace(defaults, **{name: type(getattr(defaults, name))(text) for name, text in given.items()})


def _names() -> set[str]:
    return {field.name for field in fields(Config)}


def _set_names() -> set[str]:
    return {key.removeprefix("SABOTNB_").lower() for key in os.environ if key.startswith("SABOTNB_")}
