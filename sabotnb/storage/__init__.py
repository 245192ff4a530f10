"""The files of checkpoints: states and cuts in a folder, or at any URL that fsspec knows."""

from sabotnb.storage.cut_codec import cut_from_plain, cut_to_plain
from sabotnb.storage.cut_file import is_complete, read_cut, write_cut
from sabotnb.storage.cut_folders import CutFolder, jobs_with_cuts, list_cuts
from sabotnb.storage.cut_removal import remove_cuts, remove_incomplete_cuts, remove_run
from sabotnb.storage.state_index import StoredState
from sabotnb.storage.state_reader import StateReader
from sabotnb.storage.state_writer import FrozenState, write_states

__all__ = [
    "CutFolder",
    "FrozenState",
    "StateReader",
    "StoredState",
    "cut_from_plain",
    "cut_to_plain",
    "is_complete",
    "jobs_with_cuts",
    "list_cuts",
    "read_cut",
    "remove_cuts",
    "remove_incomplete_cuts",
    "remove_run",
    "write_cut",
    "write_states",
]
