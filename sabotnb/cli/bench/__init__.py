"""Benchmarks: ``sabotnb bench compare | nexmark | kernels | pipelines | latency``."""
