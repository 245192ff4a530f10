"""Whether saved state fits an operator whose code has changed since, and how its rows become those of the operator.

A savepoint outlives the code that wrote it. What it has of a state is compared with the operator's state field by
field, by name:

=============================  =====================================================================
field                          what becomes of it
=============================  =====================================================================
of the same type               loaded as it is
of a wider type now            converted: every saved value is a value of the wider type
new, in ``StateSpec.optional``  null in all rows, which stands for the default
gone, in ``optional``          dropped: bookkeeping that the operator does without
new or gone otherwise          refused
of another type                refused
=============================  =====================================================================

A field whose type does not show what it was made of says so (``MADE_OF``): a sketch of hashes, a sum of durations. Its
source has to be the same, as a sketch of another type counts every value again.

Another scope or version of the state is refused, too. The check needs no rows, so it is made before a running job is
stopped for its successor.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
from pyarrow import types as t

from sabotnb.errors import CheckpointError
from sabotnb.expr import MADE_OF
from sabotnb.protocol.state import StateSpec


@dataclass(frozen=True, slots=True)
class StateFit:
    """How saved rows become rows of ``schema``: ``columns`` has for each field its number in them, None for nulls."""

    schema: pa.Schema
    columns: tuple[int | None, ...]
    same: bool

    def converted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return saved rows as rows of ``schema``."""
        if self.same:
            return batch
        arrays = [
            pa.nulls(batch.num_rows, field.type) if number is None else batch.column(number).cast(field.type)
            for number, field in zip(self.columns, self.schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def fit_state(operator: str, saved: StateSpec, stored: pa.Schema, spec: StateSpec, schema: pa.Schema) -> StateFit:
    """Compare state that was saved as ``saved``, with rows of ``stored``, with that of ``operator`` now.

    Raises:
        CheckpointError: it does not fit; names the operator, the field, and both types.
    """
    if (saved.scope, saved.version) != (spec.scope, spec.version):
        forms = [f"{of.scope.value}, version {of.version}" for of in (saved, spec)]
        raise _refused(operator, f"was saved as state {spec.name!r} ({forms[0]}), and now has {forms[1]}")
    if stored.equals(schema) and [_made_of(field) for field in stored] == [_made_of(field) for field in schema]:
        return StateFit(schema, tuple(range(len(schema))), same=True)
    for field in stored:
        if field.name not in schema.names and field.name not in spec.optional:
            raise _refused(operator, f"has no field {_shown(field.name)} now, and the checkpoint has it ({field.type})")
    return StateFit(schema, tuple(_column(operator, stored, spec, field) for field in schema), same=False)


def is_widened(saved: pa.DataType, wanted: pa.DataType) -> bool:
    """True if every value of type ``saved`` is a value of ``wanted`` that means the same."""
    if saved.equals(wanted):
        return True
    if t.is_integer(saved) and t.is_integer(wanted):
        keeps_sign = t.is_signed_integer(wanted) or t.is_unsigned_integer(saved)
        return bool(keeps_sign and wanted.bit_width > saved.bit_width)
    if t.is_floating(saved) and t.is_floating(wanted):
        return bool(wanted.bit_width > saved.bit_width)
    if t.is_decimal(saved) and t.is_decimal(wanted):
        return bool(saved.scale == wanted.scale and wanted.precision > saved.precision)
    return _has_wider_values(saved, wanted) or any(saved in layouts and wanted in layouts for layouts in _LAYOUTS)


def _has_wider_values(saved: pa.DataType, wanted: pa.DataType) -> bool:
    if t.is_map(saved) and t.is_map(wanted):
        return is_widened(saved.key_type, wanted.key_type) and is_widened(saved.item_type, wanted.item_type)
    return bool(t.is_list(saved) and t.is_list(wanted)) and is_widened(saved.value_type, wanted.value_type)


_LAYOUTS = (pa.string(), pa.large_string()), (pa.binary(), pa.large_binary())


def _column(operator: str, stored: pa.Schema, spec: StateSpec, field: pa.Field) -> int | None:
    number = int(stored.get_field_index(field.name))
    if number < 0:
        if field.name in spec.optional:
            return None
        raise _refused(operator, f"needs the field {_shown(field.name)} ({field.type}), which the checkpoint lacks")
    before = stored.field(number)
    if _made_of(before) != _made_of(field) or not is_widened(before.type, field.type):
        types = f"{_made_of(before) or before.type} in the checkpoint, and is {_made_of(field) or field.type} now"
        raise _refused(operator, f"has the field {_shown(field.name)}, which was {types}")
    return number


def _made_of(field: pa.Field) -> str | None:
    source = (field.metadata or {}).get(MADE_OF)
    return None if source is None else source.decode()


def _shown(name: str) -> str:
    """The name of a field without the mark of those that no user has named."""
    return repr(name.lstrip("\0"))


def _refused(operator: str, difference: str) -> CheckpointError:
    return CheckpointError(
        f"operator {operator!r} {difference}. Change it back, or let it begin empty: .run(drop_state=[{operator!r}])"
    )
