"""Kernels over Arrow memory. They take and give pyarrow objects, release the GIL and use one thread."""

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
from sabotnb.native.hash import HASH_VERSION, hash_rows, key_groups
from sabotnb.native.partition import partition, scatter

__all__ = ["HASH_VERSION", "FrameReader", "hash_rows", "key_groups", "partition", "scatter"]
