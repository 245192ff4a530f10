"""Event time: clocks of splits, which rows are delayed, and the windows that a time belongs to."""
