"""Keyed state of operators: aggregates, rows and keys, stored separately for each key group."""

from sabotnb.state.build_side import BuildSide
from sabotnb.state.current_rows import AT, CurrentRows
from sabotnb.state.grouped import GroupedAggregates
from sabotnb.state.grouped_batches import GroupedBatches, combined, numbered
from sabotnb.state.held_rows import GroupedRows, KeyedRows
from sabotnb.state.key_set import KeySet
from sabotnb.state.keys import MISSING, check_group, compared, complete
from sabotnb.state.partials import BatchPartials
from sabotnb.state.process.process_state import DeclaredColumn, ProcessState, StateKind, optional_fields
from sabotnb.state.process.slot_columns import ListColumn, MapColumn, SlotColumn
from sabotnb.state.process.slot_timers import LATEST, SlotTimers
from sabotnb.state.reducers import Reducers, Row
from sabotnb.state.retention import Direction, Retention, position, tied
from sabotnb.state.shared_slots import SharedAggregates, SharedSlots
from sabotnb.state.slot_ranges import PIECE_BYTES
from sabotnb.state.slot_table import SlotParts, SlotTable
from sabotnb.state.spill_file import SpilledBatch, SpillFile
from sabotnb.state.spilled_rows import SpillPolicy
from sabotnb.state.values import encoded_as, sortable

__all__ = [
    "AT",
    "LATEST",
    "MISSING",
    "PIECE_BYTES",
    "BatchPartials",
    "BuildSide",
    "CurrentRows",
    "DeclaredColumn",
    "Direction",
    "GroupedAggregates",
    "GroupedBatches",
    "GroupedRows",
    "KeySet",
    "KeyedRows",
    "ListColumn",
    "MapColumn",
    "ProcessState",
    "Reducers",
    "Retention",
    "Row",
    "SharedAggregates",
    "SharedSlots",
    "SlotColumn",
    "SlotParts",
    "SlotTable",
    "SlotTimers",
    "SpillFile",
    "SpillPolicy",
    "SpilledBatch",
    "StateKind",
    "check_group",
    "combined",
    "compared",
    "complete",
    "encoded_as",
    "numbered",
    "optional_fields",
    "position",
    "sortable",
    "tied",
]
