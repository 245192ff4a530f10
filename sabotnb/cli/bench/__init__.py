"""Benchmarks: ``sabotnb bench kernels | pipelines | latency``."""
