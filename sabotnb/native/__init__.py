"""Kernels over Arrow memory. They take and give pyarrow objects, release the GIL and use one thread."""

from sabotnb.native.frames import FrameReader
from sabotnb.native.hash import HASH_VERSION, hash_rows, key_groups
from sabotnb.native.partition import partition, scatter

__all__ = ["HASH_VERSION", "FrameReader", "hash_rows", "key_groups", "partition", "scatter"]
