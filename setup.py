"""Builds the Cython kernels as abi3 extensions; everything else is in pyproject.toml."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

LIMITED_API = ("Py_LIMITED_API", "0x030B0000")

kernels = [
    Extension(
        "sabotnb.native." + source.stem,
        [str(source)],
        define_macros=[LIMITED_API],
        py_limited_api=True,
        extra_compile_args=["-O3", "-fno-math-errno", "-fwrapv"],
    )
    for source in sorted(Path("sabotnb/native").glob("*.pyx"))
]

setup(
    ext_modules=cythonize(
        kernels,
        compiler_directives={
            "language_level": "3",
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
        },
    ),
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
