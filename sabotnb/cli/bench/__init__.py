"""Benchmarks: ``sabotnb bench compare | nexmark | joins | kernels | pipelines | latency | recovery``."""
