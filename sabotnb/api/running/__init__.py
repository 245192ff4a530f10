"""Run streams: compile, submit, pull results, preview."""
