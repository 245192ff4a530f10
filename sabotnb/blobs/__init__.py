"""Blobs: functions, values and tables that a job graph carries beside its plain data, identified by sha256.

A reference holds its bytes, which do not count for equality, so that no registry is needed. A serialised graph names
the sha256 and keeps the bytes beside the JSON.
"""

from sabotnb.blobs.arrow_stream import ipc_bytes
from sabotnb.blobs.capturing import capture, capture_value
from sabotnb.blobs.fingerprint import fingerprint_here
from sabotnb.blobs.function import Function
from sabotnb.blobs.loading import load_pickled
from sabotnb.blobs.origin import Origin, call_site, label_of, line_label, user_frame
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
    "ipc_bytes",
    "label_of",
    "line_label",
    "load_pickled",
    "raised_by",
    "show_users_lines",
    "table_of",
    "text_of",
    "user_error",
    "user_frame",
    "user_traceback",
    "without_our_frames",
]
