"""What a job graph carries beside its plain data: functions, values and tables, known by the sha256 of their bytes.

A reference holds its bytes along, outside equality, so that nothing has to be looked up in a registry; a serialised
graph names the sha256 and keeps the bytes beside the JSON.
"""

from sabotnb.blobs.capturing import capture, capture_value
from sabotnb.blobs.fingerprint import fingerprint_here
from sabotnb.blobs.function import Function
from sabotnb.blobs.origin import Origin, call_site, label_of, place, user_frame
from sabotnb.blobs.table import Table, table_of
from sabotnb.blobs.user_tracebacks import (
    raised_by,
    show_users_lines,
    text_of,
    user_error,
    user_traceback,
    without_our_frames,
)
from sabotnb.blobs.value import Value

__all__ = [
    "Function",
    "Origin",
    "Table",
    "Value",
    "call_site",
    "capture",
    "capture_value",
    "fingerprint_here",
    "label_of",
    "place",
    "raised_by",
    "show_users_lines",
    "table_of",
    "text_of",
    "user_error",
    "user_frame",
    "user_traceback",
    "without_our_frames",
]
