"""Output in files: hidden until a committer gives them their final names."""
