"""What users hold of a running job: the handle, its status, its metrics as tables."""
