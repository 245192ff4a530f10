"""Describe plans for people: the three levels of a job as text, and job graphs for Graphviz."""
