"""The state of process functions: declared columns and timers by key."""
