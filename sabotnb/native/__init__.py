"""Compiled kernels over Arrow memory. They take and return pyarrow objects, release the GIL and use one thread."""

from pathlib import Path

try:
    from sabotnb.native.frames import FrameReader
except ModuleNotFoundError as error:
    if error.name is None or not error.name.startswith("sabotnb.native."):
        raise
    folder = Path(__file__).parents[2]  # a checkout, or where pip put the package
    is_checkout = (folder / "setup.py").exists()
    command = "python setup.py build_ext --inplace" if is_checkout else "pip install --force-reinstall sabotnb"
    raise ImportError(f"the compiled kernels of sabotnb are not built; run in {folder}: {command}") from None
from sabotnb.native import canonical
from sabotnb.native.aggregate import FieldUpdates
from sabotnb.native.calendar_floor import floor_months, floor_times
from sabotnb.native.canonical import decoded, plain_type
from sabotnb.native.categories import Categories, Orders, as_values, has_order_inside, is_ordered, without_order
from sabotnb.native.category_orders import (
    KnownOrders,
    known_orders,
    one_order,
    united_orders,
    with_known_orders,
    with_orders_in,
    with_orders_of,
    without_orders,
)
from sabotnb.native.compact import compact, own_bytes, without_unused
from sabotnb.native.far_years import is_far, local_dates, of_calendar, text_of_far
from sabotnb.native.footer import ENCRYPTED_FILE, footer_fault
from sabotnb.native.hash import HASH_VERSION, hash_rows, key_groups
from sabotnb.native.join import Matches, Probe
from sabotnb.native.keyindex import KeyIndex, Slots, codes
from sabotnb.native.keyview import KeyView
from sabotnb.native.layouts import (
    can_be_encoded,
    decoded_array,
    decoded_batch,
    decoded_schema,
    empty_batch,
    nested_array,
    nested_type,
    plain_array,
    plain_batch,
    plain_layout,
    plain_schema,
    without_dictionaries,
)
from sabotnb.native.local_times import (
    clock_names,
    instants_at,
    integers,
    is_zoned,
    local_times,
    times_like,
)
from sabotnb.native.nesting import first_deeper
from sabotnb.native.partition import partition, scatter
from sabotnb.native.row_image import RowImage, read_images
from sabotnb.native.rows import Rows
from sabotnb.native.rows_by_key import rows_by_key
from sabotnb.native.texts import Texts, TextView
from sabotnb.native.time_index import TimeIndex, TimeProbe
from sabotnb.native.validity import check_batch, check_names, check_table, checked
from sabotnb.native.zone_offsets import near_times, zone_offsets

__all__ = [
    "ENCRYPTED_FILE",
    "HASH_VERSION",
    "Categories",
    "FieldUpdates",
    "FrameReader",
    "KeyIndex",
    "KeyView",
    "KnownOrders",
    "Matches",
    "Orders",
    "Probe",
    "RowImage",
    "Rows",
    "Slots",
    "TextView",
    "Texts",
    "TimeIndex",
    "TimeProbe",
    "as_values",
    "can_be_encoded",
    "canonical",
    "check_batch",
    "check_names",
    "check_table",
    "checked",
    "clock_names",
    "codes",
    "compact",
    "decoded",
    "decoded_array",
    "decoded_batch",
    "decoded_schema",
    "empty_batch",
    "first_deeper",
    "floor_months",
    "floor_times",
    "footer_fault",
    "has_order_inside",
    "hash_rows",
    "instants_at",
    "integers",
    "is_far",
    "is_ordered",
    "is_zoned",
    "key_groups",
    "known_orders",
    "local_dates",
    "local_times",
    "near_times",
    "nested_array",
    "nested_type",
    "of_calendar",
    "one_order",
    "own_bytes",
    "partition",
    "plain_array",
    "plain_batch",
    "plain_layout",
    "plain_schema",
    "plain_type",
    "read_images",
    "rows_by_key",
    "scatter",
    "text_of_far",
    "times_like",
    "united_orders",
    "with_known_orders",
    "with_orders_in",
    "with_orders_of",
    "without_dictionaries",
    "without_order",
    "without_orders",
    "without_unused",
    "zone_offsets",
]
