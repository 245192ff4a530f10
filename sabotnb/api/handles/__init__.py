"""What users get for a running job: its handle, its status, and its metrics as tables."""
