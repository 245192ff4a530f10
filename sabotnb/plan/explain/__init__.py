"""What a plan is in words and pictures: the three levels of a job, and its graph for Graphviz."""
