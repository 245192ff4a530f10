"""Process functions: a class of the user with state and timers for each key."""
