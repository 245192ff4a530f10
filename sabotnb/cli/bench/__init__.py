"""Benchmarks: ``sabotnb bench compare | kernels | pipelines | latency``."""
