"""Jobs and agents as people see them: plain data made of the machine's state, which nothing here changes."""
