"""The cases of ``sabotnb bench recovery``: the pause of a checkpoint, and how fast a job goes on after a loss."""
