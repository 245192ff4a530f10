"""Status and metrics of jobs and agents as plain data, computed from the machine's state without changing it."""
