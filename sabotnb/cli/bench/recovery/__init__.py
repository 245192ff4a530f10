"""The cases of ``sabotnb bench recovery``: what checkpoints cost, and how fast a job goes on after a loss."""
