"""What lives in a notebook's output: the widget of a job, live tables and plots, and what keeps them up to date."""
